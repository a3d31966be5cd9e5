//! The protobuf of log groups, walked in place: nothing is copied and nothing is allocated for what it claims to hold.
//!
//! list { 1: repeated group }; group { 1: repeated log, 3: topic, 4: source, 6: repeated tag { 1: key, 2: value } };
//! log { 1: time, uint32 seconds, 2: repeated content { 1: key, 2: value }, 4: nanoseconds, fixed32 }. Other fields are
//! passed over. Lengths are checked against what is there before anything is looked at.

/// The bytes are not what they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken;

/// A field's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// A number of variable length.
    Number(u64),
    /// Bytes with their length before them: text, or a message.
    Bytes(&'a [u8]),
    /// Four bytes.
    Four(u32),
    /// Eight bytes; no field that is known has them.
    Eight,
}

/// A message that is being walked.
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    bytes: &'a [u8],
    /// Where the next field begins.
    pub at: usize,
}

impl<'a> Fields<'a> {
    /// The fields of a message.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self::from(bytes, 0)
    }

    /// The fields of a message from a place on.
    pub fn from(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// The next field: its number and value.
    ///
    /// # Errors
    /// Where the bytes end too early, or have a form that is not known.
    pub fn field(&mut self) -> Result<Option<(u64, Value<'a>)>, Broken> {
        if self.at == self.bytes.len() {
            return Ok(None);
        }
        let tag = self.number()?;
        let value = match tag & 7 {
            0 => Value::Number(self.number()?),
            1 => self.take(8).map(|_| Value::Eight)?,
            2 => {
                let len = usize::try_from(self.number()?).map_err(|_| Broken)?;
                Value::Bytes(self.take(len)?)
            }
            5 => Value::Four(u32::from_le_bytes(self.take(4)?.try_into().map_err(|_| Broken)?)),
            _ => return Err(Broken),
        };
        if tag >> 3 == 0 { Err(Broken) } else { Ok(Some((tag >> 3, value))) }
    }

    fn number(&mut self) -> Result<u64, Broken> {
        let mut value = 0u64;
        for shift in (0..70).step_by(7) {
            let byte = *self.bytes.get(self.at).ok_or(Broken)?;
            self.at += 1;
            if shift == 63 && byte > 1 {
                return Err(Broken);
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Broken)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Broken> {
        let end = self.at.checked_add(len).filter(|end| *end <= self.bytes.len()).ok_or(Broken)?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }
}

/// A key and a value: a tag of a group, or a content of a log.
///
/// # Errors
/// Where it is neither.
pub fn pair(bytes: &[u8]) -> Result<(&[u8], &[u8]), Broken> {
    let (mut key, mut value): (&[u8], &[u8]) = (b"", b"");
    let mut fields = Fields::new(bytes);
    while let Some((number, found)) = fields.field()? {
        match (number, found) {
            (1, Value::Bytes(bytes)) => key = bytes,
            (2, Value::Bytes(bytes)) => value = bytes,
            (1 | 2, _) => return Err(Broken),
            _ => {}
        }
    }
    Ok((key, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Result<Vec<(u64, Value<'_>)>, Broken> {
        let (mut fields, mut found) = (Fields::new(bytes), Vec::new());
        while let Some(field) = fields.field()? {
            found.push(field);
        }
        Ok(found)
    }

    #[test]
    fn fields_are_walked_and_nothing_else_is() {
        assert_eq!(
            all(b"\x08\x96\x01\x12\x02hi\x25\x01\x00\x00\x00\x09\0\0\0\0\0\0\0\0"),
            Ok(vec![(1, Value::Number(150)), (2, Value::Bytes(b"hi")), (4, Value::Four(1)), (1, Value::Eight)])
        );
        for broken in [
            &b"\x08"[..],
            b"\x08\xff",
            b"\x12\x03hi",
            b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",
            b"\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00",
            b"\x0b",
            b"\x0e",
            b"\x00\x01",
            b"\x25\x01\x00",
        ] {
            assert_eq!(all(broken), Err(Broken), "{broken:?}");
        }
        assert_eq!(pair(b"\x0a\x01k\x12\x01v\x18\x01"), Ok((&b"k"[..], &b"v"[..])));
        assert_eq!(pair(b"\x08\x01"), Err(Broken));
    }
}
