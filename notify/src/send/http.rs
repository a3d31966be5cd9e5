//! Posts a message to an address that is a secret.
//! It must never show more of the address than scheme, host and port.

use std::fmt;
use std::path::Path;

use innertrail_fetch::{Environment, Fault, Post, Unposted, WireConfig};
use zeroize::Zeroizing;

use super::SendError;
use super::answer::{Kind, Verdict, judge, judge_status, retry_after};
use crate::encode::Request;
use crate::plain;
use crate::secret::Scrub;

/// Most bytes of an answer.
const ANSWER: u64 = 64 << 10;
/// Most characters of a receiver's words.
const WORDS: usize = 160;

/// One address.
pub(crate) struct Http {
    kind: Kind,
    post: Post,
    /// Path and query.
    target: Zeroizing<String>,
    scrub: Scrub,
}

impl Http {
    /// Prepares; sends nothing. `path` is appended to the address.
    pub(crate) fn new(
        kind: Kind,
        url: &str,
        path: &str,
        ca_file: Option<&Path>,
        timeout_ms: u32,
        mut scrub: Scrub,
    ) -> Result<Self, SendError> {
        let (base, target) = split(url)?;
        if path.is_empty() {
            scrub.add_address(url);
        }
        let total = u64::from(timeout_ms);
        let config = WireConfig {
            connect_timeout_ms: total.min(10_000),
            read_timeout_ms: total,
            total_timeout_ms: total,
            ca_file: ca_file.map(Path::to_owned),
            proxy_from_environment: true,
        };
        let post = Post::new(&config, &Environment::process(), base)?;
        let target = match path {
            "" => target.to_owned(),
            path => format!("{}{path}", target.trim_end_matches('/')),
        };
        Ok(Self { kind, post, target: Zeroizing::new(target), scrub })
    }

    /// Posts once.
    pub(crate) fn send(&self, request: &Request, now_ms: i64) -> Verdict {
        let mut target = self.target.clone();
        if !request.query.is_empty() {
            let joint = if target.contains('?') { '&' } else { '?' };
            target.push(joint);
            target.push_str(&request.query);
        }
        let verdict = match self.post.send(&target, &request.headers, &request.body, ANSWER) {
            Ok(answer) => {
                let after = answer.header("retry-after").and_then(|text| retry_after(text, now_ms));
                let words = self.words(&String::from_utf8_lossy(&answer.body));
                judge(self.kind, answer.status, after, &answer.body, &words)
            }
            Err(failure) => self.broken(&failure),
        };
        self.named(verdict)
    }

    fn broken(&self, failure: &Unposted) -> Verdict {
        let why = self.words(&failure.to_string());
        match failure {
            Unposted { fault: Fault::Redirect, .. } => Verdict::Refused(why),
            Unposted { status: Some(status), .. } => judge_status(self.kind, *status, &why),
            failure if failure.never_left() => Verdict::Later(why, None),
            _ => Verdict::Unclear(why),
        }
    }

    fn words(&self, text: &str) -> String {
        plain::line(&self.scrub.text(text), WORDS)
    }

    /// With the host in front.
    fn named(&self, verdict: Verdict) -> Verdict {
        let named = |why: String| format!("{}: {why}", self.post.base());
        match verdict {
            Verdict::Taken => Verdict::Taken,
            Verdict::Later(why, after) => Verdict::Later(named(why), after),
            Verdict::Unclear(why) => Verdict::Unclear(named(why)),
            Verdict::Content(why) => Verdict::Content(named(why)),
            Verdict::Refused(why) => Verdict::Refused(named(why)),
        }
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("kind", &self.kind).field("base", &self.post.base()).finish_non_exhaustive()
    }
}

/// Scheme and authority, and the rest.
fn split(url: &str) -> Result<(&str, &str), SendError> {
    if !url.bytes().all(|b| (0x21..0x7f).contains(&b)) || url.contains('#') {
        return Err(SendError::Address("it holds characters that no address has"));
    }
    let scheme = ["https://", "http://"].into_iter().find(|s| url.starts_with(s));
    let scheme = scheme.ok_or(SendError::Address("it begins neither with https:// nor with http://"))?;
    let rest = url.get(scheme.len()..).unwrap_or_default();
    let end = scheme.len() + rest.find(['/', '?']).unwrap_or(rest.len());
    let (base, target) = url.split_at(end);
    if base.contains('@') {
        return Err(SendError::Address("it holds a user or a password"));
    }
    match target {
        "" => Ok((base, "/")),
        t if t.starts_with('/') => Ok((base, t)),
        _ => Err(SendError::Address("it has a query and no path")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_apart_and_never_repeated() {
        assert_eq!(split("https://h:1/a/b?c=d").unwrap(), ("https://h:1", "/a/b?c=d"));
        assert_eq!(split("http://h").unwrap(), ("http://h", "/"));
        for url in [
            "hidden-word",
            "ftp://hidden-word",
            "https://hidden-word@h/",
            "https://h?hidden-word",
            "https://h/hidden-word x",
            "https://h/#hidden-word",
        ] {
            let said = split(url).unwrap_err().to_string();
            assert!(!said.contains("hidden-word"), "{said}");
        }
        let http = Http::new(Kind::Slack, "http://h/hidden-word", "", None, 1000, Scrub::default()).unwrap();
        assert!(!format!("{http:?}").contains("hidden-word"));
    }
}
