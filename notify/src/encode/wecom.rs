//! A WeCom robot's message: `text`, with nobody in its list of those who are mentioned.
//! It must never be longer than 2,048 bytes, or of another kind.
//!
//! The address with its key, that length, 20 messages a minute and `mentioned_list` are as WeCom's page on robots has them, by those who
//! quote it; the page itself was not at hand.

use serde_json::json;

use super::text::render;
use super::{Batch, Encoded, Request};

/// Most bytes of the text.
const MAX: usize = 2_048;

/// One message.
pub(crate) fn encode(batch: &Batch<'_>) -> Encoded<Request> {
    let text = render(batch, MAX, str::len);
    let body = json!({"msgtype": "text", "text": {"content": text.text}});
    Encoded { what: Request::json(&body), covered: batch.alerts.len(), left_out: text.left_out }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::encode::fixture;

    #[test]
    fn a_message_is_short_and_mentions_nobody() {
        for alerts in [vec![fixture::hostile()], fixture::many(500)] {
            let made = encode(&fixture::batch(&alerts));
            let body: serde_json::Value = serde_json::from_slice(&made.what.body).unwrap();
            let text = body["text"]["content"].as_str().unwrap();
            assert!(text.len() <= 2048);
            for bad in ["<", ">", "@"] {
                assert!(!text.contains(bad), "{bad:?}");
            }
            insta::assert_json_snapshot!(body);
        }
    }
}
