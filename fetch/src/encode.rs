//! Percent-encoding as RFC 3986 has it: everything but unreserved characters.
//!
//! What is sent and what is signed must come from here both, or a signature fails for odd names only.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

const VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const PATH: &AsciiSet = &VALUE.remove(b'/');

/// A name or value of a query.
pub(crate) fn value(text: &str) -> String {
    utf8_percent_encode(text, VALUE).to_string()
}

/// A path; `/` stays.
pub(crate) fn path(text: &str) -> String {
    utf8_percent_encode(text, PATH).to_string()
}

/// `a=b&c`: encoded, in the given order; `bare` leaves the `=` out where the value is empty.
pub(crate) fn query<N: AsRef<str>, V: AsRef<str>>(pairs: &[(N, V)], bare: bool) -> String {
    let mut out = String::new();
    for (name, text) in pairs {
        if !out.is_empty() {
            out.push('&');
        }
        out.push_str(&value(name.as_ref()));
        if !(bare && text.as_ref().is_empty()) {
            out.push('=');
            out.push_str(&value(text.as_ref()));
        }
    }
    out
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        for nibble in [byte >> 4, byte & 15] {
            out.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unreserved_characters_stay() {
        assert_eq!(value("a b/c~d*e+f=é"), "a%20b%2Fc~d%2Ae%2Bf%3D%C3%A9");
        assert_eq!(path("/a b/..//é?#"), "/a%20b/..//%C3%A9%3F%23");
        assert_eq!(query(&[("b", "1"), ("a", ""), ("c", "=")], true), "b=1&a&c=%3D");
        assert_eq!(query(&[("b", "1"), ("a", "")], false), "b=1&a=");
        assert_eq!(hex(&[0, 0xab, 0xff]), "00abff");
    }
}
