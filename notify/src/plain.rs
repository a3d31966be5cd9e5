//! Makes hostile text harmless: for a line of text, for a chat, for a link.
//! It must never let a control, direction or invisible character through, nor leave out that something was cut.

use std::fmt::Write as _;

use chrono::{DateTime, SecondsFormat};

/// Characters that turn or hide text and are no control characters by their class.
fn unseen(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// One line of at most `max` characters; what is cut is marked with `…`.
pub(crate) fn line(text: &str, max: usize) -> String {
    let mut out = String::new();
    for (count, c) in text.trim().chars().enumerate() {
        if count == max {
            out.push('…');
            break;
        }
        out.push(if c.is_control() || unseen(c) { ' ' } else { c });
    }
    out
}

/// A [`line`] that no chat reads as markup, as a mention or as a link: `<`, `>`, `&` and `@` become their wide forms, `://`
/// and the dots of host names stand in brackets, `](` is parted.
pub(crate) fn chat(text: &str, max: usize) -> String {
    let line = line(text, max);
    let chars: Vec<char> = line.chars().collect();
    let mut out = String::with_capacity(line.len() + 8);
    for (at, &c) in chars.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|b| chars.get(b)).copied().unwrap_or(' ');
        let after = chars.get(at + 1).copied().unwrap_or(' ');
        match c {
            '<' => out.push('＜'),
            '>' => out.push('＞'),
            '&' => out.push('＆'),
            '@' => out.push('＠'),
            ':' if after == '/' => out.push_str("[:]"),
            '.' | '。' | '．' | '｡' if before.is_alphanumeric() && after.is_alphabetic() => out.push_str("[.]"),
            '(' if before == ']' => out.push_str(" ("),
            c => out.push(c),
        }
    }
    out
}

/// A link that can stand for itself, if it is one: nothing in it ends it early or begins another thing.
pub(crate) fn link(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/?#=&%+,;".contains(&b);
    (!rest.is_empty() && text.len() <= 1000 && rest.bytes().all(fits)).then_some(text)
}

/// A name that is surely harmless, or nothing: letters, digits, `.`, `_`, `-`.
pub(crate) fn name(text: &str) -> Option<&str> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    (!text.is_empty() && text.len() <= 100 && text.bytes().all(fits)).then_some(text)
}

/// The longest beginning of `text` that has at most `max` bytes and ends between two characters.
pub(crate) fn cut(text: &str, max: usize) -> &str {
    let mut end = max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// A time in RFC 3339, to the second or the millisecond.
pub(crate) fn time(ms: i64, form: SecondsFormat) -> String {
    DateTime::from_timestamp_millis(ms).unwrap_or_default().to_rfc3339_opts(form, true)
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut out, b| {
        // Writing to a string takes every write.
        let _ = write!(out, "{b:02x}");
        out
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_one_and_turns_nothing() {
        assert_eq!(line("a\r\n\u{1b}[2J\u{202e}b\u{2028}c\u{e0041}d\u{85}e", 100), "a   [2J b c d e");
        assert_eq!(line("abcdef", 3), "abc…");
        assert_eq!(line("abc", 3), "abc");
        for c in ('\0'..=char::MAX).filter(|c| c.is_control() || unseen(*c)) {
            assert!(!line(&format!("x{c}y"), 9).contains(c), "{c:?}");
        }
    }

    #[test]
    fn nothing_in_a_chat_is_a_mention_a_link_or_a_tag() {
        let shown =
            chat("<!channel> <at user_id=\"all\">x</at> @all [a](http://evil.example/x) &lt;b www.evil.example", 999);
        assert_eq!(
            shown,
            "＜!channel＞ ＜at user_id=\"all\"＞x＜/at＞ ＠all [a] (http[:]//evil[.]example/x) ＆lt;b www[.]evil[.]example"
        );
        for bad in ["<", ">", "@", "&", "://", "](", "www."] {
            assert!(!shown.contains(bad), "{bad}");
        }
        assert_eq!(chat("10.0.0.1 took 1.5 s. Then", 99), "10.0.0.1 took 1.5 s. Then");
        assert_eq!(chat("evil。example evil．example", 99), "evil[.]example evil[.]example");
    }

    #[test]
    fn only_a_link_is_one() {
        assert_eq!(link("https://h:1/a?b=c%20d#e"), Some("https://h:1/a?b=c%20d#e"));
        for bad in
            ["javascript:x", "https://", "https://h/a b", "https://h/|x", "https://h/<", "https://h/)", "https://u@h/"]
        {
            assert_eq!(link(bad), None, "{bad}");
        }
        assert_eq!(cut("aé", 2), "a");
    }
}
