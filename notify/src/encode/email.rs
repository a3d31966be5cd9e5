//! An e-mail: headers of our own, one part of plain text in Base64.
//! It must never let a text of an alert end a header, be read as an encoded word, or be anything but text.

use chrono::DateTime;

use super::text::{mark, render, summary};
use super::{Batch, Encoded, base64};
use crate::plain::{chat, cut};

/// Most bytes of the text.
const MAX: usize = 200_000;
/// Most characters of a title in the subject.
const TITLE: usize = 100;
/// Bytes of a subject in one encoded word: in Base64 and with its frame it is shorter than the 75 characters that RFC 2047 allows.
const WORD: usize = 42;

/// A whole message, each line ended by CR LF, without the dot that ends it on the wire.
pub(crate) fn encode(batch: &Batch<'_>, from: &str, to: &[String]) -> Encoded<Vec<u8>> {
    let text = render(batch, MAX, str::len);
    let date = DateTime::from_timestamp_millis(batch.now_ms).unwrap_or_default().to_rfc2822();
    let domain = from.rsplit_once('@').map_or("localhost", |(_, domain)| domain);
    let mut lines = vec![
        format!("Date: {date}"),
        format!("From: innertrail <{from}>"),
        format!("To: {}", to.iter().map(|a| format!("<{a}>")).collect::<Vec<_>>().join(",\r\n ")),
        format!("Message-ID: <{}@{domain}>", batch.id),
        format!("Subject: {}", encoded(&subject(batch))),
        "Auto-Submitted: auto-generated".to_owned(),
        "MIME-Version: 1.0".to_owned(),
        "Content-Type: text/plain; charset=utf-8".to_owned(),
        "Content-Transfer-Encoding: base64".to_owned(),
        String::new(),
    ];
    let body = base64(text.text.replace('\n', "\r\n").as_bytes());
    // Base64 is ASCII, so every cut is between two characters.
    lines.extend(body.as_bytes().chunks(76).map(|line| String::from_utf8_lossy(line).into_owned()));
    lines.push(String::new());
    Encoded { what: lines.join("\r\n").into_bytes(), covered: batch.alerts.len(), left_out: text.left_out }
}

fn subject(batch: &Batch<'_>) -> String {
    // The first of the gravest.
    let grave = batch.alerts.iter().rev().max_by_key(|a| (a.fired, a.level));
    match grave {
        Some(alert) if !batch.bare => format!("{}: {} {}", summary(batch), mark(alert), chat(&alert.title, TITLE)),
        _ => summary(batch),
    }
}

/// A header's text: as it is where it is plain ASCII, else in encoded words.
fn encoded(text: &str) -> String {
    if text.bytes().all(|b| (0x20..0x7f).contains(&b)) && !text.contains("=?") && text.len() <= 900 {
        return text.to_owned();
    }
    let (mut words, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        let word = cut(rest, WORD);
        words.push(format!("=?utf-8?B?{}?=", base64(word.as_bytes())));
        rest = &rest[word.len()..];
    }
    words.join("\r\n ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::*;
    use crate::encode::fixture;

    fn mail(batch: &Batch<'_>) -> String {
        let to = ["a@ops.example".to_owned(), "b@ops.example".to_owned()];
        String::from_utf8(encode(batch, "innertrail@ops.example", &to).what).unwrap()
    }

    #[test]
    fn no_text_of_an_event_is_a_header_or_a_line_of_its_own() {
        let alerts = [fixture::hostile()];
        let mail = mail(&fixture::batch(&alerts));
        let (head, body) = mail.split_once("\r\n\r\n").unwrap();
        assert!(!mail.replace("\r\n", "").contains(['\r', '\n']), "a bare CR or LF");
        let names: Vec<&str> =
            head.split("\r\n").filter(|l| !l.starts_with(' ')).map(|l| l.split(':').next().unwrap()).collect();
        assert_eq!(
            names,
            [
                "Date",
                "From",
                "To",
                "Message-ID",
                "Subject",
                "Auto-Submitted",
                "MIME-Version",
                "Content-Type",
                "Content-Transfer-Encoding"
            ]
        );
        assert!(mail.split("\r\n").all(|line| line.len() <= 78 && line != "."));
        let text = String::from_utf8(STANDARD.decode(body.replace("\r\n", "")).unwrap()).unwrap();
        assert!(!text.contains('\u{202e}') && !text.contains("://") && !text.contains("<script"));
        assert!(text.split("\r\n").all(|line| !line.starts_with("Bcc") && !line.contains('\n')));
        insta::assert_snapshot!(head.replace("\r\n", "\n"));
    }

    #[test]
    fn a_plain_subject_stays_readable() {
        let alerts = [fixture::single()];
        let mail = mail(&fixture::batch(&alerts));
        assert!(mail.contains("Subject: innertrail: 1 alert: [HIGH] Bucket made public\r\n"), "{mail}");
        assert_eq!(encoded("=?utf-8?B?PGI+?="), "=?utf-8?B?PT91dGYtOD9CP1BHSSs/PQ==?=");
        let long = encoded(&"中文".repeat(60));
        assert!(long.split("\r\n ").all(|word| word.len() <= 75));
    }
}
