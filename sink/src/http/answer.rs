//! What an HTTP answer means for the records of the request.
//! It must never repeat more of an answer than its first words, harmless.

use std::time::SystemTime;

use ureq::http::HeaderMap;

use crate::refusal::{by_status, harmless};
use crate::sender::Refused;

/// What became of the batch: a 2xx took it, everything else by its status.
pub(super) fn judge(shown: &str, status: u16, headers: &HeaderMap, body: &str) -> Result<(), Refused> {
    match status {
        200..=299 => Ok(()),
        _ => Err(by_status(shown, status, headers, &harmless(body.as_bytes()), SystemTime::now())),
    }
}

/// Whether fresh keys may help.
pub(super) fn is_about_keys(refused: &Refused) -> bool {
    let told = |why: &str| ["status 401", "status 403"].iter().any(|s| why.contains(s));
    matches!(refused, Refused::Later { why, .. } if told(why))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_a_success_is_one_and_hostile_words_are_harmless_and_short() {
        let judged = |status| judge("http://h", status, &HeaderMap::new(), "");
        assert!((200..300).all(|status| judged(status).is_ok()) && (300..600).all(|status| judged(status).is_err()));
        assert!(is_about_keys(&judged(403).unwrap_err()) && !is_about_keys(&judged(404).unwrap_err()));
        let body = format!("\u{1b}[31m\n{}", "é".repeat(500));
        let refused = judge("http://h", 400, &HeaderMap::new(), &body).unwrap_err();
        assert!(refused.to_string().chars().count() < 220 && !refused.to_string().contains('\u{1b}'), "{refused}");
    }
}
