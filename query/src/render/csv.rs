//! CSV after RFC 4180. It must keep NULL (nothing) and the empty text (`""`) apart.

use std::io::Write;

use super::plain;
use crate::{QueryResult, Summary, WriteError};

pub(super) fn write(mut result: QueryResult, out: &mut dyn Write) -> Result<Summary, WriteError> {
    let header: Vec<String> = result.columns().iter().map(|c| field(&c.name)).collect();
    writeln!(out, "{}", header.join(","))?;
    let mut rows = 0;
    result.for_each_row(|cells| {
        rows += 1;
        let fields: Vec<String> = cells.iter().map(|c| plain(c).map_or_else(String::new, |t| field(&t))).collect();
        writeln!(out, "{}", fields.join(",")).map_err(WriteError::from)
    })?;
    Ok(Summary { rows, truncated: result.truncated() })
}

fn field(text: &str) -> String {
    let edge = text.is_empty() || text.starts_with(' ') || text.ends_with(' ');
    if edge || text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
