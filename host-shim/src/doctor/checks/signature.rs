//! Does the service take the key and the signature?

use super::super::evidence::{Answer, Evidence};
use super::super::{Ailment, Finding};

pub(super) fn look(evidence: &Evidence) -> Vec<Finding> {
    let mut found = Vec::new();
    for source in &evidence.sources {
        let Some(answer @ Answer::Said { code, message, .. }) = &source.read else { continue };
        let ailment = match code.as_str() {
            "SignatureNotMatch" | "SignatureDoesNotMatch" | "AccessKeyIdAndSecurityTokenNotMatch" => {
                Ailment::WrongSignature
            }
            // Log Service says the same of a service that was never opened: that is the account's check.
            "InvalidAccessKeyId" if !message.to_lowercase().contains("not open") => Ailment::WrongKey,
            "InvalidSecurityToken" | "SecurityTokenExpired" | "SecurityTokenNotSupported" => Ailment::WrongKey,
            _ => continue,
        };
        found.push(Finding::new("signature", &source.name, ailment, answer.told()));
    }
    found
}
