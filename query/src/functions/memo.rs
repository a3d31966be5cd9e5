//! What one call keeps from row to row: the last pattern, path and written time, which are often the same.
//! It must never keep more than one of each, and never compile a pattern without a bound on its size.

use regex::{Regex, RegexBuilder};

use super::document::Path;
use super::scalar::quoted;

/// The most memory a compiled pattern may take, in bytes.
const PATTERN_BYTES: usize = 1024 * 1024;

/// One call's memory.
#[derive(Default)]
pub(super) struct Memo {
    regex: Option<(String, Regex)>,
    path: Option<(String, Path)>,
    time: Option<(i64, String, String)>,
}

impl Memo {
    /// The compiled pattern. Matching takes time linear in the text, whatever the pattern.
    pub(super) fn regex(&mut self, pattern: &str) -> Result<&Regex, String> {
        if self.regex.as_ref().is_none_or(|(kept, _)| kept != pattern) {
            self.regex = Some((pattern.to_owned(), compile(pattern)?));
        }
        self.regex.as_ref().map(|(_, regex)| regex).ok_or_else(String::new)
    }

    /// The time as `write` writes it after the pattern: rows are in order of time, and times are often cut to hours.
    pub(super) fn time(
        &mut self,
        us: i64,
        pattern: &str,
        write: impl FnOnce() -> Result<String, String>,
    ) -> Result<String, String> {
        if self.time.as_ref().is_none_or(|(time, kept, _)| *time != us || kept != pattern) {
            self.time = Some((us, pattern.to_owned(), write()?));
        }
        Ok(self.time.as_ref().map(|(_, _, text)| text.clone()).unwrap_or_default())
    }

    /// The parsed JSON path.
    pub(super) fn path(&mut self, text: &str) -> Result<&Path, String> {
        if self.path.as_ref().is_none_or(|(kept, _)| kept != text) {
            self.path = Some((text.to_owned(), Path::parse(text)?));
        }
        self.path.as_ref().map(|(_, path)| path).ok_or_else(String::new)
    }
}

fn compile(pattern: &str) -> Result<Regex, String> {
    let built = RegexBuilder::new(pattern).size_limit(PATTERN_BYTES).dfa_size_limit(PATTERN_BYTES).build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => {
            format!("the pattern {} needs more than {PATTERN_BYTES} bytes; repeat fewer times", quoted(pattern))
        }
        other => {
            let text = other.to_string();
            let why = text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            format!("the pattern {} cannot be used: {why}", quoted(pattern))
        }
    })
}
