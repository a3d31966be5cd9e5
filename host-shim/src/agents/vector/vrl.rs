//! The words of a VRL program: enough of the language to see what is code, what is a comment and what is a string.
//!
//! It knows no meaning and must never guess: what it cannot read is a word of its own, [`Word::Odd`], and ends the
//! reading, so that whoever asks can say that the program is not understood.

/// The field that says an event was sealed by innertrail.
pub(super) const SEAL: &str = "it_seal";

/// One word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Word {
    /// A name, a keyword or a number.
    Name(String),
    /// A string, its escapes resolved; regular expressions and times too.
    Text(String),
    /// An operator, a bracket, a comma.
    Sign(&'static str),
    /// The end of a line; inside brackets too.
    Line,
    /// Something that is no VRL, or a string that does not end. Nothing follows.
    Odd,
}

impl Word {
    pub(super) fn is(&self, sign: &str) -> bool {
        matches!(self, Self::Sign(own) if *own == sign)
    }

    pub(super) fn is_name(&self, name: &str) -> bool {
        matches!(self, Self::Name(own) if own == name)
    }

    /// Whether the seal mark's name is in this word.
    pub(super) fn names_seal(&self) -> bool {
        matches!(self, Self::Name(text) | Self::Text(text) if text.contains(SEAL))
    }

    /// Whether an assignment is made here.
    pub(super) fn assigns(&self) -> bool {
        ["=", "|=", "??="].iter().any(|sign| self.is(sign))
    }
}

/// Signs, longer ones first.
const SIGNS: [&str; 35] = [
    "??=", "&&", "||", "??", "==", "!=", "<=", ">=", "|=", "->", ".", ",", ":", ";", "(", ")", "[", "]", "{", "}", "=",
    "!", "<", ">", "+", "-", "*", "/", "|", "&", "%", "?", "^", "~", "$",
];

/// The words of a program, comments left out.
pub(super) fn words(program: &str) -> Vec<Word> {
    let mut found = Vec::new();
    let mut rest = program;
    while let Some(first) = rest.chars().next() {
        if first == '\n' {
            found.push(Word::Line);
            rest = &rest[1..];
        } else if rest.starts_with("\\\n") {
            found.push(Word::Line);
            rest = &rest[2..];
        } else if first.is_whitespace() {
            rest = &rest[first.len_utf8()..];
        } else if first == '#' {
            rest = rest.find('\n').map_or("", |end| &rest[end..]);
        } else if let Some((word, behind)) = word(rest, first) {
            found.push(word);
            rest = behind;
        } else {
            found.push(Word::Odd);
            break;
        }
    }
    found
}

/// The first word of a text that begins with one, and what follows.
fn word(text: &str, first: char) -> Option<(Word, &str)> {
    if first == '"' {
        return quoted(&text[1..], '"').and_then(|(inside, rest)| Some((Word::Text(unescaped(inside)?), rest)));
    }
    if matches!(first, 's' | 'r' | 't') && text[1..].starts_with('\'') {
        return quoted(&text[2..], '\'').map(|(inside, rest)| (Word::Text(inside.to_owned()), rest));
    }
    if is_of_name(first) {
        let end = text.find(|c| !is_of_name(c)).unwrap_or(text.len());
        return Some((Word::Name(text[..end].to_owned()), &text[end..]));
    }
    SIGNS.iter().find_map(|sign| Some((Word::Sign(sign), text.strip_prefix(sign)?)))
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '@')
}

/// What stands before the closing quote, and what stands behind it. A backslash takes the next character with it.
fn quoted(text: &str, quote: char) -> Option<(&str, &str)> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return Some((&text[..at], &text[at + 1..])),
            _ => {}
        }
    }
    None
}

/// A string without its escapes. `None`: an escape that VRL does not have.
fn unescaped(inside: &str) -> Option<String> {
    let mut text = String::with_capacity(inside.len());
    let mut rest = inside;
    while let Some(at) = rest.find('\\') {
        text.push_str(&rest[..at]);
        let escape = rest[at + 1..].chars().next()?;
        rest = &rest[at + 1 + escape.len_utf8()..];
        match escape {
            'n' => text.push('\n'),
            'r' => text.push('\r'),
            't' => text.push('\t'),
            '0' => text.push('\0'),
            '\'' | '"' | '\\' | '{' | '}' => text.push(escape),
            // The line goes on where the next one begins.
            '\n' => rest = rest.trim_start(),
            'u' => {
                let (hex, behind) = rest.strip_prefix('{')?.split_once('}')?;
                text.push(char::from_u32(u32::from_str_radix(hex, 16).ok()?)?);
                rest = behind;
            }
            _ => return None,
        }
    }
    text.push_str(rest);
    Some(text)
}

/// How deep the brackets are behind `word`, when they were `depth` deep before it.
pub(super) fn depth_behind(word: &Word, depth: usize) -> usize {
    match word {
        Word::Sign("(" | "[" | "{") => depth + 1,
        Word::Sign(")" | "]" | "}") => depth.saturating_sub(1),
        _ => depth,
    }
}

/// The place of the bracket that closes the one at the beginning of `words`.
pub(super) fn closing(words: &[Word]) -> Option<usize> {
    let mut depth = 0;
    for (at, word) in words.iter().enumerate() {
        depth = depth_behind(word, depth);
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(program: &str) -> String {
        let one = |word: &Word| match word {
            Word::Name(name) => name.clone(),
            Word::Text(text) => format!("<{text}>"),
            Word::Sign(sign) => (*sign).to_owned(),
            Word::Line => "NL".to_owned(),
            Word::Odd => "ODD".to_owned(),
        };
        words(program).iter().map(one).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn code_is_told_from_comments_and_strings() {
        assert_eq!(told("exists(.it_seal) # or not\n&& true"), "exists ( . it_seal ) NL && true");
        assert_eq!(
            told(r##"."it\u{5f}seal" = s'a#\'b' + r'#x' + t'y' + "a\"#""##),
            r##". <it_seal> = <a#\'b> + <#x> + <y> + <a"#>"##
        );
        assert_eq!(told("x != y == z|=1 ?? a-> |b| {}"), "x != y == z |= 1 ?? a -> | b | { }");
        assert_eq!(told("foos'x'"), "foos ODD");
        assert_eq!(told("\"it_seal"), "ODD");
        assert_eq!(told(r#""\x41""#), "ODD");
        assert_eq!(told(r#""\u{d800}""#), "ODD");
        assert_eq!(told("é"), "ODD");
        assert_eq!(told("\"a\\\n   b\""), "<ab>");
        assert_eq!(told(""), "");
    }

    #[test]
    fn brackets_are_matched() {
        assert_eq!(closing(&words("(a [b] {c}) d")), Some(8));
        assert_eq!(closing(&words("(a")), None);
    }
}
