//! A rule that counts records of other rules: `event_count` and `value_count` of Sigma, by key, over a window.
//!
//! Only what can be decided when a record arrives is taken: at least so many. "Fewer than" would need the end of time.

use std::fmt;

use crate::fault::{Flaw, Position, did_you_mean, shown};
use crate::field::Field;
use crate::yaml::{Node, Value};

/// Longest window, seconds: seven days.
const LONGEST: u32 = 7 * 86_400;

/// Highest threshold. A window of one key keeps so many entries for each second.
const HIGHEST: u32 = 100_000;

/// What is counted, by what, over how long.
#[derive(Debug, Clone)]
pub(crate) struct Correlation {
    /// `Some`: different values of this field are counted, rather than records.
    pub(crate) value: Option<(String, Field)>,
    pub(crate) group_by: Vec<(String, Field)>,
    /// Seconds.
    pub(crate) span: u32,
    /// The least number that fires.
    pub(crate) threshold: u32,
}

impl fmt::Display for Correlation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some((field, _)) => write!(f, "{} or more values of {field}", self.threshold)?,
            None => write!(f, "{} or more events", self.threshold)?,
        }
        let fields: Vec<&str> = self.group_by.iter().map(|(name, _)| name.as_str()).collect();
        if !fields.is_empty() {
            write!(f, " by {}", fields.join(", "))?;
        }
        write!(f, " within {}", Span(self.span))
    }
}

/// Seconds as people write them.
pub(crate) struct Span(pub(crate) u32);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            s if s % 86_400 == 0 => write!(f, "{}d", s / 86_400),
            s if s % 3600 == 0 => write!(f, "{}h", s / 3600),
            s if s % 60 == 0 => write!(f, "{}m", s / 60),
            s => write!(f, "{s}s"),
        }
    }
}

/// Names or ids of the rules that are counted, with their places.
type Bases = Vec<(Position, String)>;

impl Correlation {
    /// Reads the value of `correlation`: itself, the rules that it counts, and whether those fire too.
    pub(crate) fn parse(node: &Node) -> Result<(Self, Bases, bool), Flaw> {
        node.only("`correlation`", &["type", "rules", "group-by", "timespan", "condition", "generate"])?;
        let kind = node.required("type", "`correlation`")?;
        let at = |key: &str| node.get(key).map_or(node.at, |n| n.at);
        if !["event_count", "value_count"].contains(&kind) {
            let meant = did_you_mean(kind, ["event_count", "value_count"]);
            let message = format!("{} is not counted here; use event_count or value_count{meant}", shown(kind));
            return Err(Flaw::new(at("type"), message));
        }
        let rules = node.get("rules").ok_or_else(|| Flaw::new(node.at, "`correlation` has no `rules`"))?;
        let bases: Bases = rules.texts("a rule's name")?.into_iter().map(|(at, name)| (at, name.to_owned())).collect();
        if bases.is_empty() {
            return Err(Flaw::new(rules.at, "`rules` is empty"));
        }
        let group_by = match node.get("group-by") {
            Some(fields) => fields.texts("a field")?.into_iter().map(field).collect::<Result<_, _>>()?,
            None => Vec::new(),
        };
        let condition = node.get("condition").ok_or_else(|| Flaw::new(node.at, "`correlation` has no `condition`"))?;
        let (threshold, value) = threshold(condition, kind == "value_count")?;
        let span =
            span(node.required("timespan", "`correlation`")?).map_err(|message| Flaw::new(at("timespan"), message))?;
        let generate = node.get("generate").is_some_and(|n| n.json() == serde_json::json!(true));
        Ok((Self { value, group_by, span, threshold }, bases, generate))
    }
}

fn field((at, name): (Position, &str)) -> Result<(String, Field), Flaw> {
    let field = Field::new(name)
        .map_err(|near| Flaw::new(at, format!("there is no field {}; did you mean `{near}`?", shown(name))))?;
    Ok((name.to_owned(), field))
}

/// The least number that fires, and the field whose values are counted.
fn threshold(node: &Node, of_values: bool) -> Result<(u32, Option<(String, Field)>), Flaw> {
    node.only("the condition of a correlation", &["gte", "gt", "lt", "lte", "eq", "neq", "field"])?;
    let (mut found, mut value) = (None, None);
    for (key, number) in node.map("`condition`")? {
        if key.name == "field" {
            value = Some(field((number.at, number.text("`field`")?))?);
            continue;
        }
        let more = match key.name.as_str() {
            "gte" => 0,
            "gt" => 1,
            _ => {
                let message = "only `gte` and `gt` can be decided when a record arrives";
                return Err(Flaw::new(key.at, message));
            }
        };
        let text = number.text("a threshold")?;
        let least = text.parse::<u32>().ok().and_then(|n| n.checked_add(more)).filter(|n| (1..=HIGHEST).contains(n));
        found = Some(
            least.ok_or_else(|| Flaw::new(number.at, format!("{} is no threshold: 1 to {HIGHEST}", shown(text))))?,
        );
    }
    match (found, of_values, &value) {
        (None, ..) => Err(Flaw::new(node.at, "the condition has no threshold: `gte: 10`")),
        (_, true, None) => Err(Flaw::new(node.at, "`value_count` needs a `field` whose values are counted")),
        (_, false, Some(_)) => Err(Flaw::new(node.at, "`field` belongs to `value_count`")),
        (Some(least), ..) if !matches!(node.value, Value::List(_)) => Ok((least, value)),
        _ => Err(Flaw::new(node.at, "`condition` has to be a mapping")),
    }
}

/// Seconds of `90s`, `15m`, `2h` or `1d`.
pub(crate) fn span(text: &str) -> Result<u32, String> {
    let (number, unit) = text.split_at(text.len() - text.chars().next_back().map_or(0, char::len_utf8));
    let unit = match unit {
        "s" => Some(1),
        "m" => Some(60),
        "h" => Some(3600),
        "d" => Some(86_400),
        _ => None,
    };
    let seconds = number.parse::<u32>().ok().zip(unit).and_then(|(n, unit)| n.checked_mul(unit));
    match seconds {
        Some(seconds) if (1..=LONGEST).contains(&seconds) => Ok(seconds),
        Some(_) => Err(format!("{} is out of bounds: 1s to 7d", shown(text))),
        None => Err(format!("{} is no span of time such as 90s, 15m, 2h or 1d", shown(text))),
    }
}
