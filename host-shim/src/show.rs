//! Shows text from logs to people: log text is hostile wherever it is shown.
//!
//! Control characters, ANSI sequences and the marks that reorder text come out escaped; nothing a log holds may ever
//! reach a terminal as an instruction.

use std::fmt::{self, Display, Write};

/// Text made safe for a terminal.
#[derive(Debug, Clone, Copy)]
pub struct Safe<'a>(pub &'a str);

impl Display for Safe<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            if is_hostile(c) { write!(f, "{}", c.escape_unicode())? } else { f.write_char(c)? }
        }
        Ok(())
    }
}

/// Control characters, and the invisible ones that reorder or hide text.
fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{61c}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_as_an_instruction() {
        let text = Safe("a\x1b[31mb\u{202e}c\nd\u{200b}é桶").to_string();
        assert_eq!(text, r"a\u{1b}[31mb\u{202e}c\u{a}d\u{200b}é桶");
    }
}
