//! The few XML answers of OSS: a page of a listing, and an error.
//!
//! Nothing is expanded but the five named and the numeric references; a document type, which is where entity tricks
//! begin, is refused, and so are deep nesting and endless values. What is not known is passed over.

use chrono::DateTime;
use quick_xml::Reader;
use quick_xml::events::{BytesRef, Event};

/// Deepest nesting that any of the answers has, with room.
const MOST_DEPTH: usize = 8;
/// Longest value: a key has at most 1023 bytes, three times as many when encoded.
const MOST_VALUE: usize = 8 << 10;
/// Most entries of one page; the service gives at most 1000 keys and prefixes.
const MOST_ENTRIES: usize = 2000;

/// An object of a listing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Object {
    /// Its key.
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// The entity tag, quotes included.
    pub etag: String,
    /// Last change, milliseconds since the Unix epoch.
    pub modified_ms: i64,
}

/// A page of a listing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// The objects, as listed.
    pub objects: Vec<Object>,
    /// What the keys up to the next delimiter have in common.
    pub prefixes: Vec<String>,
    /// Whether more follows.
    pub truncated: bool,
    /// By which name to ask for it.
    pub next: Option<String>,
}

/// Reads a page of ListObjectsV2.
///
/// # Errors
/// What is wrong with it, in words.
pub fn page(body: &[u8]) -> Result<Page, String> {
    let (mut page, mut object, mut encoded, mut root) = (Page::default(), Object::default(), false, false);
    walk(body, &mut |path, text| {
        root |= path.first() == Some(&"ListBucketResult");
        match path {
            ["ListBucketResult", "IsTruncated"] => page.truncated = text.trim() == "true",
            ["ListBucketResult", "NextContinuationToken"] => page.next = Some(text.to_owned()),
            ["ListBucketResult", "EncodingType"] => encoded = text.trim() == "url",
            ["ListBucketResult", "CommonPrefixes", "Prefix"] => page.prefixes.push(text.to_owned()),
            ["ListBucketResult", "Contents", "Key"] => object.key = text.to_owned(),
            ["ListBucketResult", "Contents", "ETag"] => object.etag = text.trim().to_owned(),
            ["ListBucketResult", "Contents", "Size"] => {
                object.size = text.trim().parse().map_err(|_| "a size that is no number".to_owned())?;
            }
            ["ListBucketResult", "Contents", "LastModified"] => {
                let time = DateTime::parse_from_rfc3339(text.trim());
                object.modified_ms = time.map_err(|_| "a time that is none".to_owned())?.timestamp_millis();
            }
            ["ListBucketResult", "Contents"] => {
                let whole = std::mem::take(&mut object);
                if whole.key.is_empty() || whole.etag.is_empty() {
                    return Err("an object without a key or an entity tag".to_owned());
                }
                page.objects.push(whole);
            }
            _ => {}
        }
        if page.objects.len() + page.prefixes.len() > MOST_ENTRIES {
            return Err(format!("more than {MOST_ENTRIES} entries on one page"));
        }
        Ok(())
    })?;
    if !root {
        return Err("it is no ListBucketResult".to_owned());
    }
    if encoded {
        let keys = page.objects.iter_mut().map(|object| &mut object.key);
        for text in keys.chain(&mut page.prefixes) {
            *text = decoded(text)?;
        }
    }
    Ok(page)
}

/// Code and message of an error; `None` where the body is none.
pub fn error(body: &[u8]) -> Option<(String, String)> {
    let (mut code, mut message) = (None, String::new());
    walk(body, &mut |path, text| {
        match path {
            ["Error", "Code"] => code = Some(text.trim().to_owned()),
            ["Error", "Message"] => message = text.trim().to_owned(),
            _ => {}
        }
        Ok(())
    })
    .ok()?;
    Some((code?, message))
}

/// Called with the path of an element and its own text, when it ends.
type Visit<'v> = dyn FnMut(&[&str], &str) -> Result<(), String> + 'v;

fn walk(body: &[u8], visit: &mut Visit<'_>) -> Result<(), String> {
    let body = simdutf8::basic::from_utf8(body).map_err(|_| "it is not UTF-8".to_owned())?;
    let mut reader = Reader::from_str(body.trim_start_matches('\u{feff}'));
    let mut path: Vec<String> = Vec::new();
    let mut text = String::new();
    let mut seen = false;
    loop {
        match reader.read_event().map_err(|e| format!("it is not XML: {e}"))? {
            Event::Start(tag) => {
                begun(&mut path, tag.local_name().as_ref(), seen)?;
                (seen, text) = (true, String::new());
            }
            Event::Empty(tag) => {
                begun(&mut path, tag.local_name().as_ref(), seen)?;
                seen = true;
                ended(&mut path, "", visit)?;
            }
            Event::End(_) => {
                ended(&mut path, &text, visit)?;
                text.clear();
            }
            Event::Text(piece) => text.push_str(&piece),
            Event::CData(piece) => text.push_str(&piece),
            Event::GeneralRef(reference) => text.push(character(&reference)?),
            Event::DocType(_) => return Err("it has a document type, which is refused".to_owned()),
            Event::PI(_) => return Err("it has a processing instruction, which is refused".to_owned()),
            Event::Decl(_) | Event::Comment(_) => {}
            Event::Eof => break,
        }
        if text.len() > MOST_VALUE {
            return Err(format!("a value longer than {MOST_VALUE} bytes"));
        }
    }
    if path.is_empty() && seen { Ok(()) } else { Err("it ends too early".to_owned()) }
}

fn ended(path: &mut Vec<String>, text: &str, visit: &mut Visit<'_>) -> Result<(), String> {
    let names: Vec<&str> = path.iter().map(String::as_str).collect();
    visit(&names, text)?;
    path.pop();
    Ok(())
}

fn begun(path: &mut Vec<String>, name: &str, seen: bool) -> Result<(), String> {
    if path.is_empty() && seen || path.len() >= MOST_DEPTH {
        return Err("it is nested too deeply, or has two roots".to_owned());
    }
    if name.len() > 64 {
        return Err("an element with an endless name".to_owned());
    }
    path.push(name.to_owned());
    Ok(())
}

fn character(reference: &BytesRef<'_>) -> Result<char, String> {
    if let Some(character) = reference.resolve_char_ref().map_err(|e| format!("a reference that is none: {e}"))? {
        return Ok(character);
    }
    let named: &str = reference;
    let found = [("lt", '<'), ("gt", '>'), ("amp", '&'), ("apos", '\''), ("quot", '"')];
    let found = found.into_iter().find(|(name, _)| *name == named);
    found.map(|(_, character)| character).ok_or_else(|| "an entity that is not one of the five".to_owned())
}

/// Undoes percent-encoding.
fn decoded(text: &str) -> Result<String, String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        if *byte != b'%' {
            out.push(*byte);
            continue;
        }
        let hex = rest.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let byte = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        out.push(byte.ok_or_else(|| "a key that is badly encoded".to_owned())?);
        rest = &rest[2..];
    }
    String::from_utf8(out).map_err(|_| "a key that is not UTF-8".to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const OBJECT: &str = "<Contents><Key>p/a%2Fb%20c</Key><LastModified>2026-06-15T08:49:30.000Z</LastModified>\
        <ETag>&quot;0F&#x41;&#66;&quot;</ETag><Type>Normal</Type><Size>344606</Size><StorageClass>Standard</StorageClass>\
        <Owner><ID>1</ID><DisplayName>x</DisplayName></Owner></Contents>";

    fn listing(inner: &str) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult>\n<Name>b</Name>{inner}</ListBucketResult>"
        )
    }

    #[test]
    fn a_page_is_read() {
        let inner = format!(
            "<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>\
             <NextContinuationToken>Cg&amp;x</NextContinuationToken>{OBJECT}\
             <CommonPrefixes><Prefix>p/%E6%A1%B6/</Prefix></CommonPrefixes><Owner/>"
        );
        let read = page(listing(&inner).as_bytes()).unwrap();
        let object = Object {
            key: "p/a/b c".to_owned(),
            size: 344_606,
            etag: "\"0FAB\"".to_owned(),
            modified_ms: 1_781_513_370_000,
        };
        let expected = Page {
            objects: vec![object],
            prefixes: vec!["p/桶/".to_owned()],
            truncated: true,
            next: Some("Cg&x".to_owned()),
        };
        assert_eq!(read, expected);
        assert_eq!(page(listing("").as_bytes()).unwrap(), Page::default());
        assert_eq!(page(listing(OBJECT).as_bytes()).unwrap().objects[0].key, "p/a%2Fb%20c");
    }

    #[test]
    fn tricks_are_refused() {
        let bomb = "<!DOCTYPE a [<!ENTITY x \"yyyyyyyy\">]><ListBucketResult><Name>&x;</Name></ListBucketResult>";
        let deep = format!("{}{}", "<a>".repeat(50), "</a>".repeat(50));
        let long = listing(&format!("<Name>{}</Name>", "x".repeat(MOST_VALUE + 1)));
        let many = listing(&OBJECT.repeat(MOST_ENTRIES + 1));
        for (body, told) in [
            (bomb, "document type"),
            ("<ListBucketResult><Name>&xxe;</Name></ListBucketResult>", "not one of the five"),
            ("<ListBucketResult><Name>&#0;</Name></ListBucketResult>", "a reference"),
            ("<ListBucketResult><Name>&#xD800;</Name></ListBucketResult>", "a reference"),
            ("<?php x?><ListBucketResult/>", "processing instruction"),
            (deep.as_str(), "nested too deeply"),
            (long.as_str(), "longer than"),
            (many.as_str(), "more than"),
            ("<ListBucketResult><Name>", "too early"),
            ("<ListBucketResult></Name></ListBucketResult>", "not XML"),
            ("<ListBucketResult/><ListBucketResult></ListBucketResult>", "two roots"),
            ("<Other></Other>", "no ListBucketResult"),
            ("", "too early"),
            ("<ListBucketResult><Contents><Size>-1</Size></Contents></ListBucketResult>", "no number"),
            ("<ListBucketResult><Contents><LastModified>x</LastModified></Contents></ListBucketResult>", "a time"),
            ("<ListBucketResult><Contents></Contents></ListBucketResult>", "without a key"),
            (
                "<ListBucketResult><EncodingType>url</EncodingType><CommonPrefixes><Prefix>%zz</Prefix></CommonPrefixes></ListBucketResult>",
                "badly encoded",
            ),
        ] {
            let error = page(body.as_bytes()).unwrap_err();
            assert!(error.contains(told), "{told}: {error}");
        }
        assert!(page(b"\xff").unwrap_err().contains("UTF-8"));
    }

    #[test]
    fn errors_are_read() {
        let body =
            b"<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code><Message>gone &lt;x&gt;</Message><EC>1</EC></Error>";
        assert_eq!(error(body), Some(("NoSuchKey".to_owned(), "gone <x>".to_owned())));
        assert_eq!(error(b"<html>"), None);
        assert_eq!(error(b"<Error><Message>m</Message></Error>"), None);
    }
}
