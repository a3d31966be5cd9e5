//! A DingTalk robot's message: `text`, because its Markdown kind reads markup; nobody is mentioned.
//! It must never be of another kind, or put the key into anything but a signature.
//!
//! Documented by DingTalk: `timestamp` in milliseconds and `sign`, the Base64 of the HMAC-SHA256 of `timestamp`, a line feed and the
//! secret, keyed with the secret, in the query; 20 messages a minute, and ten minutes of none after more. No limit of a text's
//! length was found for robots; other messages of DingTalk may have 5,000 characters, so fewer bytes are sent.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use super::text::render;
use super::{Batch, Encoded, Request, base64, hmac};

/// Most bytes of the text.
const MAX: usize = 4_500;

/// One message.
pub(crate) fn encode(batch: &Batch<'_>, key: Option<&str>) -> Encoded<Request> {
    let text = render(batch, MAX, str::len);
    let body = json!({"msgtype": "text", "text": {"content": text.text}, "at": {"isAtAll": false}});
    let mut what = Request::json(&body);
    if let Some(key) = key {
        let timestamp = batch.now_ms.to_string();
        let sign = base64(&hmac(key.as_bytes(), &[timestamp.as_bytes(), b"\n", key.as_bytes()]));
        what.query = format!("timestamp={timestamp}&sign={}", utf8_percent_encode(&sign, NON_ALPHANUMERIC));
    }
    Encoded { what, covered: batch.alerts.len(), left_out: text.left_out }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::encode::fixture;

    #[test]
    fn a_message_is_text_signed_and_harmless() {
        let alerts = [fixture::hostile()];
        let made = encode(&fixture::batch(&alerts), Some("SECtest"));
        // Computed with another implementation of HMAC.
        insta::assert_snapshot!(made.what.query);
        let body: serde_json::Value = serde_json::from_slice(&made.what.body).unwrap();
        let text = body["text"]["content"].as_str().unwrap();
        for bad in ['<', '>', '@', '\u{202e}', '\r', '\u{1b}'] {
            assert!(!text.contains(bad), "{bad:?}");
        }
        assert!(!text.contains("://") && text.starts_with("innertrail: 1 alert"));
        assert!(text.lines().all(|l| !l.starts_with("Bcc")));
        insta::assert_json_snapshot!(body);
    }

    #[test]
    fn any_number_fits() {
        let alerts = fixture::many(2000);
        let made = encode(&fixture::batch(&alerts), None);
        assert!(
            made.what.body.len() < 6000 && made.covered == 2000 && made.left_out > 1900 && made.what.query.is_empty()
        );
    }
}
