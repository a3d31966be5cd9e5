//! URLs, split after RFC 3986. A text with blanks or controls in it is no URL and gives NULL.
//! They must never fail on hostile text: a `%` that escapes nothing stays as it is.

use super::memo::Memo;
use super::scalar::Kind::{Int, Text};
use super::scalar::{Answer, Function, Row, Value};

pub(super) const FUNCTIONS: &[Function] = &[
    part("url_extract_protocol", |row, _| text(row, |url| Some(url.protocol.into()))),
    part("url_extract_host", |row, _| text(row, |url| Some(url.host().0.into()))),
    part("url_extract_path", |row, _| text(row, |url| Some(decode(url.path, false)))),
    part("url_extract_query", |row, _| text(row, |url| Some(decode(url.query, false)))),
    part("url_extract_fragment", |row, _| text(row, |url| Some(decode(url.fragment, false)))),
    Function { name: "url_extract_port", params: &[Text], required: 1, returns: Int, body: port },
    Function { name: "url_extract_parameter", params: &[Text, Text], required: 2, returns: Text, body: parameter },
    part("url_decode", |row, _| Ok(Some(Value::Text(decode(row.text(0)?, true))))),
    part("url_encode", |row, _| Ok(Some(Value::Text(encode(row.text(0)?))))),
];

const fn part(name: &'static str, body: fn(&Row<'_>, &mut Memo) -> Answer) -> Function {
    Function { name, params: &[Text], required: 1, returns: Text, body }
}

/// The parts as written; what is not there is empty.
struct Url<'a> {
    protocol: &'a str,
    authority: &'a str,
    path: &'a str,
    query: &'a str,
    fragment: &'a str,
}

impl<'a> Url<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return None;
        }
        let (rest, fragment) = text.split_once('#').unwrap_or((text, ""));
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (protocol, rest) = match rest.split_once(':') {
            Some((protocol, after)) if !protocol.is_empty() && !protocol.contains('/') => (protocol, after),
            _ => ("", rest),
        };
        let (authority, path) = match rest.strip_prefix("//") {
            Some(after) => after.split_at(after.find('/').unwrap_or(after.len())),
            None => ("", rest),
        };
        Some(Self { protocol, authority, path, query, fragment })
    }

    /// Host and port. An IPv6 host keeps its brackets.
    fn host(&self) -> (&'a str, Option<&'a str>) {
        let host = self.authority.rsplit_once('@').map_or(self.authority, |(_, host)| host);
        match host.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(port)),
            _ => (host, None),
        }
    }
}

fn text(row: &Row<'_>, part: fn(&Url<'_>) -> Option<String>) -> Answer {
    Ok(Url::parse(row.text(0)?).as_ref().and_then(part).map(Value::Text))
}

fn port(row: &Row<'_>, _: &mut Memo) -> Answer {
    let url = Url::parse(row.text(0)?);
    Ok(url.and_then(|url| url.host().1?.parse::<u16>().ok()).map(|port| Value::Int(port.into())))
}

fn parameter(row: &Row<'_>, _: &mut Memo) -> Answer {
    let (Some(url), name) = (Url::parse(row.text(0)?), row.text(1)?) else { return Ok(None) };
    let mut pairs = url.query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let found = pairs.find(|(key, _)| !key.is_empty() && decode(key, true) == name);
    Ok(found.map(|(_, value)| Value::Text(decode(value, true))))
}

/// `%41` is `A`, and in a form `+` is a blank. Bytes that are no UTF-8 become U+FFFD.
fn decode(text: &str, form: bool) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let hex = |at: usize| bytes.get(at).and_then(|b| char::from(*b).to_digit(16)).and_then(|d| u8::try_from(d).ok());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match (byte, hex(at + 1), hex(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push(high << 4 | low);
                at += 2;
            }
            (b'+', ..) if form => out.push(b' '),
            _ => out.push(*byte),
        }
        at += 1;
    }
    String::from_utf8(out).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}
