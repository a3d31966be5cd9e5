//! A Feishu or Lark bot's message: `text`. That kind still reads `<at …>`, tags and `[text](link)`, so none is let through.
//! It must never be longer than 20 KB, or put the key into anything but a signature.
//!
//! Documented by Feishu: `timestamp` in seconds and `sign` in the body, the Base64 of an HMAC-SHA256 of nothing, keyed with
//! `timestamp`, a line feed and the secret; 100 messages a minute, 5 a second, a body of at most 20 KB.

use serde_json::json;

use super::text::render;
use super::{Batch, Encoded, Request, base64, hmac};

/// Most bytes of the text as JSON has it; the body has 20 KB.
const MAX: usize = 18_000;

/// One message.
pub(crate) fn encode(batch: &Batch<'_>, key: Option<&str>) -> Encoded<Request> {
    let text = render(batch, MAX, escaped);
    let mut body = json!({"msg_type": "text", "content": {"text": text.text}});
    if let Some(key) = key {
        let timestamp = batch.now_ms.div_euclid(1000).to_string();
        let sign = base64(&hmac(format!("{timestamp}\n{key}").as_bytes(), &[]));
        body["timestamp"] = timestamp.into();
        body["sign"] = sign.into();
    }
    Encoded { what: Request::json(&body), covered: batch.alerts.len(), left_out: text.left_out }
}

/// Bytes of a text within JSON.
fn escaped(text: &str) -> usize {
    text.bytes().map(|b| if b < 0x20 || matches!(b, b'"' | b'\\') { 2 } else { 1 }).sum()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::encode::fixture;

    #[test]
    fn a_message_mentions_nobody_and_links_to_nothing() {
        let alerts = [fixture::hostile()];
        let made = encode(&fixture::batch(&alerts), Some("feishu-key"));
        let body: serde_json::Value = serde_json::from_slice(&made.what.body).unwrap();
        let text = body["content"]["text"].as_str().unwrap();
        for bad in ["<", ">", "@", "](", "://", "\u{202e}"] {
            assert!(!text.contains(bad), "{bad:?}");
        }
        insta::assert_json_snapshot!(body);
    }

    #[test]
    fn the_body_stays_within_20_kb() {
        for filler in ["x", "\"\\", "中", "\u{1f600}"] {
            let alerts: Vec<_> = (0..2000).map(|_| fixture::filled(&filler.repeat(500))).collect();
            let made = encode(&fixture::batch(&alerts), Some("k"));
            assert!(made.what.body.len() <= 20_000, "{}", made.what.body.len());
            assert!(made.left_out > 0 && made.covered == 2000);
        }
    }
}
