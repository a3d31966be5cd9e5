//! What a log record of OTLP is for the judge: an object of `native_json`, attributes at the top, the body as `event`.
//! It must never leave out anything that a receiver may read, or make one of two names that stand twice.
//!
//! That is the form in which innertrail's own `otlp` sink sends, so the seal mark of what it sent can be checked.

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Any {
    Null,
    Text(String),
    Bool(bool),
    Integer(i64),
    Number(f64),
    Bytes(Vec<u8>),
    List(Vec<Any>),
    Map(Vec<(String, Any)>),
}

/// A record, or what is said of all records of a resource or scope.
#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) attributes: Vec<(String, Any)>,
    pub(super) body: Option<Any>,
    /// Everything else, by OTLP's name.
    pub(super) rest: Vec<(&'static str, Any)>,
}

/// A record as it is judged.
#[derive(Debug)]
pub(super) struct Judged {
    /// All of it.
    pub(super) whole: Vec<u8>,
    /// Parts of it that a receiver may read as an event of their own: none of them may be one.
    pub(super) parts: Vec<Vec<u8>>,
}

impl Log {
    /// As it is judged.
    pub(super) fn judged(&self) -> Judged {
        let mut parts = Vec::new();
        if let Some(Any::Map(members)) = &self.body {
            parts.push(object(|out| members_of(out, &mut true, members)));
            // `log` is what Vector's `native_json` writes.
            parts.extend(members.iter().filter_map(|(name, value)| match value {
                Any::Map(inner) if name == "log" => Some(object(|out| members_of(out, &mut true, inner))),
                _ => None,
            }));
        }
        if self.body.is_some() {
            for (_, value) in self.attributes.iter().filter(|(name, _)| name == "event") {
                parts.push(object(|out| member(out, &mut true, "event", value)));
            }
        }
        Judged { whole: self.whole(), parts }
    }

    fn whole(&self) -> Vec<u8> {
        object(|out| {
            let mut first = true;
            members_of(out, &mut first, &self.attributes);
            if let Some(body) = &self.body {
                member(out, &mut first, "event", body);
            }
            if !self.rest.is_empty() {
                key(out, &mut first, "otlp");
                out.push(b'{');
                let mut first = true;
                self.rest.iter().for_each(|(name, value)| member(out, &mut first, name, value));
                out.push(b'}');
            }
        })
    }
}

/// `{"log":{…}}`.
fn object(fill: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = b"{\"log\":{".to_vec();
    fill(&mut out);
    out.extend_from_slice(b"}}");
    out
}

fn members_of(out: &mut Vec<u8>, first: &mut bool, members: &[(String, Any)]) {
    members.iter().for_each(|(name, value)| member(out, first, name, value));
}

fn member(out: &mut Vec<u8>, first: &mut bool, name: &str, value: &Any) {
    key(out, first, name);
    write(out, value);
}

fn key(out: &mut Vec<u8>, first: &mut bool, name: &str) {
    if !std::mem::replace(first, false) {
        out.push(b',');
    }
    text(out, name);
    out.push(b':');
}

fn text(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("a text is JSON, and a vector takes every write");
}

fn write(out: &mut Vec<u8>, value: &Any) {
    match value {
        Any::Null => out.extend_from_slice(b"null"),
        Any::Text(value) => text(out, value),
        Any::Bool(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
        Any::Integer(value) => out.extend_from_slice(value.to_string().as_bytes()),
        Any::Number(value) if value.is_finite() => out.extend_from_slice(format!("{value:?}").as_bytes()),
        Any::Number(value) => text(out, &value.to_string()),
        // A receiver may take bytes for text, so they are looked at as text.
        Any::Bytes(bytes) => text(out, &String::from_utf8_lossy(bytes)),
        Any::List(items) => {
            out.push(b'[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    out.push(b',');
                }
                write(out, item);
            }
            out.push(b']');
        }
        Any::Map(members) => {
            out.push(b'{');
            members_of(out, &mut true, members);
            out.push(b'}');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(attributes: &[(&str, Any)], body: Option<Any>) -> Log {
        let attributes = attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        Log { attributes, body, rest: vec![("severityNumber", Any::Integer(9))] }
    }

    fn told(log: &Log) -> String {
        let Judged { whole, parts } = log.judged();
        let all = [whole].into_iter().chain(parts);
        all.map(|frame| String::from_utf8_lossy(&frame).into_owned()).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_record_is_judged_whole_and_what_may_be_an_event_of_its_own_as_well() {
        let text = |text: &str| Any::Text(text.to_owned());
        let sent = log(&[("it_seq", Any::Integer(5)), ("it_received", Any::Integer(1))], Some(text("{\"x\":1}")));
        assert_eq!(
            told(&sent),
            r#"{"log":{"it_seq":5,"it_received":1,"event":"{\"x\":1}","otlp":{"severityNumber":9}}}"#
        );
        let inner = Any::Map(vec![("eventId".to_owned(), text("1")), ("n".to_owned(), Any::Number(0.5))]);
        let body = Any::Map(vec![("log".to_owned(), inner)]);
        let nested = log(&[("event", text("first"))], Some(body));
        assert_eq!(
            told(&nested),
            "{\"log\":{\"event\":\"first\",\"event\":{\"log\":{\"eventId\":\"1\",\"n\":0.5}},\"otlp\":{\"severityNumber\":9}}}\n\
             {\"log\":{\"log\":{\"eventId\":\"1\",\"n\":0.5}}}\n\
             {\"log\":{\"eventId\":\"1\",\"n\":0.5}}\n\
             {\"log\":{\"event\":\"first\"}}"
        );
        let odd = log(&[("\"\n", Any::Number(f64::NAN))], Some(Any::Bytes(b"{\xff".to_vec())));
        assert_eq!(
            told(&odd),
            "{\"log\":{\"\\\"\\n\":\"NaN\",\"event\":\"{\u{fffd}\",\"otlp\":{\"severityNumber\":9}}}"
        );
    }
}
