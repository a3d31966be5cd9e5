//! The forms a text may have, each as the pattern the JSON Schema shows and the check that is run.
//!
//! The checks are written out because no regular expression is worth a library here; a test holds each against
//! its pattern's examples. Must never accept what would make a wrong file name or Logstore name.

/// Name of a trail. Ends in a letter or digit because `innertrail_<trail>` is a Logstore name and must.
pub(super) const TRAIL: &str = "^[a-z][a-z0-9_-]*[a-z0-9]$";
/// An account id.
pub(super) const DIGITS: &str = "^[0-9]+$";
/// A region.
pub(super) const REGION: &str = "^[a-z0-9-]+$";
/// A path or a glob: anything but control characters.
pub(super) const PATH: &str = "^[^\\u0000-\\u001f\\u007f]+$";
/// Name of a source.
pub(super) const NAME: &str = "^[A-Za-z0-9_-]+$";
/// A product of the data table.
pub(super) const PRODUCT: &str = "^[a-z0-9_-]+$";
/// A SHA-256 in hexadecimal.
pub(super) const SHA256: &str = "^[0-9a-f]{64}$";

/// What a text of this pattern is, in words, when `text` is not one. An unknown pattern refuses nothing; a test
/// makes sure the schema has none.
pub(super) fn mismatch(pattern: &str, text: &str) -> Option<&'static str> {
    let (matches, words) = rule(pattern)?;
    (!matches(text)).then_some(words)
}

/// A check, and the pattern in words.
type Rule = (fn(&str) -> bool, &'static str);

/// The check and the words of a pattern.
pub(super) fn rule(pattern: &str) -> Option<Rule> {
    Some(match pattern {
        TRAIL => (
            is_trail,
            "a lower-case letter, then lower-case letters, digits, `-` or `_`, and a letter or digit at the end",
        ),
        DIGITS => (|text| of(text, |b| b.is_ascii_digit()), "digits only"),
        REGION => (
            |text| of(text, |b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'),
            "lower-case letters, digits and `-`",
        ),
        PATH => (
            |text| !text.is_empty() && !text.contains(|c: char| c.is_ascii_control()),
            "a path: not empty, without control characters",
        ),
        NAME => {
            (|text| of(text, |b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'), "letters, digits, `-` and `_`")
        }
        PRODUCT => (
            |text| of(text, |b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_'),
            "lower-case letters, digits, `-` and `_`",
        ),
        SHA256 => (
            |text| text.len() == 64 && of(text, |b| matches!(b, b'0'..=b'9' | b'a'..=b'f')),
            "64 lower-case hexadecimal digits",
        ),
        _ => return None,
    })
}

fn of(text: &str, allowed: fn(u8) -> bool) -> bool {
    !text.is_empty() && text.bytes().all(allowed)
}

fn is_trail(text: &str) -> bool {
    text.len() > 1
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && !text.ends_with(['-', '_'])
        && of(text, |b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn examples_of_every_pattern() {
        let long = "0a".repeat(32);
        let table: [(&str, &[&str], &[&str]); 7] = [
            (TRAIL, &["ab", "oss-audit", "a_1"], &["", "a", "1ab", "Ab", "ab-", "ab_", "a b", "aé", "-ab", "ab\n"]),
            (DIGITS, &["0", "1000000000000001"], &["", "1 ", "1e3", "-1", "१"]),
            (REGION, &["cn-hangzhou"], &["", "CN", "cn_hangzhou"]),
            (PATH, &["./a/**/*.gz", "审计/x"], &["", "a\0b", "a\n"]),
            (NAME, &["oss_files", "A-1"], &["", "a.b", "a b"]),
            (PRODUCT, &["oss", "kms-2"], &["", "OSS"]),
            (SHA256, &[&long], &["", "ab", "0A"]),
        ];
        for (pattern, good, bad) in table {
            good.iter().for_each(|text| assert_eq!(mismatch(pattern, text), None, "{pattern} {text:?}"));
            bad.iter().for_each(|text| assert!(mismatch(pattern, text).is_some(), "{pattern} {text:?}"));
        }
        assert!(rule("^unknown$").is_none());
    }
}
