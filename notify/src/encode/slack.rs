//! A message for an incoming webhook of Slack: one block of `plain_text`, which reads no mrkdwn, and a line for notifications.
//! It must never hold `<`, `>` or `&` of an alert in any form, or let Slack unfold a link.
//!
//! Slack's limits: a text of a section has at most 3,000 characters; one message a second; 429 with `Retry-After`. Its pages were not at hand.

use serde_json::json;

use super::text::{render, summary};
use super::{Batch, Encoded, Request};

/// Most characters of the block.
const MAX: usize = 3_000;

/// One message.
pub(crate) fn encode(batch: &Batch<'_>) -> Encoded<Request> {
    let text = render(batch, MAX, |text| text.chars().count());
    let section = json!({"type": "section", "text": {"type": "plain_text", "text": text.text, "emoji": false}});
    let body = json!({
        "text": summary(batch),
        "mrkdwn": false,
        "unfurl_links": false,
        "unfurl_media": false,
        "blocks": [section],
    });
    Encoded { what: Request::json(&body), covered: batch.alerts.len(), left_out: text.left_out }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::encode::fixture;

    #[test]
    fn a_message_is_plain_text_and_calls_nobody() {
        for alerts in [vec![fixture::hostile()], fixture::many(500)] {
            let made = encode(&fixture::batch(&alerts));
            let body: serde_json::Value = serde_json::from_slice(&made.what.body).unwrap();
            let text = body["blocks"][0]["text"]["text"].as_str().unwrap();
            assert!(text.chars().count() <= 3000 && body["blocks"][0]["text"]["type"] == "plain_text");
            for bad in ["<!", "<@", "&lt;", "@all"] {
                assert!(!body.to_string().contains(bad), "{bad:?}");
            }
            insta::assert_json_snapshot!(body);
        }
    }
}
