//! `innertrail alerts list`.

use anyhow::anyhow;
use innertrail_alerts::{Bundle, Rule};
use innertrail_query::terminal_safe;
use serde_json::{Value, json};

use super::super::args::{AlertsListArgs, Format};
use super::super::{Failure, Outcome, json_safe, print};
use super::load;

pub(super) fn run(args: &AlertsListArgs) -> Outcome {
    let loaded = load::load(&args.rules)?;
    let mut rules: Vec<&Rule> = Vec::new();
    for name in &args.names {
        let rule = loaded.set.find(name).ok_or_else(|| {
            Failure::Usage(anyhow!("there is no rule `{}`; `innertrail alerts list` names all", terminal_safe(name)))
        })?;
        rules.push(rule);
    }
    if args.names.is_empty() {
        rules.extend(loaded.set.firing());
        rules.sort_by_key(|rule| (&rule.category, std::cmp::Reverse(rule.level), &rule.name));
    }
    let text = match (args.format, args.names.is_empty()) {
        (Format::Json, _) => json_safe(&format!("{:#}", document(&loaded.bundles, &rules, &loaded.faults))),
        (Format::Text, true) => table(&rules),
        (Format::Text, false) => rules.iter().map(|rule| whole(rule)).collect::<Vec<_>>().join("\n"),
    };
    print(&text)?;
    Ok(super::broken(&loaded.faults))
}

fn document(bundles: &[Bundle], rules: &[&Rule], faults: &[innertrail_alerts::Fault]) -> Value {
    let packs: Vec<_> = bundles.iter().filter_map(|bundle| bundle.manifest.as_ref()).collect();
    json!({
        "packs": packs,
        "rules": rules.iter().map(|rule| one(rule)).collect::<Vec<_>>(),
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
    })
}

fn table(rules: &[&Rule]) -> String {
    let width =
        |text: fn(&Rule) -> &str| rules.iter().map(|rule| text(rule).chars().count().min(40)).max().unwrap_or(0);
    let (name, category) = (width(|rule| &rule.name), width(|rule| &rule.category));
    let mut out = String::new();
    for rule in rules {
        let cells = [&rule.category, rule.level.name(), &rule.name, &rule.title].map(terminal_safe);
        out += &format!("{:category$}  {:<13}  {:name$}  {}\n", cells[0], cells[1], cells[2], cells[3]);
    }
    out + &format!("{} rules\n", rules.len())
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
