//! Is the service reached: options, name, connection, TLS, and is it the service that answers?

use innertrail_fetch::Fault;

use super::super::evidence::{Answer, Evidence};
use super::super::{Ailment, Finding};

pub(super) fn look(evidence: &Evidence) -> Vec<Finding> {
    let mut found = Vec::new();
    for source in &evidence.sources {
        if let Some(why) = &source.setup {
            found.push(Finding::new("reach", &source.name, Ailment::Setup, why.clone()));
        }
        let Some(answer) = &source.read else { continue };
        let ailment = match answer {
            Answer::Nothing { fault, .. } => match fault {
                Fault::Dns => Ailment::Name,
                Fault::Tls => Ailment::Trust,
                Fault::Connect | Fault::Timeout | Fault::Reset => Ailment::Unreachable,
                Fault::Redirect | Fault::Protocol | Fault::TooLarge => Ailment::NotTheService,
                // Told by the check of credentials.
                Fault::Credentials => continue,
                Fault::Refused => Ailment::Setup,
            },
            Answer::Said { status: 500.., .. } => Ailment::ServiceFailing,
            Answer::Said { status: 400.., code, .. } if code.is_empty() => Ailment::NotTheService,
            Answer::Said { code, message, .. } if wrong_endpoint(code, message) => Ailment::WrongEndpoint,
            Answer::Said { .. } => continue,
        };
        found.push(Finding::new("reach", &source.name, ailment, format!("{}: {}", source.url, answer.told())));
    }
    found
}

/// OSS says so when a bucket is asked for in another region, or in the path.
fn wrong_endpoint(code: &str, message: &str) -> bool {
    matches!(code, "PermanentRedirect" | "SecondLevelDomainForbidden")
        || code == "AccessDenied" && message.contains("must be addressed using the specified endpoint")
}

impl Answer {
    /// In words, for people.
    pub(in super::super) fn told(&self) -> String {
        match self {
            Self::Said { status, code, message } => format!("{status} {code}: {message}"),
            Self::Nothing { fault, why } => format!("{}: {why}", fault.as_str()),
        }
    }
}
