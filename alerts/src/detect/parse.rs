//! From the YAML of a detection to its tests. What Sigma has and this does not is refused by name, never ignored.

use std::collections::BTreeMap;

use super::item::Test;
use super::{Condition, Detection, Item, Search, Selection};
use crate::fault::{Flaw, did_you_mean, shown};
use crate::field::Field;
use crate::pattern::{Number, Pattern, Relation, Where};
use crate::yaml::{Key, Node, Style, Value, is_null};

/// Values of a rule's parameters by name, for `|expand`.
pub(crate) type Parameters = BTreeMap<String, Vec<String>>;

/// Modifiers that are understood.
const MODIFIERS: [&str; 17] = [
    "contains",
    "startswith",
    "endswith",
    "all",
    "re",
    "i",
    "m",
    "s",
    "cased",
    "cidr",
    "exists",
    "gt",
    "gte",
    "lt",
    "lte",
    "fieldref",
    "expand",
];

impl Detection {
    /// Reads the value of `detection`.
    pub(crate) fn parse(node: &Node, parameters: &Parameters) -> Result<Self, Flaw> {
        let entries = node.map("`detection`")?;
        let condition = node.get("condition").ok_or_else(|| Flaw::new(node.at, "`detection` has no `condition`"))?;
        let mut selections = Vec::new();
        for (key, value) in entries.iter().filter(|(key, _)| key.name != "condition" && key.name != "timeframe") {
            selections.push(Selection { name: key.name.clone(), search: search(key, value, parameters)? });
        }
        if let Some((key, _)) = node.entry("timeframe") {
            return Err(Flaw::new(key.at, "`timeframe` is an old form; write a `correlation` rule"));
        }
        if selections.is_empty() {
            return Err(Flaw::new(node.at, "`detection` has no selection"));
        }
        let names: Vec<&str> = selections.iter().map(|s| s.name.as_str()).collect();
        let (condition, text) = conditions(condition, &names)?;
        Ok(Self { selections, condition, text })
    }
}

/// One condition, or a list of which one has to hold.
fn conditions(node: &Node, names: &[&str]) -> Result<(Condition, String), Flaw> {
    let one = |node: &Node| {
        let text = node.text("`condition`")?;
        Condition::parse(text, names).map_err(|(offset, message)| Flaw::new(node.within(offset), message))
    };
    let Value::List(items) = &node.value else {
        return Ok((one(node)?, node.text("`condition`")?.to_owned()));
    };
    if items.is_empty() {
        return Err(Flaw::new(node.at, "`condition` is empty"));
    }
    let parts = items.iter().map(one).collect::<Result<Vec<_>, _>>()?;
    let texts = items.iter().map(|item| item.text("`condition`")).collect::<Result<Vec<_>, _>>()?;
    Ok((Condition::Any(parts), texts.join(" or ")))
}

fn search(key: &Key, node: &Node, parameters: &Parameters) -> Result<Search, Flaw> {
    let groups = match &node.value {
        Value::Map(entries) => vec![group(entries, node, parameters)?],
        Value::List(items) if items.iter().any(|item| matches!(item.value, Value::Map(_))) => {
            items.iter().map(|item| group(item.map("each of these")?, item, parameters)).collect::<Result<_, _>>()?
        }
        Value::List(items) if !items.is_empty() => {
            let word = |item: &Node| Ok(Pattern::text(item.text("a word")?, Where::Anywhere, false));
            return Ok(Search::Words(items.iter().map(word).collect::<Result<_, Flaw>>()?));
        }
        _ => {
            let message = format!("the selection {} has to be a mapping or a list that is not empty", shown(&key.name));
            return Err(Flaw::new(node.at, message));
        }
    };
    Ok(Search::Groups(groups))
}

fn group(entries: &[(Key, Node)], node: &Node, parameters: &Parameters) -> Result<Vec<Item>, Flaw> {
    if entries.is_empty() {
        return Err(Flaw::new(node.at, "this selects everything: name a field"));
    }
    let items = entries.iter().map(|(key, value)| Item::parse(key, value, parameters));
    let mut items = items.collect::<Result<Vec<_>, _>>()?;
    // What is answered without opening the raw event comes first; `and` does not mind.
    items.sort_by_key(|item| !item.field.is_column());
    Ok(items)
}

/// The modifiers of a key, in order.
struct Modifiers<'a>(Vec<&'a str>);

impl Modifiers<'_> {
    fn has(&self, name: &str) -> bool {
        self.0.contains(&name)
    }

    /// The one of these that is there; two are a contradiction.
    fn one_of(&self, names: &[&str], key: &Key) -> Result<Option<&str>, Flaw> {
        let found: Vec<&str> = self.0.iter().copied().filter(|m| names.contains(m)).collect();
        match found[..] {
            [] => Ok(None),
            [only] => Ok(Some(only)),
            [one, two, ..] => Err(Flaw::new(key.at, format!("`{one}` and `{two}` contradict each other"))),
        }
    }
}

impl Item {
    fn parse(key: &Key, node: &Node, parameters: &Parameters) -> Result<Self, Flaw> {
        let mut parts = key.name.split('|');
        let name = parts.next().unwrap_or_default();
        if name.is_empty() {
            return Err(Flaw::new(key.at, "a field has no name"));
        }
        let modifiers = Modifiers(parts.collect());
        let mut offset = name.chars().count() + 1;
        for modifier in &modifiers.0 {
            if !MODIFIERS.contains(modifier) {
                let at = crate::fault::Position { line: key.at.line, column: key.at.column + offset };
                let meant = did_you_mean(modifier, MODIFIERS);
                return Err(Flaw::new(at, format!("there is no modifier {}{meant}", shown(modifier))));
            }
            offset += modifier.chars().count() + 1;
        }
        let field = Field::new(name)
            .map_err(|near| Flaw::new(key.at, format!("there is no field {}; did you mean `{near}`?", shown(name))))?;
        let values = values(node, key)?;
        let wanted = expand(&values, &modifiers, parameters)?;
        let test = test(key, node, &modifiers, &wanted)?;
        let wanted =
            wanted.into_iter().map(|value| if value.is_null { "null".to_owned() } else { value.text }).collect();
        Ok(Self { field, key: key.name.clone(), wanted, test })
    }
}

/// A value of a rule with its place.
struct Wanted {
    at: crate::fault::Position,
    text: String,
    is_null: bool,
}

fn values(node: &Node, key: &Key) -> Result<Vec<Wanted>, Flaw> {
    let one = |node: &Node| match &node.value {
        Value::Scalar { text, style } => {
            Ok(Wanted { at: node.at, text: text.clone(), is_null: *style == Style::Plain && is_null(text) })
        }
        _ => Err(Flaw::new(
            node.at,
            format!("the value of {} has to be a text, a number or a list of them", shown(&key.name)),
        )),
    };
    match &node.value {
        Value::List(items) if items.is_empty() => {
            Err(Flaw::new(node.at, format!("{} has no value, so it can never match", shown(&key.name))))
        }
        Value::List(items) => items.iter().map(one).collect(),
        _ => Ok(vec![one(node)?]),
    }
}

/// Puts the values of parameters in the place of `%name%`.
fn expand(values: &[Wanted], modifiers: &Modifiers<'_>, parameters: &Parameters) -> Result<Vec<Wanted>, Flaw> {
    let mut found = Vec::new();
    for value in values {
        let name = value.text.strip_prefix('%').and_then(|rest| rest.strip_suffix('%'));
        match name {
            Some(name) if modifiers.has("expand") => {
                let Some(list) = parameters.get(name) else {
                    let meant = did_you_mean(name, parameters.keys().map(String::as_str));
                    return Err(Flaw::new(value.at, format!("the rule has no parameter {}{meant}", shown(name))));
                };
                found.extend(list.iter().map(|text| Wanted { at: value.at, text: text.clone(), is_null: false }));
            }
            None if modifiers.has("expand") => {
                return Err(Flaw::new(value.at, "`expand` wants the name of a parameter, such as '%countries%'"));
            }
            _ => found.push(Wanted { at: value.at, text: value.text.clone(), is_null: value.is_null }),
        }
    }
    Ok(found)
}

fn test(key: &Key, node: &Node, modifiers: &Modifiers<'_>, wanted: &[Wanted]) -> Result<Test, Flaw> {
    const KINDS: [&str; 10] = ["contains", "startswith", "endswith", "re", "cidr", "exists", "gt", "gte", "lt", "lte"];
    let kind = modifiers.one_of(&KINDS, key)?;
    if modifiers.has("fieldref") {
        return related(key, node, kind, wanted, modifiers.has("cased"));
    }
    if kind != Some("re")
        && let Some(flag) = ["i", "m", "s"].into_iter().find(|flag| modifiers.has(flag))
    {
        return Err(Flaw::new(key.at, format!("`{flag}` belongs to `re`")));
    }
    let cased = modifiers.has("cased");
    match kind {
        Some("exists") => match wanted {
            [Wanted { text, .. }] if text == "true" || text == "false" => Ok(Test::Exists(text == "true")),
            _ => Err(Flaw::new(node.at, "`exists` is true or false")),
        },
        _ => {
            let patterns =
                wanted.iter().map(|value| pattern(kind, modifiers, value, cased)).collect::<Result<_, _>>()?;
            Ok(if modifiers.has("all") { Test::All(patterns) } else { Test::Any(patterns) })
        }
    }
}

/// `fieldref`: held against another field of the same record.
fn related(key: &Key, node: &Node, kind: Option<&str>, wanted: &[Wanted], cased: bool) -> Result<Test, Flaw> {
    let [Wanted { text, at, .. }] = wanted else { return Err(Flaw::new(node.at, "`fieldref` names one field")) };
    let other = Field::new(text)
        .map_err(|near| Flaw::new(*at, format!("there is no field {}; did you mean `{near}`?", shown(text))))?;
    match kind {
        None => Ok(Test::Same { other, cased }),
        Some(kind) => match relation(kind) {
            Some(relation) => Ok(Test::Related { other, relation }),
            None => Err(Flaw::new(key.at, format!("`{kind}` and `fieldref` do not go together"))),
        },
    }
}

fn relation(kind: &str) -> Option<Relation> {
    match kind {
        "gt" => Some(Relation::Greater),
        "gte" => Some(Relation::AtLeast),
        "lt" => Some(Relation::Less),
        "lte" => Some(Relation::AtMost),
        _ => None,
    }
}

fn pattern(kind: Option<&str>, modifiers: &Modifiers<'_>, value: &Wanted, cased: bool) -> Result<Pattern, Flaw> {
    let Wanted { at, text, is_null } = value;
    let wrong = |message: String| Flaw::new(*at, message);
    if *is_null {
        return match kind {
            None => Ok(Pattern::Null),
            Some(kind) => Err(wrong(format!("`{kind}` wants a value, not null"))),
        };
    }
    let number = |relation| match Number::parse(text) {
        Some(number) => Ok(Pattern::Number(relation, number)),
        None => Err(wrong(format!("{} is no number", shown(text)))),
    };
    match kind {
        None => Ok(Pattern::text(text, Where::Whole, cased)),
        Some("contains") => Ok(Pattern::text(text, Where::Anywhere, cased)),
        Some("startswith") => Ok(Pattern::text(text, Where::Start, cased)),
        Some("endswith") => Ok(Pattern::text(text, Where::End, cased)),
        Some("re") => Pattern::regex(text, &flags(modifiers))
            .map_err(|error| wrong(format!("not a regular expression: {}", crate::fault::escaped(&error)))),
        Some("cidr") => {
            Pattern::network(text).ok_or_else(|| wrong(format!("{} is no network such as 10.0.0.0/8", shown(text))))
        }
        Some(other) => match relation(other) {
            Some(relation) => number(relation),
            None => Err(wrong(format!("`{other}` cannot stand here"))),
        },
    }
}

/// The flags of a regular expression.
fn flags(modifiers: &Modifiers<'_>) -> String {
    modifiers.0.iter().filter(|m| ["i", "m", "s"].contains(m)).copied().collect()
}
