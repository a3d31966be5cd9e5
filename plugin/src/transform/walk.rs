//! One log of Vector's `native`, walked in place: nothing is built, nothing copied, and whoever walks is told what is there.
//!
//! It must never take a frame for sound that the protobuf library or the rules for values refuse, nor tell of it anything but
//! what these read in it. So it knows less than they do: what agents do not write, it gives up on.

use crate::event::json::{
    write_json_boolean, write_json_float, write_json_integer, write_json_string, write_json_timestamp,
};
use crate::event::write_json_bytes;

/// Levels of maps and lists that are followed.
pub(super) const LEVELS: usize = 8;
/// Where years stop having four digits: 9999-12-31T23:59:59Z.
const LAST_SECOND: u64 = 253_402_300_799;

/// Is told of the fields of a log, from its first to its last.
pub(super) trait Visit<'a> {
    /// Whether names have to come in order, once each. Else the last of two counts, and only a look at all of them tells.
    const SORTED: bool;
    /// A name at the top, or deeper. `None` gives the frame up.
    fn name(&mut self, name: &'a [u8], top: bool) -> Option<()>;
    /// A value, where it is none of several.
    fn value(&mut self, value: Scalar<'a>);
    /// A map (`{`) or list (`[`) begins.
    fn open(&mut self, bracket: u8);
    /// It ends.
    fn close(&mut self, bracket: u8);
}

/// A value that is neither map nor list.
#[derive(Clone, Copy)]
pub(super) enum Scalar<'a> {
    /// Text, or any bytes.
    Bytes(&'a [u8]),
    /// A number.
    Integer(i64),
    /// A number, no NaN.
    Float(f64),
    /// True or false.
    Boolean(bool),
    /// Seconds since 1970 and nanoseconds, a time there is.
    Timestamp(i64, u32),
    /// Nothing.
    Null,
}

/// Walks an `EventArray` that holds one log, whose root is a map. `levels`: so many maps and lists are opened inside one
/// another, see [`LEVELS`].
pub(super) fn log<'a>(frame: &'a [u8], levels: usize, visit: &mut impl Visit<'a>) -> Option<()> {
    let mut rest = whole(whole(frame, 1)?, 1)?;
    let mut last = None;
    visit.open(b'{');
    while let Some((found, after)) = rest.split_first() {
        let (content, next) = delimited(after)?;
        match *found {
            FIELDS => entry(content, levels, true, &mut last, visit)?,
            METADATA => value(content, LEVELS, &mut Silent)?,
            METADATA_FULL => metadata(content)?,
            _ => return None,
        }
        rest = next;
    }
    visit.close(b'}');
    Some(())
}

/// The JSON that [`crate::event::json::encode`] makes of the log.
pub(super) fn json(frame: &[u8]) -> Option<Vec<u8>> {
    let mut out = Json(Vec::with_capacity(frame.len() + frame.len() / 4));
    log(frame, LEVELS, &mut out)?;
    Some(out.0)
}

/// Fields of a `Log`.
const FIELDS: u8 = tag(1);
const METADATA: u8 = tag(3);
const METADATA_FULL: u8 = tag(4);

/// A length-delimited field.
const fn tag(number: u8) -> u8 {
    number << 3 | 2
}

/// One entry of a map: a name and a value.
#[inline(always)]
fn entry<'a, V: Visit<'a>>(
    bytes: &'a [u8],
    levels: usize,
    top: bool,
    last: &mut Option<&'a [u8]>,
    visit: &mut V,
) -> Option<()> {
    let (name, rest) = field(bytes, 1)?;
    if !is_text(name) || V::SORTED && last.replace(name).is_some_and(|last| last >= name) {
        return None;
    }
    visit.name(name, top)?;
    value(whole(rest, 2)?, levels, visit)
}

/// A `Value` of one kind.
fn value<'a, V: Visit<'a>>(bytes: &'a [u8], levels: usize, visit: &mut V) -> Option<()> {
    let (found, rest) = bytes.split_first()?;
    let scalar = match *found {
        BYTES => Scalar::Bytes(whole(bytes, 1)?),
        TIMESTAMP => timestamp(whole(bytes, 2)?)?,
        INTEGER => Scalar::Integer(integer(rest).filter(|(_, after)| after.is_empty())?.0 as i64),
        FLOAT => Scalar::Float(Some(f64::from_le_bytes(rest.try_into().ok()?)).filter(|float| !float.is_nan())?),
        BOOLEAN if matches!(rest, [0 | 1]) => Scalar::Boolean(rest == [1]),
        NULL if rest == [0] => Scalar::Null,
        MAP | ARRAY => return several(whole(bytes, found >> 3)?, *found == MAP, levels.checked_sub(1)?, visit),
        _ => return None,
    };
    visit.value(scalar);
    Some(())
}

const BYTES: u8 = tag(1);
const TIMESTAMP: u8 = tag(2);
const INTEGER: u8 = 4 << 3;
const FLOAT: u8 = 5 << 3 | 1;
const BOOLEAN: u8 = 6 << 3;
const MAP: u8 = tag(7);
const ARRAY: u8 = tag(8);
const NULL: u8 = 9 << 3;

/// What a map or a list holds.
fn several<'a, V: Visit<'a>>(mut rest: &'a [u8], map: bool, levels: usize, visit: &mut V) -> Option<()> {
    let mut last = None;
    visit.open(if map { b'{' } else { b'[' });
    while !rest.is_empty() {
        let (content, next) = field(rest, 1)?;
        if map {
            entry(content, levels, false, &mut last, visit)?;
        } else {
            value(content, levels, visit)?;
        }
        rest = next;
    }
    visit.close(if map { b'}' } else { b']' });
    Some(())
}

/// Seconds since 1970 and nanoseconds, either left out where it is 0. What was before 1970 is given up on.
fn timestamp(bytes: &[u8]) -> Option<Scalar<'_>> {
    let part = |bytes, number: u8, most| match <[u8]>::split_first(bytes) {
        Some((tag, rest)) if *tag == number << 3 => integer(rest).filter(|(value, _)| *value <= most),
        _ => Some((0, bytes)),
    };
    let (seconds, rest) = part(bytes, 1, LAST_SECOND)?;
    let (nanos, rest) = part(rest, 2, 999_999_999)?;
    rest.is_empty().then_some(Scalar::Timestamp(seconds as i64, nanos as u32))
}

/// A `Metadata` without secrets and without an origin of Datadog's. Nobody looks into it, but it has to be sound.
fn metadata(mut rest: &[u8]) -> Option<()> {
    while let Some((found, after)) = rest.split_first() {
        let (content, next) = delimited(after)?;
        match *found {
            VALUE => value(content, LEVELS, &mut Silent)?,
            SOURCE_ID | SOURCE_TYPE => is_text(content).then_some(())?,
            UPSTREAM_ID => output_id(content)?,
            SOURCE_EVENT_ID => {}
            _ => return None,
        }
        rest = next;
    }
    Some(())
}

const VALUE: u8 = tag(1);
const SOURCE_ID: u8 = tag(3);
const SOURCE_TYPE: u8 = tag(4);
const UPSTREAM_ID: u8 = tag(5);
const SOURCE_EVENT_ID: u8 = tag(7);

/// An `OutputId`: a component and, perhaps, its port.
fn output_id(bytes: &[u8]) -> Option<()> {
    let (component, rest) = field(bytes, 1)?;
    let port = if rest.is_empty() { rest } else { whole(rest, 2)? };
    (is_text(component) && is_text(port)).then_some(())
}

/// Names are short and of ASCII: one look at all their bytes at once tells.
#[inline(always)]
fn is_text(bytes: &[u8]) -> bool {
    bytes.iter().fold(0, |all, byte| all | byte) < 0x80 || simdutf8::basic::from_utf8(bytes).is_ok()
}

/// What a length-delimited field of this number holds, where nothing follows it.
#[inline(always)]
fn whole(bytes: &[u8], number: u8) -> Option<&[u8]> {
    field(bytes, number).filter(|(_, rest)| rest.is_empty()).map(|(content, _)| content)
}

/// What a length-delimited field of this number holds, and what follows it.
#[inline(always)]
fn field(bytes: &[u8], number: u8) -> Option<(&[u8], &[u8])> {
    let (found, rest) = bytes.split_first()?;
    if *found == tag(number) { delimited(rest) } else { None }
}

/// As many bytes as the length in front of them says, and what follows them.
#[inline(always)]
fn delimited(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    match bytes {
        [length @ ..0x80, rest @ ..] => rest.split_at_checked(usize::from(*length)),
        _ => {
            let (length, rest) = integer(bytes)?;
            rest.split_at_checked(usize::try_from(length).ok()?)
        }
    }
}

/// A number of variable length, and what follows it.
fn integer(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (place, byte) in bytes.iter().enumerate().take(10) {
        // The tenth byte has room for one bit.
        if place == 9 && *byte > 1 {
            return None;
        }
        value |= u64::from(byte & 0x7f) << (7 * place);
        if *byte < 0x80 {
            return Some((value, &bytes[place + 1..]));
        }
    }
    None
}

/// Only wants to know whether all is sound.
struct Silent;

impl Visit<'_> for Silent {
    const SORTED: bool = false;
    fn name(&mut self, _: &[u8], _: bool) -> Option<()> {
        Some(())
    }
    fn value(&mut self, _: Scalar<'_>) {}
    fn open(&mut self, _: u8) {}
    fn close(&mut self, _: u8) {}
}

/// Writes JSON.
struct Json(Vec<u8>);

impl Json {
    /// Nothing but the first of several, and a value behind its name, stands without a comma in front.
    #[inline(always)]
    fn comma(&mut self) {
        if !matches!(self.0.last(), None | Some(b'{' | b'[' | b':')) {
            self.0.push(b',');
        }
    }
}

impl<'a> Visit<'a> for Json {
    const SORTED: bool = true;

    fn name(&mut self, name: &'a [u8], _: bool) -> Option<()> {
        self.comma();
        write_json_bytes(&mut self.0, name);
        self.0.push(b':');
        Some(())
    }

    fn value(&mut self, value: Scalar<'a>) {
        self.comma();
        let out = &mut self.0;
        match value {
            Scalar::Bytes(bytes) => write_json_string(out, bytes),
            Scalar::Integer(value) => write_json_integer(out, value),
            Scalar::Float(value) => write_json_float(out, value),
            Scalar::Boolean(value) => write_json_boolean(out, value),
            Scalar::Timestamp(seconds, nanos) => write_json_timestamp(out, seconds, nanos),
            Scalar::Null => out.extend_from_slice(b"null"),
        }
    }

    fn open(&mut self, bracket: u8) {
        self.comma();
        self.0.push(bracket);
    }

    fn close(&mut self, bracket: u8) {
        self.0.push(bracket);
    }
}
