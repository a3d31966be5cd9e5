//! Cursors: base64 of a decimal number that grows with arrival, offset by a number of each shard, so that the cursor of
//! another shard, or one made up, is refused. It must never give two spellings of one position.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The spelling of a position.
pub(crate) fn encode(number: u64) -> String {
    STANDARD.encode(number.to_string())
}

/// The number in a cursor; a line end after it is let pass, because the Python SDK adds one.
pub(crate) fn decode(cursor: &str) -> Option<u64> {
    let bytes = STANDARD.decode(cursor.trim_end_matches(['\n', '\r'])).ok()?;
    let text = std::str::from_utf8(&bytes).ok()?;
    let number = text.parse::<u64>().ok()?;
    (number.to_string() == text).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_spelling_we_give_is_read() {
        assert_eq!(decode(&encode(1_403_000_000_000_007)), Some(1_403_000_000_000_007));
        assert_eq!(decode(&format!("{}\n", encode(7))), Some(7));
        for bad in ["", "7", "Nw", &STANDARD.encode("07"), &STANDARD.encode("-7"), &STANDARD.encode("+7")] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }
}
