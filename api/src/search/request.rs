//! The parameters of a search, from a body of JSON or from the address, checked.
//! It must never trust a number: what is out of bounds is refused with its name.

use serde_json::Value;

use super::engine::{PageOf, TimeRange};
use crate::{ApiError, Parameters};

/// Rows of a page at the most.
const MAX_LINE: i64 = 100;
const NANOS: i64 = 1_000_000_000;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) query: String,
    pub(super) topic: Option<String>,
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) range: TimeRange,
    pub(super) power_sql: bool,
}

/// The members of a JSON object as parameters. Values of values are nobody's.
pub(super) fn of_json(body: &[u8]) -> Result<Parameters, ApiError> {
    let bad = |message: String| ApiError::new(400, "PostBodyInvalid", message);
    let document: Value = serde_json::from_slice(body)
        .map_err(|e| bad(format!("the body is no JSON object: {e}; send {{\"from\":…,\"to\":…}}")))?;
    let Value::Object(members) = document else { return Err(bad("the body is JSON, but no object".into())) };
    let text = |value: Value| match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    };
    Ok(Parameters::new(members.into_iter().filter_map(|(name, value)| Some((name, text(value)?))).collect()))
}

impl Asked {
    pub(super) fn of(parameters: &Parameters) -> Result<Self, ApiError> {
        let required = |name: &str| {
            let value = integer(parameters, name, "ParameterInvalid")?;
            value.ok_or_else(|| {
                ApiError::parameter(format!("the parameter {name} is missing; it is in seconds since 1970"))
            })
        };
        let (from, to) = (required("from")?, required("to")?);
        let range = TimeRange {
            from_us: micros(from, part(parameters, "fromNs")?),
            to_us: micros(to, part(parameters, "toNs")?),
        };
        if range.from_us >= range.to_us {
            let message = format!("from ({from}) must be before to ({to})");
            return Err(ApiError::new(400, "InvalidTimeRange", message));
        }
        let power_sql = truth(parameters, "powerSql", "ParameterInvalid")?;
        let text = |name: &str| parameters.given(name).map(str::to_owned);
        Ok(Self { query: text("query").unwrap_or_default(), topic: text("topic"), from, to, range, power_sql })
    }
}

/// Page of a search. With SQL, `LIMIT` rules instead, and these are not looked at.
pub(super) fn page(parameters: &Parameters) -> Result<PageOf, ApiError> {
    let line = integer(parameters, "line", "InvalidLine")?.unwrap_or(MAX_LINE);
    let rows = usize::try_from(line).ok().filter(|_| line <= MAX_LINE).ok_or_else(|| {
        ApiError::new(400, "InvalidLine", format!("line is {line}, but a page has from 0 to {MAX_LINE} logs"))
    })?;
    let offset = integer(parameters, "offset", "InvalidOffset")?.unwrap_or(0);
    let offset = u64::try_from(offset)
        .map_err(|_| ApiError::new(400, "InvalidOffset", format!("offset is {offset}, but must not be negative")))?;
    Ok(PageOf { offset, rows, newest_first: truth(parameters, "reverse", "InvalidReverse")? })
}

/// A whole number; `None` where there is none.
pub(super) fn integer(parameters: &Parameters, name: &str, code: &'static str) -> Result<Option<i64>, ApiError> {
    let Some(text) = parameters.given(name) else { return Ok(None) };
    let number = text.trim().parse().map_err(|_| {
        let shown: String = text.chars().take(32).collect();
        ApiError::new(400, code, format!("{name} is {shown:?}, which is no whole number of 64 bits"))
    });
    number.map(Some)
}

fn truth(parameters: &Parameters, name: &str, code: &'static str) -> Result<bool, ApiError> {
    match parameters.given(name).map(|text| text.trim().to_ascii_lowercase()).as_deref() {
        None | Some("false" | "0" | "none" | "null") => Ok(false),
        Some("true" | "1") => Ok(true),
        Some(_) => Err(ApiError::new(400, code, format!("{name} must be true or false"))),
    }
}

/// The nanoseconds behind a second.
fn part(parameters: &Parameters, name: &str) -> Result<i64, ApiError> {
    // Clients that have none send `None` or nothing.
    let none = parameters.given(name).is_some_and(|text| matches!(text, "None" | "null"));
    let nanos = if none { None } else { integer(parameters, name, "ParameterInvalid")? }.unwrap_or(0);
    if (0..NANOS).contains(&nanos) {
        return Ok(nanos);
    }
    Err(ApiError::parameter(format!("{name} is {nanos}, but must be from 0 to 999999999")))
}

/// The first microsecond that is not before this time.
fn micros(seconds: i64, nanos: i64) -> i64 {
    seconds.saturating_mul(1_000_000).saturating_add((nanos + 999) / 1_000)
}
