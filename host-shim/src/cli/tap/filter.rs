//! `--where NAME=VALUE`: which records a tap shows.
//!
//! Must never be held against what is masked: whoever may not see a secret must not be able to guess at it either.

use serde_json::Value;

/// A condition: a field, and what it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Condition {
    name: String,
    /// What stands between the stars.
    parts: Vec<String>,
}

impl Condition {
    /// Reads `NAME=VALUE`.
    ///
    /// # Errors
    /// What is expected.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').unwrap_or_default();
        if name.trim().is_empty() {
            return Err("expected NAME=VALUE, such as eventName=PutBucketAcl or userIdentity.type=ram-user".to_owned());
        }
        Ok(Self { name: name.trim().to_owned(), parts: value.split('*').map(str::to_owned).collect() })
    }

    /// Whether one of these objects has the field with such a value.
    fn holds(&self, of: &[&Value]) -> bool {
        of.iter().filter_map(|object| found(object, &self.name)).any(|value| match value {
            Value::String(text) => fits(&self.parts, text),
            Value::Null | Value::Array(_) | Value::Object(_) => false,
            other => fits(&self.parts, &other.to_string()),
        })
    }
}

/// Whether all conditions hold; without one, everything does.
pub(super) fn wanted(conditions: &[Condition], of: &[&Value]) -> bool {
    conditions.iter().all(|condition| condition.holds(of))
}

/// The member of that name, or else the one at that path; a name may hold dots itself.
fn found<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    if let Some(value) = object.get(name) {
        return Some(value);
    }
    name.match_indices('.').find_map(|(at, _)| found(object.get(&name[..at])?, &name[at + 1..]))
}

/// Whether a text is these parts, with anything between them.
fn fits(parts: &[String], text: &str) -> bool {
    let [first, middle @ .., last] = parts else { return parts.first().is_some_and(|part| part == text) };
    let Some(mut rest) = text.strip_prefix(first.as_str()) else { return false };
    for part in middle {
        let Some(at) = rest.find(part.as_str()) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last.as_str())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn conditions_are_about_members_and_paths_of_any_of_the_objects() {
        let (columns, event) = (
            json!({ "eventName": "PutBucketAcl", "it_seq": 7, "userIdentity.type": "ram-user", "gone": null }),
            json!({ "userIdentity": { "userName": "alice" }, "a.b": { "c": true } }),
        );
        let holds = |texts: &[&str]| {
            let conditions: Vec<_> = texts.iter().map(|text| Condition::parse(text).unwrap()).collect();
            wanted(&conditions, &[&columns, &event])
        };
        for good in [
            &["eventName=PutBucketAcl"][..],
            &[],
            &["eventName=Put*", "it_seq=7"],
            &["eventName=*Bucket*"],
            &["eventName=P*B*l"],
            &["eventName=*"],
            &["userIdentity.type=ram-user", "userIdentity.userName=alice"],
            &["a.b.c=true"],
        ] {
            assert!(holds(good), "{good:?}");
        }
        for bad in [
            &["eventName=putbucketacl"][..],
            &["eventName=PutBucket"],
            &["eventName=*Bucket"],
            &["eventName=PutBucketAcl*Acl"],
            &["eventName=PutBucketAcl", "it_seq=8"],
            &["userIdentity=*"],
            &["gone=*"],
            &["none=*"],
        ] {
            assert!(!holds(bad), "{bad:?}");
        }
        assert!(Condition::parse("eventName").unwrap_err().contains("NAME=VALUE") && Condition::parse("=x").is_err());
    }
}
