//! What a call into the component can end in, other than an answer, and how it is told.
//!
//! It must never keep the component's own text longer than a log line: the component is not trusted.

use super::limits::Limits;
use std::time::Duration;
use wasmtime::{Trap, WasmBacktrace};

/// A call that gave no usable answer. The instance is not used again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The component stopped itself: a panic, a stack overflow, an access outside its memory.
    #[error("the component trapped ({what}) in {place}")]
    Trap {
        /// What the processor met. A panic is `unreachable`; its message is lost inside.
        what: String,
        /// Names of the functions, innermost first.
        place: String,
    },
    /// It did not come back in time.
    #[error("the component did not answer within {} ms; it was stopped in {place}", limit.as_millis())]
    Deadline {
        /// The deadline.
        limit: Duration,
        /// Where it was at that moment.
        place: String,
    },
    /// It wanted more memory than it may have.
    #[error("the component needs more than {limit} bytes of memory; it gave up in {place}")]
    Memory {
        /// The limit, bytes.
        limit: usize,
        /// Where it gave up.
        place: String,
    },
    /// It answered, but not as the contract says.
    #[error("the component broke its contract: {0}")]
    Contract(String),
    /// It failed before, and this instance is not to be used any more.
    #[error("this instance of the component has failed before; open a new one")]
    Dead,
}

impl CallError {
    /// Sorts wasmtime's error.
    pub(super) fn classify(error: &wasmtime::Error, limits: &Limits, config: Limit) -> Self {
        let place = place(error);
        match error.downcast_ref::<Trap>() {
            Some(Trap::Interrupt) => Self::Deadline { limit: config.deadline, place },
            Some(_) if limits.denied => Self::Memory { limit: config.memory, place },
            Some(trap) => Self::Trap { what: name(*trap), place },
            // Not a trap: the answer could not be lifted (bad UTF-8, a pointer outside, a case that does not exist).
            None => Self::Contract(short(&format!("{:#}", error.root_cause()))),
        }
    }
}

/// The limits that a call ran under.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit {
    pub(super) deadline: Duration,
    pub(super) memory: usize,
}

/// wasmtime's text without its prefix.
fn name(trap: Trap) -> String {
    match trap {
        Trap::UnreachableCodeReached => "unreachable: a panic".into(),
        other => other.to_string().replace("wasm trap: ", ""),
    }
}

/// Functions shown at most.
const FRAMES: usize = 4;

/// Longest text of the component's that is passed on.
const MAX_TEXT: usize = 400;

/// The functions on the stack, innermost first, less the panic machinery that tells nothing.
fn place(error: &wasmtime::Error) -> String {
    let Some(trace) = error.downcast_ref::<WasmBacktrace>() else {
        return "(no function known)".into();
    };
    let trace = trace.to_string();
    let names: Vec<String> = trace
        .lines()
        .filter_map(|line| line.split_once('!').map(|(_, name)| readable(name)))
        .filter(|name| !is_machinery(name))
        .take(FRAMES)
        .collect();
    if names.is_empty() {
        return "(no function known)".into();
    }
    short(&names.join(" < "))
}

/// A function's name without the crate hashes that demangling leaves: `std[a543996e6e7dbf1e]::panicking`.
fn readable(name: &str) -> String {
    let mut text = String::new();
    let mut rest = name.trim();
    while let Some((before, after)) = rest.split_once('[') {
        text.push_str(before);
        rest = match after.split_once(']') {
            Some((hash, tail)) if hash.len() >= 8 && hash.bytes().all(|b| b.is_ascii_hexdigit()) => tail,
            _ => {
                text.push('[');
                after
            }
        };
    }
    text + rest
}

/// Functions between a panic and the instruction that ends it.
fn is_machinery(name: &str) -> bool {
    const PREFIXES: &[&str] = &[
        "__rust",
        "rust_",
        "std::",
        "core::panicking",
        "core::option::",
        "core::result::",
        "alloc::alloc",
        "abort",
        "alloc::raw_vec::",
        "__rg_",
        "__rdl_",
        "core::ops::function",
    ];
    let name = name.trim_start_matches('<');
    PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || name.contains("__rustc")
}

/// Cuts at a character boundary and removes what would break a log line.
pub(super) fn short(text: &str) -> String {
    text.chars().take(MAX_TEXT).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_and_stay_on_one_line() {
        let text = short(&"a\n\u{1b}é".repeat(200));
        assert_eq!(text.chars().count(), MAX_TEXT);
        assert!(!text.contains('\n') && !text.contains('\u{1b}'));
    }

    #[test]
    fn crate_hashes_are_removed_and_nothing_else() {
        assert_eq!(readable(" std[a543996e6e7dbf1e]::a::<core[c5930c85a12de822]::b>"), "std::a::<core::b>");
        assert_eq!(readable("a::<[u8]>::b[0]"), "a::<[u8]>::b[0]");
        assert_eq!(readable("a[unclosed"), "a[unclosed");
    }

    #[test]
    fn panic_machinery_is_left_out() {
        for name in ["__rustc::rust_panic", "std::panicking::panic_with_hook", "core::panicking::panic_fmt"] {
            assert!(is_machinery(name), "{name}");
        }
        assert!(!is_machinery("innertrail_plugin::decode::run"));
    }
}
