//! Takes credentials out of what a server says, and control characters out of what is shown.
//!
//! A service that finds a signature wrong answers with the text it signed itself, token included, in clear and in
//! hexadecimal. Such an answer must never reach the component, a log or a status as it came.

use memchr::memmem;

use crate::credentials::Keys;
use crate::encode;
use crate::secret::MASK;

/// Shorter values would blot out words by chance; no credential of the service is that short.
const SHORTEST: usize = 8;

/// The forms in which one set of credentials can appear in a text.
pub(crate) struct Scrub(Vec<Vec<u8>>);

impl Scrub {
    pub(crate) fn of(keys: &Keys) -> Self {
        Self::values([keys.secret.expose(), keys.id.expose(), keys.token.as_ref().map_or("", |t| t.expose())])
    }

    pub(crate) fn values<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        let mut forms = Vec::new();
        for value in values.into_iter().filter(|v| v.len() >= SHORTEST) {
            let hex = encode::hex(value.as_bytes());
            let pairs: Vec<&str> = (0..hex.len()).step_by(2).map(|i| &hex[i..i + 2]).collect();
            let spaced = pairs.join(" ");
            let encoded = encode::value(value);
            forms.extend([encoded, xml(value), spaced.to_ascii_uppercase(), spaced, hex.to_ascii_uppercase(), hex]);
            forms.push(value.to_owned());
        }
        forms.sort_unstable_by(|a, b| b.len().cmp(&a.len()).then(a.cmp(b)));
        forms.dedup();
        Self(forms.into_iter().map(String::into_bytes).collect())
    }

    /// The bytes without any of the credentials.
    pub(crate) fn bytes(&self, mut text: Vec<u8>) -> Vec<u8> {
        for form in &self.0 {
            let finder = memmem::Finder::new(form);
            if finder.find(&text).is_none() {
                continue;
            }
            let (mut out, mut from) = (Vec::with_capacity(text.len()), 0);
            for at in finder.find_iter(&text) {
                out.extend_from_slice(&text[from..at]);
                out.extend_from_slice(MASK.as_bytes());
                from = at + form.len();
            }
            out.extend_from_slice(&text[from..]);
            text = out;
        }
        text
    }

    /// The same for text, which is also made fit to be shown.
    pub(crate) fn text(&self, text: &str, max: usize) -> String {
        plain(&String::from_utf8_lossy(&self.bytes(text.as_bytes().to_vec())), max)
    }
}

/// As XML writes it.
fn xml(value: &str) -> String {
    value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Text of a stranger as it may be shown: one line, no control or direction characters, at most `max` characters.
pub(crate) fn plain(text: &str, max: usize) -> String {
    let turns =
        |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    let mut out: String = text.chars().take(max).map(|c| if c.is_control() || turns(c) { ' ' } else { c }).collect();
    if text.chars().nth(max).is_some() {
        out.push('…');
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_credential_is_taken_out() {
        let scrub = Scrub::values(["CAIS+secret/token==", "ab<&>cdefgh", "short"]);
        let said = "a CAIS+secret/token== b CAIS%2Bsecret%2Ftoken%3D%3D c 43 41 49 53 2b 73 65 63 72 65 74 2f 74 6f 6b 65 \
                    6e 3d 3d d 43 41 49 53 2B 73 65 63 72 65 74 2F 74 6F 6B 65 6E 3D 3D e ab&lt;&amp;&gt;cdefgh f short";
        assert_eq!(scrub.text(said, 1000), "a *** b *** c *** d *** e *** f short");
        assert_eq!(scrub.bytes(b"nothing\xff here".to_vec()), b"nothing\xff here");
    }

    #[test]
    fn what_a_stranger_says_is_one_harmless_line() {
        assert_eq!(plain("a\r\n\u{1b}[2J\u{202e}b", 100), "a   [2J b");
        assert_eq!(plain("abcdef", 3), "abc…");
    }
}
