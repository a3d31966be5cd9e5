//! `innertrail alerts list`.

use anyhow::anyhow;
use innertrail_alerts::{Bundle, Level, Rule, Scheduled};
use innertrail_query::terminal_safe;
use serde_json::{Value, json};

use super::super::args::{AlertsListArgs, Format};
use super::super::{Failure, Outcome, json_safe, print};
use super::load;

pub(super) fn run(args: &AlertsListArgs) -> Outcome {
    let loaded = load::load(&args.rules)?;
    let scheduled = loaded.set.scheduled();
    let mut rules: Vec<Any<'_>> = Vec::new();
    for name in &args.names {
        let of_records = loaded.set.find(name).map(Any::Of);
        let rule = of_records.or_else(|| scheduled.iter().find(|rule| rule.name == *name).map(Any::Asks));
        rules.push(rule.ok_or_else(|| {
            Failure::Usage(anyhow!("there is no rule `{}`; `innertrail alerts list` names all", terminal_safe(name)))
        })?);
    }
    if args.names.is_empty() {
        rules.extend(loaded.set.firing().map(Any::Of));
        rules.extend(scheduled.iter().map(Any::Asks));
        rules.sort_by_key(|rule| (rule.category().to_owned(), std::cmp::Reverse(rule.level()), rule.name().to_owned()));
    }
    let text = match (args.format, args.names.is_empty()) {
        (Format::Json, _) => json_safe(&format!("{:#}", document(&loaded.bundles, &rules, &loaded.faults))),
        (Format::Text, true) => table(&rules),
        (Format::Text, false) => rules.iter().map(Any::whole).collect::<Vec<_>>().join("\n"),
    };
    print(&text)?;
    Ok(super::broken(&loaded.faults))
}

/// A rule of either kind.
#[derive(Clone, Copy)]
enum Any<'a> {
    /// One over records.
    Of(&'a Rule),
    /// One that asks.
    Asks(&'a Scheduled),
}

impl Any<'_> {
    fn name(&self) -> &str {
        match self {
            Self::Of(rule) => &rule.name,
            Self::Asks(rule) => &rule.name,
        }
    }

    fn category(&self) -> &str {
        match self {
            Self::Of(rule) => &rule.category,
            Self::Asks(rule) => &rule.category,
        }
    }

    fn level(&self) -> Level {
        match self {
            Self::Of(rule) => rule.level,
            Self::Asks(rule) => rule.level,
        }
    }

    fn title(&self) -> String {
        let (title, is_disabled) = match self {
            Self::Of(rule) => (&rule.title, rule.is_disabled),
            Self::Asks(rule) => (&rule.title, rule.is_disabled),
        };
        if is_disabled { format!("{title} (switched off)") } else { title.clone() }
    }

    fn one(&self) -> Value {
        match self {
            Self::Of(rule) => one(rule),
            Self::Asks(rule) => asks(rule),
        }
    }

    fn whole(&self) -> String {
        match self {
            Self::Of(rule) => whole(rule),
            Self::Asks(rule) => whole_asks(rule),
        }
    }
}

fn document(bundles: &[Bundle], rules: &[Any<'_>], faults: &[innertrail_alerts::Fault]) -> Value {
    let packs: Vec<_> = bundles.iter().filter_map(|bundle| bundle.manifest.as_ref()).collect();
    json!({
        "packs": packs,
        "rules": rules.iter().map(Any::one).collect::<Vec<_>>(),
        "broken": faults,
    })
}

/// A rule as JSON.
pub(crate) fn one(rule: &Rule) -> Value {
    json!({
        "name": rule.name,
        "id": rule.id,
        "title": rule.title,
        "version": rule.version,
        "category": rule.category,
        "level": rule.level,
        "severity": rule.level.severity(),
        "service": rule.service,
        "condition": rule.condition(),
        "description": rule.description,
        "remedy": rule.remedy,
        "falsepositives": rule.false_positives,
        "parameters": rule.parameters.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
        "file": rule.file,
        "disabled": rule.is_disabled,
    })
}

fn asks(rule: &Scheduled) -> Value {
    json!({
        "name": rule.name,
        "id": rule.id,
        "title": rule.title,
        "version": rule.version,
        "category": rule.category,
        "level": rule.level,
        "severity": rule.level.severity(),
        "schedule": rule.schedule.told(),
        "store": rule.store,
        "query": rule.queries.iter().map(|query| &query.text).collect::<Vec<_>>(),
        "window_seconds": rule.window,
        "condition": rule.condition(),
        "no_data": rule.no_data.name(),
        "silence_seconds": rule.silence,
        "recovery": rule.recovery,
        "description": rule.description,
        "remedy": rule.remedy,
        "falsepositives": rule.false_positives,
        "file": rule.file,
        "disabled": rule.is_disabled,
    })
}

fn table(rules: &[Any<'_>]) -> String {
    let width = |text: for<'a> fn(&'a Any<'a>) -> &'a str| {
        rules.iter().map(|rule| text(rule).chars().count().min(40)).max().unwrap_or(0)
    };
    let (name, category) = (width(|rule| rule.name()), width(|rule| rule.category()));
    let mut out = String::new();
    for rule in rules {
        let cells = [rule.category(), rule.level().name(), rule.name(), &rule.title()].map(terminal_safe);
        out += &format!("{:category$}  {:<13}  {:name$}  {}\n", cells[0], cells[1], cells[2], cells[3]);
    }
    let asking = rules.iter().filter(|rule| matches!(rule, Any::Asks(_))).count();
    let asking = if asking > 0 { format!(", {asking} of them scheduled") } else { String::new() };
    out + &format!("{} rules{asking}\n", rules.len())
}

fn whole_asks(rule: &Scheduled) -> String {
    let level = format!("{} ({})", rule.level.name(), rule.level.severity());
    let (version, schedule, condition) = (rule.version.to_string(), rule.schedule.told(), rule.condition());
    let window = format!("{} s, ending {} s before it is due", rule.window, rule.delay);
    let silence = rule.silence.map_or_else(|| "while it goes on".to_owned(), |seconds| format!("{seconds} s"));
    let mut lines = vec![
        ("rule", rule.name.as_str()),
        ("title", &rule.title),
        ("id", &rule.id),
        ("version", &version),
        ("category", &rule.category),
        ("level", &level),
        ("looks at", rule.store.name()),
        ("when", &schedule),
        ("window", &window),
    ];
    lines.extend(rule.queries.iter().map(|query| ("query", query.text.as_str())));
    lines.extend([
        ("condition", condition.as_str()),
        ("no data", rule.no_data.name()),
        ("silent for", &silence),
        ("recovery", if rule.recovery { "told" } else { "not told" }),
        ("what", &rule.description),
        ("remedy", &rule.remedy),
    ]);
    lines.extend(rule.false_positives.iter().map(|text| ("harmless", text.as_str())));
    lines.push(("file", &rule.file));
    let told = |(name, text): (&str, &str)| format!("{name:<10} {}\n", terminal_safe(text));
    lines.into_iter().filter(|(_, text)| !text.is_empty()).map(told).collect()
}

fn whole(rule: &Rule) -> String {
    let level = format!("{} ({})", rule.level.name(), rule.level.severity());
    let version = rule.version.to_string();
    let (service, condition) = (rule.service.name(), rule.condition());
    let mut lines = vec![
        ("rule", rule.name.as_str()),
        ("title", &rule.title),
        ("id", &rule.id),
        ("version", &version),
        ("category", &rule.category),
        ("level", &level),
        ("looks at", service),
        ("condition", &condition),
        ("what", &rule.description),
        ("remedy", &rule.remedy),
    ];
    lines.extend(rule.false_positives.iter().map(|text| ("harmless", text.as_str())));
    let parameters: Vec<String> =
        rule.parameters.iter().map(|(name, values)| format!("{name} = {}", values.join(", "))).collect();
    lines.extend(parameters.iter().map(|text| ("parameter", text.as_str())));
    lines.push(("file", &rule.file));
    let told = |(name, text): (&str, &str)| format!("{name:<10} {}\n", terminal_safe(text));
    lines.into_iter().filter(|(_, text)| !text.is_empty()).map(told).collect()
}
