//! What can be wrong with a configuration, and how it is told: every finding with its place and the way out.
//!
//! Must never print the value of an environment variable: it may be a secret.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

/// Most findings that are printed one by one; the rest is counted.
const MAX_PRINTED: usize = 100;

/// A place in a configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Where it stands.
    #[serde(flatten)]
    pub position: Position,
    /// The option, dotted: `sources.oss_files.include`. Empty for the file as a whole.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Position { line, column } = self.position;
        write!(f, "{line}:{column}: {}", self.message)?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

/// Why there is no usable configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be opened or read.
    #[error("{}: cannot read the configuration: {source}; name an existing file with --config", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The file is larger than [`super::MAX_FILE_BYTES`].
    #[error("{}: larger than {limit} bytes, so it is not read; is this the configuration file?", file.display())]
    TooLarge {
        /// The file.
        file: PathBuf,
        /// The bound, in bytes.
        limit: u64,
    },
    /// The file is not UTF-8.
    #[error("{}: not UTF-8 from byte {offset} on; save it as UTF-8", file.display())]
    NotUtf8 {
        /// The file.
        file: PathBuf,
        /// Bytes before the first wrong one.
        offset: usize,
    },
    /// The file was read and has findings; never an empty list.
    #[error("{}", render(file, findings))]
    Invalid {
        /// The file, as the user named it.
        file: PathBuf,
        /// All findings, in the order of the file.
        findings: Vec<Finding>,
    },
    /// A value of the command line cannot be used.
    #[error("{option}: {message}")]
    CommandLine {
        /// The option, such as `--trail`.
        option: &'static str,
        /// What is wrong and what to do.
        message: String,
    },
}

impl ConfigError {
    /// The findings with a place; empty when the file could not be read at all.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        match self {
            Self::Invalid { findings, .. } => findings,
            _ => &[],
        }
    }
}

/// One line a finding, as `file:line:column: message`, the form editors and CI jump to.
fn render(file: &std::path::Path, findings: &[Finding]) -> String {
    let mut lines: Vec<String> =
        findings.iter().take(MAX_PRINTED).map(|finding| format!("{}:{finding}", file.display())).collect();
    if findings.len() > MAX_PRINTED {
        lines.push(format!("{}: and {} more", file.display(), findings.len() - MAX_PRINTED));
    }
    lines.join("\n")
}

/// The text in backticks, printable, cut after 60 characters.
pub(crate) fn shown(text: &str) -> String {
    const MAX_SHOWN: usize = 60;
    let cut = if text.chars().nth(MAX_SHOWN).is_some() { "…" } else { "" };
    let start: String = text.chars().take(MAX_SHOWN).collect();
    format!("`{}{cut}`", printable(&start))
}

/// The text with everything escaped that would steer a terminal or hide.
pub(crate) fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' | '\'' | '\\' => out.push(c),
            other => out.extend(other.escape_debug()),
        }
    }
    out
}

/// The candidate nearest to `given` by edit distance, when it is near enough to be what was meant.
pub(crate) fn nearest<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const LONGEST: usize = 64;
    if given.len() > LONGEST {
        return None;
    }
    let given = given.to_lowercase().replace('-', "_");
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&given, &candidate.replace('-', "_")), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.len() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn nearest_takes_case_hyphens_and_small_slips() {
        let keys = ["include", "exclude", "read_bytes"];
        assert_eq!(nearest("inclde", keys), Some("include"));
        assert_eq!(nearest("Read-Bytes", keys), Some("read_bytes"));
        assert_eq!(nearest("glob", keys), None);
        assert_eq!(nearest(&"i".repeat(100_000), keys), None);
    }

    #[test]
    fn shown_text_cannot_reach_the_terminal_raw() {
        assert_eq!(shown("a\u{1b}[31m\u{202e}\n"), "`a\\u{1b}[31m\\u{202e}\\n`");
        assert_eq!(shown(&"x".repeat(61)), format!("`{}…`", "x".repeat(60)));
        assert_eq!(shown("it's \"so\""), "`it's \"so\"`");
    }

    #[test]
    fn a_flood_of_findings_is_counted_not_printed() {
        let position = Position { line: 1, column: 1 };
        let finding = Finding { position, path: String::new(), message: "m".into(), help: None };
        let error = ConfigError::Invalid { file: "f".into(), findings: vec![finding; 103] };
        let text = error.to_string();
        assert_eq!(text.lines().count(), 101);
        assert_eq!(text.lines().last().unwrap(), "f: and 3 more");
    }
}
