//! The counting itself: each key of a row becomes a small number, each combination of them another, and those are
//! counted. It must never take two values for one.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, StringArray, StringBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType};
use datafusion::common::{DataFusionError, HashMap};
use datafusion::error::Result;

/// The code of null.
const NULL: u32 = 0;
/// A place of a dictionary that no row has asked for yet.
const UNSEEN: u32 = u32::MAX;
/// More codes than this are not given out.
const MOST: usize = u32::MAX as usize - 1;

fn too_many() -> DataFusionError {
    DataFusionError::ResourcesExhausted(format!("more than {MOST} different values"))
}

/// Codes of the values of one key.
#[derive(Debug, Default)]
struct Values {
    texts: HashMap<Box<str>, u32>,
    text_of: Vec<Box<str>>,
    text_bytes: usize,
    numbers: HashMap<i64, u32>,
    number_of: Vec<i64>,
    /// The dictionary seen last, and the codes of its places as far as they were asked for.
    dictionary: Option<(ArrayRef, Vec<u32>)>,
}

impl Values {
    fn text(&mut self, text: &str) -> Result<u32> {
        if let Some(code) = self.texts.get(text) {
            return Ok(*code);
        }
        let code = next(self.text_of.len() + 1)?;
        self.text_bytes += text.len();
        self.text_of.push(text.into());
        self.texts.insert(text.into(), code);
        Ok(code)
    }

    fn number(&mut self, number: i64) -> Result<u32> {
        if let Some(code) = self.numbers.get(&number) {
            return Ok(*code);
        }
        let code = next(self.number_of.len() + 1)?;
        self.number_of.push(number);
        self.numbers.insert(number, code);
        Ok(code)
    }

    /// The code of each row.
    fn codes(&mut self, array: &ArrayRef, codes: &mut Vec<u32>) -> Result<()> {
        codes.clear();
        match array.data_type() {
            DataType::Dictionary(..) => self.coded(array, codes),
            DataType::Utf8 => {
                let each = array.as_string::<i32>().iter().map(|text| text.map_or(Ok(NULL), |text| self.text(text)));
                each.into_iter().try_for_each(|code| code.map(|code| codes.push(code)))
            }
            DataType::Int64 => self.numbered(array, array.as_primitive::<Int64Type>().values(), codes),
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                self.numbered(array, array.as_primitive::<TimestampMicrosecondType>().values(), codes)
            }
            other => Err(DataFusionError::Internal(format!("rows are not counted by {other}"))),
        }
    }

    fn coded(&mut self, array: &ArrayRef, codes: &mut Vec<u32>) -> Result<()> {
        let dictionary = array.as_dictionary::<Int32Type>();
        let values = dictionary.values();
        let known = self.dictionary.take().filter(|(last, _)| Arc::ptr_eq(last, values));
        let (kept, mut map) = known.unwrap_or_else(|| (Arc::clone(values), vec![UNSEEN; values.len()]));
        let texts = values.as_string::<i32>();
        let keys = dictionary.keys();
        for (row, &key) in keys.values().iter().enumerate() {
            // Where there is no row's key, there may be any number.
            let place = if keys.is_null(row) { None } else { usize::try_from(key).ok() };
            let code = match place {
                None => NULL,
                Some(place) => match map.get(place).copied() {
                    Some(UNSEEN) if texts.is_null(place) => NULL,
                    Some(UNSEEN) => {
                        let code = self.text(texts.value(place))?;
                        map[place] = code;
                        code
                    }
                    Some(code) => code,
                    None => return Err(DataFusionError::Internal("a code is outside its dictionary".into())),
                },
            };
            codes.push(code);
        }
        self.dictionary = Some((kept, map));
        Ok(())
    }

    fn numbered(&mut self, array: &ArrayRef, numbers: &[i64], codes: &mut Vec<u32>) -> Result<()> {
        // Rows are in order of time, so the same value stands many times in a row.
        let mut last: Option<(i64, u32)> = None;
        for (row, &number) in numbers.iter().enumerate() {
            let code = match last {
                _ if array.is_null(row) => NULL,
                Some((same, code)) if same == number => code,
                _ => {
                    let code = self.number(number)?;
                    last = Some((number, code));
                    code
                }
            };
            codes.push(code);
        }
        Ok(())
    }

    /// The values of codes.
    fn array(&self, codes: impl Iterator<Item = u32>, data_type: &DataType) -> Result<ArrayRef> {
        let place = |code: u32| (code as usize).checked_sub(1);
        if *data_type == DataType::Utf8 {
            let mut texts = StringBuilder::new();
            codes.for_each(|code| texts.append_option(place(code).map(|at| &self.text_of[at])));
            let texts: StringArray = texts.finish();
            return Ok(Arc::new(texts));
        }
        let numbers: Int64Array = codes.map(|code| place(code).map(|at| self.number_of[at])).collect();
        Ok(cast(&numbers, data_type)?)
    }

    fn bytes(&self) -> usize {
        2 * self.text_bytes + 64 * self.text_of.len() + 40 * self.number_of.len()
    }
}

fn next(code: usize) -> Result<u32> {
    u32::try_from(code).ok().filter(|code| *code < UNSEEN).ok_or_else(too_many)
}

/// Codes of pairs of codes.
#[derive(Debug, Default)]
struct Pairs {
    codes: HashMap<u64, u32>,
    pair_of: Vec<u64>,
}

impl Pairs {
    /// Puts the code of each pair in the place of its first half.
    fn combine(&mut self, firsts: &mut [u32], seconds: &[u32]) -> Result<()> {
        let mut last: Option<(u64, u32)> = None;
        for (first, second) in firsts.iter_mut().zip(seconds) {
            let pair = u64::from(*first) << 32 | u64::from(*second);
            *first = match last {
                Some((same, code)) if same == pair => code,
                _ => {
                    let code = self.code(pair)?;
                    last = Some((pair, code));
                    code
                }
            };
        }
        Ok(())
    }

    fn code(&mut self, pair: u64) -> Result<u32> {
        if let Some(code) = self.codes.get(&pair) {
            return Ok(*code);
        }
        let code = next(self.pair_of.len())?;
        self.pair_of.push(pair);
        self.codes.insert(pair, code);
        Ok(code)
    }
}

/// Rows counted so far.
#[derive(Debug)]
pub(super) struct Tally {
    keys: Vec<Values>,
    /// One less than keys.
    pairs: Vec<Pairs>,
    counts: Vec<i64>,
    scratch: [Vec<u32>; 2],
}

impl Tally {
    pub(super) fn new(keys: usize) -> Self {
        Self {
            keys: (0..keys).map(|_| Values::default()).collect(),
            pairs: (1..keys).map(|_| Pairs::default()).collect(),
            counts: Vec::new(),
            scratch: [Vec::new(), Vec::new()],
        }
    }

    /// Counts the rows of a batch; one array a key.
    pub(super) fn add(&mut self, arrays: &[ArrayRef]) -> Result<()> {
        let [codes, other] = &mut self.scratch;
        let (Some(first), Some(array)) = (self.keys.first_mut(), arrays.first()) else { return Ok(()) };
        first.codes(array, codes)?;
        for ((values, array), pairs) in self.keys.iter_mut().zip(arrays).skip(1).zip(&mut self.pairs) {
            values.codes(array, other)?;
            pairs.combine(codes, other)?;
        }
        let most = codes.iter().max().map_or(0, |most| *most as usize + 1);
        if self.counts.len() < most {
            self.counts.resize(most, 0);
        }
        codes.iter().for_each(|&code| self.counts[code as usize] += 1);
        Ok(())
    }

    /// Memory taken, in bytes, roughly.
    pub(super) fn bytes(&self) -> usize {
        let pairs: usize = self.pairs.iter().map(|p| 32 * p.pair_of.len()).sum();
        self.keys.iter().map(Values::bytes).sum::<usize>() + pairs + 8 * self.counts.len()
    }

    /// Each combination that occurred with its number: one array a key, then the counts.
    pub(super) fn finish(&self, types: &[DataType]) -> Result<(Vec<ArrayRef>, Int64Array)> {
        let found = |(code, count): (usize, &i64)| u32::try_from(code).ok().filter(|_| *count > 0);
        let mut codes: Vec<u32> = self.counts.iter().enumerate().filter_map(found).collect();
        let counts = Int64Array::from_iter_values(codes.iter().map(|&code| self.counts[code as usize]));
        let mut arrays = Vec::with_capacity(types.len());
        for at in (0..self.keys.len()).rev() {
            let own: Vec<u32> = match at.checked_sub(1) {
                None => std::mem::take(&mut codes),
                Some(pairs) => {
                    let pairs = &self.pairs[pairs].pair_of;
                    let (firsts, seconds) = codes.iter().map(|&code| halves(pairs[code as usize])).unzip();
                    codes = firsts;
                    seconds
                }
            };
            arrays.push(self.keys[at].array(own.into_iter(), &types[at])?);
        }
        arrays.reverse();
        Ok((arrays, counts))
    }
}

/// Both fit: they were put together from two of these.
#[allow(clippy::cast_possible_truncation)]
fn halves(pair: u64) -> (u32, u32) {
    ((pair >> 32) as u32, pair as u32)
}
