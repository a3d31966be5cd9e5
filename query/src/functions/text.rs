//! Text, bytes and patterns.
//! They must never make a text longer than [`LONGEST`] out of a short one.

use md5::Md5;
use sha2::{Digest, Sha256};

use super::memo::Memo;
use super::scalar::Kind::{Bool, Bytes, Int, Plain, Text, Texts};
use super::scalar::{Answer, Function, Input, Row, Value, quoted};

/// The longest text that padding and repeating make, in bytes.
const LONGEST: usize = 1024 * 1024;
/// The most parts that one text is split into.
const PARTS: usize = 100_000;

pub(super) const FUNCTIONS: &[Function] = &[
    Function { name: "split", params: &[Text, Text, Int], required: 2, returns: Texts, body: split },
    Function { name: "split_part", params: &[Text, Text, Int], required: 3, returns: Text, body: split_part },
    Function { name: "it_substr", params: &[Text, Int, Int], required: 2, returns: Text, body: substr },
    Function { name: "lpad", params: &[Text, Int, Text], required: 2, returns: Text, body: lpad },
    Function { name: "rpad", params: &[Text, Int, Text], required: 2, returns: Text, body: rpad },
    Function { name: "repeat", params: &[Text, Int], required: 2, returns: Text, body: repeat },
    Function { name: "regexp_like", params: &[Text, Text], required: 2, returns: Bool, body: regexp_like },
    Function { name: "regexp_extract", params: &[Text, Text, Int], required: 2, returns: Text, body: regexp_extract },
    Function {
        name: "regexp_extract_all",
        params: &[Text, Text, Int],
        required: 2,
        returns: Texts,
        body: regexp_extract_all,
    },
    Function { name: "regexp_replace", params: &[Text, Text, Text], required: 2, returns: Text, body: regexp_replace },
    Function { name: "regexp_split", params: &[Text, Text], required: 2, returns: Texts, body: regexp_split },
    Function { name: "to_utf8", params: &[Text], required: 1, returns: Bytes, body: to_utf8 },
    Function { name: "from_utf8", params: &[Bytes], required: 1, returns: Text, body: from_utf8 },
    Function { name: "to_hex", params: &[Plain], required: 1, returns: Text, body: to_hex },
    Function { name: "md5", params: &[Bytes], required: 1, returns: Bytes, body: md5 },
    Function { name: "sha256", params: &[Bytes], required: 1, returns: Bytes, body: sha256 },
];

fn count(row: &Row<'_>, at: usize) -> Result<usize, String> {
    let value = row.int(at)?;
    usize::try_from(value).map_err(|_| format!("argument {} is {value}; it is to be 0 or more", at + 1))
}

fn delimiter<'a>(row: &'a Row<'_>) -> Result<&'a str, String> {
    Some(row.text(1)?).filter(|d| !d.is_empty()).ok_or_else(|| "the delimiter is empty".into())
}

fn texts<'a>(parts: impl Iterator<Item = &'a str>) -> Answer {
    let parts: Vec<String> = parts.take(PARTS + 1).map(str::to_owned).collect();
    if parts.len() > PARTS {
        return Err(format!("the text falls into more than {PARTS} parts"));
    }
    Ok(Some(Value::Texts(parts)))
}

fn split(row: &Row<'_>, _: &mut Memo) -> Answer {
    let (text, delimiter) = (row.text(0)?, delimiter(row)?);
    if !row.has(2) {
        return texts(text.split(delimiter));
    }
    let most = Some(count(row, 2)?).filter(|most| *most > 0).ok_or("the limit is to be 1 or more")?;
    texts(text.splitn(most, delimiter))
}

fn split_part(row: &Row<'_>, _: &mut Memo) -> Answer {
    let at = count(row, 2)?.checked_sub(1).ok_or("parts count from 1")?;
    Ok(row.text(0)?.split(delimiter(row)?).nth(at).map(|part| Value::Text(part.to_owned())))
}

/// Places count from 1; a negative one counts from the end; 0 and places outside give an empty text.
fn substr(row: &Row<'_>, _: &mut Memo) -> Answer {
    let (text, start) = (row.text(0)?, row.int(1)?);
    let distance = usize::try_from(start.unsigned_abs()).unwrap_or(usize::MAX);
    let skip = match start {
        0 => None,
        1.. => Some(distance - 1),
        _ => text.chars().count().checked_sub(distance),
    };
    let take = if row.has(2) { usize::try_from(row.int(2)?).unwrap_or(0) } else { usize::MAX };
    let cut = skip.map(|skip| text.chars().skip(skip).take(take).collect()).unwrap_or_default();
    Ok(Some(Value::Text(cut)))
}

fn too_long() -> String {
    format!("the text would be longer than {LONGEST} bytes")
}

/// The text cut or the padding that brings it to its size.
fn padded(row: &Row<'_>, left: bool) -> Answer {
    let (text, size) = (row.text(0)?, count(row, 1)?);
    let pad = if row.has(2) { row.text(2)? } else { " " };
    let missing = size.saturating_sub(text.chars().count());
    if missing > 0 && pad.is_empty() {
        return Err("the padding is empty".into());
    }
    if missing.saturating_mul(4) > LONGEST {
        return Err(too_long());
    }
    let pad: String = pad.chars().cycle().take(missing).collect();
    let text: String = text.chars().take(size).collect();
    Ok(Some(Value::Text(if left { pad + &text } else { text + &pad })))
}

fn lpad(row: &Row<'_>, _: &mut Memo) -> Answer {
    padded(row, true)
}

fn rpad(row: &Row<'_>, _: &mut Memo) -> Answer {
    padded(row, false)
}

fn repeat(row: &Row<'_>, _: &mut Memo) -> Answer {
    let (text, times) = (row.text(0)?, usize::try_from(row.int(1)?).unwrap_or(0));
    if text.len().saturating_mul(times) > LONGEST {
        return Err(too_long());
    }
    Ok(Some(Value::Text(text.repeat(times))))
}

fn regexp_like(row: &Row<'_>, memo: &mut Memo) -> Answer {
    Ok(Some(Value::Bool(memo.regex(row.text(1)?)?.is_match(row.text(0)?))))
}

/// The group to take: the third argument, else the whole match.
fn group(row: &Row<'_>, groups: usize) -> Result<usize, String> {
    let wanted = if row.has(2) { count(row, 2)? } else { 0 };
    if wanted < groups {
        return Ok(wanted);
    }
    Err(format!("the pattern {} has {} groups, there is no group {wanted}", quoted(row.text(1)?), groups - 1))
}

fn regexp_extract(row: &Row<'_>, memo: &mut Memo) -> Answer {
    let regex = memo.regex(row.text(1)?)?;
    let group = group(row, regex.captures_len())?;
    let found = regex.captures(row.text(0)?).and_then(|c| c.get(group).map(|m| m.as_str().to_owned()));
    Ok(found.map(Value::Text))
}

fn regexp_extract_all(row: &Row<'_>, memo: &mut Memo) -> Answer {
    let regex = memo.regex(row.text(1)?)?;
    let group = group(row, regex.captures_len())?;
    texts(regex.captures_iter(row.text(0)?).filter_map(|c| c.get(group).map(|m| m.as_str())))
}

fn regexp_split(row: &Row<'_>, memo: &mut Memo) -> Answer {
    texts(memo.regex(row.text(1)?)?.split(row.text(0)?))
}

/// Every match is replaced; without a replacement it is removed.
fn regexp_replace(row: &Row<'_>, memo: &mut Memo) -> Answer {
    let regex = memo.regex(row.text(1)?)?;
    let replacement = if row.has(2) { replacement(row.text(2)?) } else { String::new() };
    let references = replacement.matches('$').count();
    let text = row.text(0)?;
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for found in regex.captures_iter(text) {
        let Some(whole) = found.get(0) else { continue };
        out.push_str(&text[from..whole.start()]);
        // No group is longer than the whole match, so this bounds what comes before it is made.
        let most = whole.len().saturating_mul(references).saturating_add(replacement.len());
        if most.saturating_add(out.len()) > LONGEST.max(text.len()) {
            return Err(too_long());
        }
        found.expand(&replacement, &mut out);
        from = whole.end();
    }
    out.push_str(&text[from..]);
    Ok(Some(Value::Text(out)))
}

/// `$1` and `\$` as in Java, in the words of this pattern engine.
fn replacement(java: &str) -> String {
    let mut out = String::with_capacity(java.len());
    let mut chars = java.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('$') => out.push_str("$$"),
                Some(other) => out.push(other),
                None => out.push('\\'),
            },
            '$' if chars.peek().is_some_and(char::is_ascii_digit) => {
                out.push_str("${");
                while let Some(digit) = chars.next_if(char::is_ascii_digit) {
                    out.push(digit);
                }
                out.push('}');
            }
            other => out.push(other),
        }
    }
    out
}

fn to_utf8(row: &Row<'_>, _: &mut Memo) -> Answer {
    Ok(Some(Value::Bytes(row.text(0)?.as_bytes().to_vec())))
}

fn from_utf8(row: &Row<'_>, _: &mut Memo) -> Answer {
    Ok(Some(Value::Text(String::from_utf8_lossy(row.bytes(0)?).into_owned())))
}

fn to_hex(row: &Row<'_>, _: &mut Memo) -> Answer {
    use std::fmt::Write;
    let mut out = String::new();
    let bytes = match row.input(0)? {
        Input::Int(value) => return Ok(Some(Value::Text(format!("{value:X}")))),
        Input::Bytes(bytes) => bytes,
        Input::Text(text) => text.as_bytes(),
        _ => return Err("the argument is to be bytes, a text or an integer".into()),
    };
    bytes.iter().try_for_each(|byte| write!(out, "{byte:02X}")).map_err(|_| too_long())?;
    Ok(Some(Value::Text(out)))
}

fn md5(row: &Row<'_>, _: &mut Memo) -> Answer {
    Ok(Some(Value::Bytes(Md5::digest(row.bytes(0)?).to_vec())))
}

fn sha256(row: &Row<'_>, _: &mut Memo) -> Answer {
    Ok(Some(Value::Bytes(Sha256::digest(row.bytes(0)?).to_vec())))
}
