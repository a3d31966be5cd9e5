//! What stands behind a call's question mark. It must never take a parameter that the call does not know: a misspelt range would ask for
//! everything.

use innertrail_api::search::TimeRange;
use innertrail_logstore::Store;
use percent_encoding::percent_decode_str;

use crate::Problem;

/// Bytes of a question at the most.
const MAX_QUERY: usize = 16 << 10;
/// A range reaches to here at the most, seconds: year 9999.
const FAR: i64 = 253_402_300_800;

/// Names and values, decoded.
#[derive(Debug, Clone, Default)]
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads a query string, and holds its names against those that the call knows.
    pub(crate) fn read(text: &str, known: &[&str]) -> Result<Self, Problem> {
        let mut read = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decoded(name)?, decoded(value)?);
            if !known.contains(&name.as_str()) {
                let (name, known) = (name.escape_debug().take(60).collect::<String>(), known.join(", "));
                return Err(Problem::parameter(format!("there is no parameter `{name}`; this call knows: {known}")));
            }
            read.push((name, value));
        }
        Ok(Self(read))
    }

    /// The value of a parameter that is given and not empty.
    pub(crate) fn given(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// The question.
    pub(crate) fn query(&self) -> Result<&str, Problem> {
        let query = self.given("q").unwrap_or("*");
        if query.len() > MAX_QUERY {
            return Err(Problem::parameter(format!("q has {} bytes, at most {MAX_QUERY} are taken", query.len())));
        }
        Ok(query)
    }

    /// The store; the dedicated Logstore unless another one is named.
    pub(crate) fn store(&self) -> Result<Store, Problem> {
        let Some(name) = self.given("store") else { return Ok(Store::Log) };
        Store::ALL.into_iter().find(|store| store.name() == name).ok_or_else(|| {
            let names: Vec<&str> = Store::ALL.iter().map(|store| store.name()).collect();
            Problem::parameter(format!("store is one of {}", names.join(", ")))
        })
    }

    /// A number within bounds.
    pub(crate) fn number(&self, name: &str, otherwise: u64, (least, most): (u64, u64)) -> Result<u64, Problem> {
        let Some(text) = self.given(name) else { return Ok(otherwise) };
        let bad = || Problem::parameter(format!("{name} must be a number from {least} to {most}"));
        text.parse().ok().filter(|number| (least..=most).contains(number)).ok_or_else(bad)
    }

    /// From when to when; everything when neither is given.
    pub(crate) fn range(&self, now_us: i64) -> Result<TimeRange, Problem> {
        let from = self.given("from").map_or(Ok(0), |text| moment("from", text, now_us))?;
        let to = self.given("to").map_or(Ok(FAR), |text| moment("to", text, now_us))?;
        if from >= to {
            return Err(Problem::parameter("from must be before to, in seconds UTC"));
        }
        Ok(TimeRange { from_us: from.saturating_mul(1_000_000), to_us: to.saturating_mul(1_000_000) })
    }
}

/// Seconds UTC of `1795392000`, `now` or `-7d`. Now is the end of its second.
fn moment(name: &str, text: &str, now_us: i64) -> Result<i64, Problem> {
    let bad = || Problem::parameter(format!("{name} must be seconds UTC, `now`, or `-7d` with s, m, h or d"));
    let now = now_us.div_euclid(1_000_000).saturating_add(1);
    if text == "now" {
        return Ok(now);
    }
    let unit = |c: char| match c {
        's' => Some(1),
        'm' => Some(60),
        'h' => Some(3_600),
        'd' => Some(86_400),
        _ => None,
    };
    let seconds = match text.strip_prefix('-') {
        Some(before) => {
            let unit = before.chars().next_back().and_then(unit).ok_or_else(bad)?;
            let count: i64 = before[..before.len() - 1].parse().ok().filter(|n| *n >= 0).ok_or_else(bad)?;
            now.saturating_sub(count.saturating_mul(unit))
        }
        None => text.parse().map_err(|_| bad())?,
    };
    Ok(seconds.clamp(0, FAR))
}

fn decoded(text: &str) -> Result<String, Problem> {
    let text = text.replace('+', " ");
    let decoded = percent_decode_str(&text).decode_utf8();
    decoded.map(std::borrow::Cow::into_owned).map_err(|_| Problem::parameter("a parameter is no UTF-8"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_392_000_500_000;

    #[test]
    fn ranges_are_seconds_or_relative_and_nothing_else() {
        let range = |text: &str| Parameters::read(text, &["from", "to"]).and_then(|p| p.range(NOW));
        let seconds = |text: &str| range(text).map(|r| (r.from_us / 1_000_000, r.to_us / 1_000_000)).unwrap();
        assert_eq!(seconds(""), (0, FAR));
        assert_eq!(seconds("from=-2h&to=now"), (1_795_392_001 - 7_200, 1_795_392_001));
        assert_eq!(seconds("from=5&to=99999999999999"), (5, FAR));
        for bad in ["from=yesterday", "from=-h", "from=--1h", "from=-1w", "from=7&to=7", "to=-%C3%A4", "from=1.5"] {
            assert_eq!(range(bad).unwrap_err().status, 400, "{bad}");
        }
    }

    #[test]
    fn what_is_not_known_or_too_long_is_refused_by_name() {
        let read = |text: &str| Parameters::read(text, &["q", "limit", "store"]);
        assert!(read("form=1").unwrap_err().message.contains("`form`"));
        assert_eq!(read("q=a%20+b%22").unwrap().query().unwrap(), "a  b\"");
        assert!(read("q=%ff").is_err());
        assert!(read(&format!("q={}", "a".repeat(MAX_QUERY + 1))).unwrap().query().is_err());
        assert_eq!(read("limit=7").unwrap().number("limit", 1, (1, 9)).unwrap(), 7);
        assert!(read("limit=10").unwrap().number("limit", 1, (1, 9)).is_err());
        assert_eq!(read("store=journal").unwrap().store().unwrap(), Store::Journal);
        assert!(read("store=../log").unwrap().store().is_err());
    }
}
