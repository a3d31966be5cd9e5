//! The Authorization header: which key and which signature a request claims. Nothing of it is believed here.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};

use crate::ApiError;

/// What the keys of version 4 are derived from, besides the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scope<'a> {
    /// `yyyymmdd`.
    pub(super) day: &'a str,
    /// As the client was told; this server belongs to none.
    pub(super) region: &'a str,
}

/// A claim of one of the two versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Claim<'a> {
    /// HMAC-SHA1.
    One { id: &'a str, signature: [u8; 20] },
    /// HMAC-SHA256 under a derived key.
    Four { id: &'a str, scope: Scope<'a>, signature: [u8; 32] },
}

/// Longest header that is looked at.
const LONGEST: usize = 1024;

impl<'a> Claim<'a> {
    /// Reads the header.
    ///
    /// # Errors
    /// 400 `ParameterInvalid`, as Log Service has it: none, or none of either form.
    pub(super) fn read(header: Option<&'a str>) -> Result<Self, ApiError> {
        let Some(header) = header.filter(|header| header.len() <= LONGEST) else {
            let message = "Http extend authorization : authorization pair is invalid: the request bears no signature; give the \
                           client an access key id and its secret";
            return Err(ApiError::parameter(message));
        };
        Self::one(header).or_else(|| Self::four(header)).ok_or_else(|| {
            let message = "Http extend authorization : authorization pair is invalid: neither `LOG id:signature` nor \
                           `SLS4-HMAC-SHA256 Credential=…,Signature=…`";
            ApiError::parameter(message)
        })
    }

    fn one(header: &'a str) -> Option<Self> {
        let (id, signature) = header.strip_prefix("LOG ")?.split_once(':')?;
        let signature = BASE64_STANDARD.decode(signature).ok()?.try_into().ok()?;
        (!id.is_empty()).then_some(Self::One { id, signature })
    }

    fn four(header: &'a str) -> Option<Self> {
        let (mut credential, mut signature) = (None, None);
        for part in header.strip_prefix("SLS4-HMAC-SHA256 ")?.split(',') {
            let slot = match part.trim().split_once('=')? {
                ("Credential", value) => credential.replace(value),
                ("Signature", value) => signature.replace(value),
                _ => return None,
            };
            if slot.is_some() {
                return None;
            }
        }
        let mut parts = credential?.split('/');
        let (id, day, region) = (parts.next()?, parts.next()?, parts.next()?);
        let rest: Vec<&str> = parts.collect();
        let signature = unhex(signature?)?;
        let whole = rest == ["sls", "aliyun_v4_request"] && !id.is_empty();
        whole.then_some(Self::Four { id, scope: Scope { day, region }, signature })
    }

    pub(super) fn key_id(&self) -> &'a str {
        match self {
            Self::One { id, .. } | Self::Four { id, .. } => id,
        }
    }

    /// One number for key and signature.
    pub(super) fn fingerprint(&self) -> [u8; 16] {
        let mut hash = Sha256::new();
        hash.update(self.key_id().as_bytes());
        match self {
            Self::One { signature, .. } => hash.update(signature),
            Self::Four { signature, .. } => hash.update(signature),
        }
        let mut out = [0; 16];
        out.copy_from_slice(&hash.finalize()[..16]);
        out
    }
}

/// 32 bytes of 64 hexadecimal digits.
fn unhex(text: &str) -> Option<[u8; 32]> {
    let digits: Option<Vec<u8>> = text.chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect();
    let bytes: Vec<u8> = digits?.chunks(2).filter_map(|pair| Some(pair.first()? << 4 | pair.get(1)?)).collect();
    if text.len() == 64 { bytes.try_into().ok() } else { None }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const V4: &str = "Credential=id/20260102/cn-x/sls/aliyun_v4_request";

    #[test]
    fn both_forms_and_nothing_else() {
        let one = format!("LOG id:{}", BASE64_STANDARD.encode([7; 20]));
        assert_eq!(Claim::read(Some(&one)), Ok(Claim::One { id: "id", signature: [7; 20] }));
        let four = format!("SLS4-HMAC-SHA256 {V4},Signature={}", "0a".repeat(32));
        let scope = Scope { day: "20260102", region: "cn-x" };
        assert_eq!(Claim::read(Some(&four)), Ok(Claim::Four { id: "id", scope, signature: [10; 32] }));
        let short = BASE64_STANDARD.encode([7; 19]);
        for bad in [
            String::new(),
            "LOG".to_owned(),
            "LOG id".to_owned(),
            format!("LOG :{}", BASE64_STANDARD.encode([7; 20])),
            format!("LOG id:{short}"),
            "log id:x".to_owned(),
            four.replace("sls/", "oss/"),
            four.replace("aliyun_v4", "aliyun_v5"),
            four.replace(",Signature", ",AdditionalHeaders=host,Signature"),
            four.replace("0a0a", "0g0a"),
            format!("{four}0"),
            format!("{four},{V4}"),
            format!("SLS4-HMAC-SHA256 Signature={}", "é".repeat(32)),
            format!("LOG {}", "x".repeat(LONGEST)),
        ] {
            assert_eq!(Claim::read(Some(&bad)).unwrap_err().status, 400, "{bad}");
        }
        assert_eq!(Claim::read(None).unwrap_err().code, "ParameterInvalid");
    }

    #[test]
    fn a_fingerprint_is_of_key_and_signature() {
        let of = |id, n| Claim::One { id, signature: [n; 20] }.fingerprint();
        assert_eq!(of("a", 1), of("a", 1));
        assert_ne!(of("a", 1), of("b", 1));
        assert_ne!(of("a", 1), of("a", 2));
    }
}
