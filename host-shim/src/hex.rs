//! Bytes as lower-case hexadecimal: digests, seal marks, what is no text.
//! It must never call the formatter for each byte: each record that goes to a sink has a mark of 32, and that costs more than its hash.

/// Two digits a byte.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble & 15)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

#[cfg(test)]
mod tests {
    use super::hex;

    #[test]
    fn every_byte_has_two_digits() {
        let all: Vec<u8> = (0..=255).collect();
        let written: String = all.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!((hex(&all), hex(&[])), (written, String::new()));
    }
}
