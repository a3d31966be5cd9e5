//! The engine's messages about functions and values, in the user's words and with the place of the call.
//! It must never hide what went wrong: a message that it does not know stays as it is.

use super::Rewritten;
use crate::Error;

/// What the engine puts before a message.
const PREFIXES: [&str; 5] =
    ["Execution error: ", "Arrow error: ", "Error during planning: ", "Internal error: ", "Cast error: "];
/// What it says around a function's own words about its arguments.
const COERCION: &str = "user-defined coercion failed with: ";

impl Rewritten {
    /// The same error, plainer.
    pub(crate) fn explain(&self, error: Error) -> Error {
        match error {
            Error::Plan { message } => Error::Plan { message: self.placed(plain(&message)) },
            Error::Execution { message } => Error::Execution { message: self.placed(plain(&message)) },
            other => other,
        }
    }

    /// Adds where the function stands that the message begins with, when it stands at one place only.
    fn placed(&self, message: String) -> String {
        let mut words = message.split([' ', ':']);
        let name = match words.next() {
            Some("argument") => words.find(|word| *word == "of").and_then(|_| words.next()),
            first => first,
        };
        match name.and_then(|name| self.calls.get(name)) {
            Some(Some(at)) => format!("{message}; it stands at {at}"),
            _ => message,
        }
    }
}

fn plain(message: &str) -> String {
    let mut rest = message;
    while let Some(shorter) = PREFIXES.iter().find_map(|prefix| rest.strip_prefix(prefix)) {
        rest = shorter;
    }
    if let Some((_, words)) = rest.split_once(COERCION) {
        let words = words.split(". No function matches").next().unwrap_or(words);
        return plain(words);
    }
    if let Some((name, _)) = rest.strip_prefix("Function '").and_then(|rest| rest.split_once("' failed to match")) {
        return match rest.split_once("but received ").and_then(|(_, given)| given.split_once(')')) {
            Some((given, _)) => format!("{name} does not take {given})"),
            None => format!("{name} does not take these arguments"),
        };
    }
    if rest == "Divide by zero error" {
        return "division by zero; write try(a / b) to get NULL instead".into();
    }
    rest.to_owned()
}
