//! An aligned table for people at a terminal. It must never let log text move the cursor, change colours, reorder a
//! line or hide in it.

use std::io::Write;

use unicode_width::UnicodeWidthStr;

use super::plain;
use crate::{Cell, QueryResult, Summary, WriteError};

/// Rows that are held back to find the widths. Later rows that are wider push their own line only.
const MEASURED: usize = 200;
/// No column is padded further than this; longer values are still written whole.
const WIDEST: usize = 60;

/// Whether a character could act on a terminal or hide: controls, direction marks, invisible and tag characters, line
/// separators.
pub(super) fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e007f}')
}

/// Text that a terminal only prints: `\n`, `\t`, `\r`, and `\u{…}` for everything else that would act or hide.
///
/// ```
/// # use innertrail_query::terminal_safe;
/// assert_eq!(terminal_safe("a\u{1b}[31m\u{202e}b\n"), "a\\u{1b}[31m\\u{202e}b\\n");
/// ```
#[must_use]
pub fn terminal_safe(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unsafe(c) { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

pub(super) fn write(mut result: QueryResult, out: &mut dyn Write) -> Result<Summary, WriteError> {
    let header: Vec<String> = result.columns().iter().map(|c| terminal_safe(&c.name)).collect();
    let right: Vec<bool> = result.columns().iter().map(|c| c.data_type.is_numeric()).collect();
    let mut table = Table { right, widths: Vec::new(), held: vec![header], headed: false };
    let mut rows = 0;
    result.for_each_row(|cells| {
        rows += 1;
        let line: Vec<String> = cells.iter().map(shown).collect();
        if table.headed {
            return table.line(&line, out).map_err(WriteError::from);
        }
        table.held.push(line);
        if table.held.len() > MEASURED { table.flush(out).map_err(WriteError::from) } else { Ok(()) }
    })?;
    if !table.headed {
        table.flush(out)?;
    }
    Ok(Summary { rows, truncated: result.truncated() })
}

fn shown(cell: &Cell<'_>) -> String {
    plain(cell).map_or_else(|| "NULL".to_owned(), |text| terminal_safe(&text))
}

struct Table {
    right: Vec<bool>,
    widths: Vec<usize>,
    /// Header and first rows, until the widths are known.
    held: Vec<Vec<String>>,
    headed: bool,
}

impl Table {
    fn flush(&mut self, out: &mut dyn Write) -> std::io::Result<()> {
        let widest = |at: usize| self.held.iter().filter_map(|l| l.get(at)).map(|c| c.width()).max().unwrap_or(0);
        self.widths = (0..self.right.len()).map(|at| widest(at).min(WIDEST)).collect();
        self.headed = true;
        for (at, line) in std::mem::take(&mut self.held).iter().enumerate() {
            self.line(line, out)?;
            if at == 0 {
                let rules: Vec<String> = self.widths.iter().map(|w| "-".repeat(*w)).collect();
                writeln!(out, "{}", rules.join("-+-"))?;
            }
        }
        Ok(())
    }

    fn line(&self, cells: &[String], out: &mut dyn Write) -> std::io::Result<()> {
        let mut line = String::new();
        for (at, cell) in cells.iter().enumerate() {
            if at > 0 {
                line.push_str(" | ");
            }
            let padding = " ".repeat(self.widths[at].saturating_sub(cell.width()));
            let (before, after) = if self.right[at] { (padding.as_str(), "") } else { ("", padding.as_str()) };
            line.push_str(before);
            line.push_str(cell);
            line.push_str(after);
        }
        writeln!(out, "{}", line.trim_end_matches(' '))
    }
}
