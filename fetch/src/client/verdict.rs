//! What a service's refusal means for the signature: the clock was wrong, or the keys were.
//!
//! Only what the signer itself can mend is looked for here. What a code means for the source is the plugin's to say.

use serde::Deserialize;

/// Codes stand at the beginning of a refusal; further in is only the text that was signed.
const LOOKED_AT: usize = 16 << 10;

/// What may be mended by signing anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mend {
    /// The time in the signature was too far from the server's.
    Clock,
    /// The keys have expired, were replaced or are not known any more.
    Keys,
}

#[derive(Deserialize)]
struct SlsRefusal {
    #[serde(rename = "errorCode")]
    code: String,
    #[serde(rename = "errorMessage", default)]
    message: String,
}

/// What a refused request can be mended by, if by anything.
pub(super) fn mend(status: u16, body: &[u8]) -> Option<Mend> {
    if !matches!(status, 400 | 401 | 403) {
        return None;
    }
    let (code, message) = code(body)?;
    match code.as_str() {
        "RequestTimeTooSkewed" | "RequestTimeExpired" => Some(Mend::Clock),
        "SecurityTokenExpired" | "InvalidSecurityToken" | "SignatureNotMatch" | "SignatureDoesNotMatch" => {
            Some(Mend::Keys)
        }
        // The same code says that the service was never opened, which no key mends.
        "InvalidAccessKeyId" if !message.contains("not opened") => Some(Mend::Keys),
        // The same code says that the account is overdue.
        "Unauthorized" if message.to_ascii_lowercase().contains("token") => Some(Mend::Keys),
        _ => None,
    }
}

/// Code and message: JSON from Log Service, XML from OSS.
fn code(body: &[u8]) -> Option<(String, String)> {
    if let Ok(SlsRefusal { code, message }) = serde_json::from_slice(body) {
        return Some((code, message));
    }
    let text = String::from_utf8_lossy(&body[..body.len().min(LOOKED_AT)]);
    let element = |name: &str| {
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        let (_, rest) = text.split_once(&open)?;
        rest.split_once(&close).map(|(value, _)| value.trim().to_owned())
    };
    Some((element("Code")?, element("Message").unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_and_keys_are_told_from_what_no_signature_mends() {
        let sls = |status, code: &str, message: &str| {
            mend(status, format!(r#"{{"errorCode":"{code}","errorMessage":"{message}"}}"#).as_bytes())
        };
        let oss = |code: &str| {
            mend(
                403,
                format!("<?xml version=\"1.0\"?>\n<Error>\n  <Code>{code}</Code><Message>m</Message></Error>")
                    .as_bytes(),
            )
        };
        assert_eq!(sls(400, "RequestTimeTooSkewed", ""), Some(Mend::Clock));
        assert_eq!(sls(400, "RequestTimeExpired", ""), Some(Mend::Clock));
        assert_eq!(oss("RequestTimeTooSkewed"), Some(Mend::Clock));
        assert_eq!(sls(401, "Unauthorized", "The security token you provided has expired"), Some(Mend::Keys));
        assert_eq!(sls(401, "InvalidAccessKeyId", "The access key id is invalid"), Some(Mend::Keys));
        assert_eq!(sls(401, "SignatureNotMatch", ""), Some(Mend::Keys));
        assert_eq!(oss("SecurityTokenExpired"), Some(Mend::Keys));
        assert_eq!(oss("InvalidAccessKeyId"), Some(Mend::Keys));
        assert_eq!(sls(401, "Unauthorized", "Your SLS service has been forbidden."), None);
        assert_eq!(sls(401, "InvalidAccessKeyId", "Your SLS service has not opened."), None);
        assert_eq!(oss("AccessDenied"), None);
        assert_eq!(sls(500, "RequestTimeTooSkewed", ""), None);
        assert_eq!((mend(403, b""), mend(403, b"<Code>"), mend(401, b"\xff{")), (None, None, None));
    }
}
