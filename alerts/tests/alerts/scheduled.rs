//! Scheduled rules: what they read, when they trigger, and what becomes of their groups over time.

use std::collections::BTreeMap;

use innertrail_alerts::{Groups, Level, RuleSet, Schedule, Scheduled, Store, Table, Told};

const RULE: &str = "title: Many
name: many
schedule: { every: 5m }
query: '* | SELECT user, count(*) AS n FROM log GROUP BY user'
window: 15m
group: [user]
trigger: n > 100
severity:
  - { when: n > 1000, level: critical }
silence: 30m
recovery: true
level: low
";

fn load(text: &str) -> Scheduled {
    let (set, faults) = RuleSet::load(&[("many.yml", text)], &BTreeMap::new());
    assert!(faults.is_empty(), "{faults:?}");
    set.scheduled()[0].clone()
}

fn fault(text: &str) -> String {
    let (set, faults) = RuleSet::load(&[("many.yml", text)], &BTreeMap::new());
    assert!(set.scheduled().is_empty() && faults.len() == 1, "{faults:?}");
    faults[0].to_string()
}

fn table(columns: &[&str], rows: &[&[&str]]) -> Table {
    let cell = |text: &&str| (!text.is_empty()).then(|| (*text).to_owned());
    Table {
        columns: columns.iter().map(|c| (*c).to_owned()).collect(),
        rows: rows.iter().map(|row| row.iter().map(cell).collect()).collect(),
    }
}

/// One run; what is told as text.
fn run(rule: &Scheduled, groups: &mut Groups, minute: i64, rows: &[&[&str]]) -> Vec<String> {
    let judged = rule.judge(&[table(&["user", "n"], rows)]).unwrap();
    let told = groups.take(rule, minute * 60, judged).into_iter();
    told.map(|told| match told {
        Told::Fired { group, level, value, .. } => format!("fired {} {} {value:?}", group[0].1, level.name()),
        Told::Resolved { why, .. } => format!("resolved: {why}"),
    })
    .collect()
}

#[test]
fn a_rule_is_read() {
    let rule = load(RULE);
    assert_eq!((rule.name.as_str(), rule.level, rule.store), ("many", Level::Low, Store::Log));
    assert_eq!(rule.schedule, Schedule::Every(300));
    assert_eq!((rule.window, rule.silence, rule.recovery, rule.threshold, rule.rows), (900, Some(1800), true, 1, 1));
    assert_eq!(rule.condition(), "n > 100, by user");
    assert_eq!(rule.window_of(3_600), (2_700, 3_600));
    let at = load(&RULE.replace("every: 5m", "at: ['20:30', '08:00']"));
    assert_eq!(at.schedule.told(), "at 08:00, 20:30 UTC");
}

#[test]
fn what_is_broken_is_named_with_its_place_and_stops_no_other_rule() {
    for (from, to, place, words) in [
        ("every: 5m", "every: 5x", "3:20", "no span of time"),
        ("every: 5m", "evry: 5m", "3:13", "did you mean `every`"),
        ("every: 5m", "at: ['8:00']", "3:18", "no time of the UTC day"),
        ("n > 100", "n >", "7:13", "at the end"),
        ("n > 100", "n ~ 100", "7:12", "no sign"),
        ("n > 1000, level: critical", "n > 1000, level: grave", "9:30", "no level"),
        ("silence: 30m", "silence: 30", "10:10", "no span"),
        ("recovery: true", "recovery: maybe", "11:11", "true or false"),
        ("window: 15m\n", "", "1:1", "no `window`"),
        ("window: 15m", "windw: 15m", "5:1", "did you mean `window`"),
        ("level: low", "no_data: fine", "12:10", "ok, fire or ignore"),
        ("level: low", "threshold: 0", "12:12", "1 to 1000"),
        ("level: low", "store: quarantine", "12:8", "log or journal"),
    ] {
        let told = fault(&RULE.replace(from, to));
        assert!(told.starts_with(&format!("many.yml:{place}: ")) && told.contains(words), "{to}: {told}");
    }
    let (set, faults) = RuleSet::load(&[("a.yml", &RULE.replace("5m", "5x")), ("b.yml", RULE)], &BTreeMap::new());
    assert_eq!((set.scheduled().len(), faults.len()), (1, 1));
    let (set, faults) = RuleSet::load(&[("a.yml", RULE), ("b.yml", RULE)], &BTreeMap::new());
    assert!(set.scheduled().len() == 1 && faults[0].to_string().contains("there is a rule `many` already, in a.yml:1"));
}

#[test]
fn a_group_fires_is_silent_becomes_graver_and_recovers() {
    let rule = load(RULE);
    let mut groups = Groups::new(&rule);
    assert_eq!(run(&rule, &mut groups, 5, &[&["bob", "100"]]), [""; 0]);
    assert_eq!(
        run(&rule, &mut groups, 10, &[&["alice", "101"], &["bob", "3"]]),
        [r#"fired alice low [("user", "alice"), ("n", "101")]"#]
    );
    // Silent while it goes on, but not when it becomes graver, and not beyond the half hour.
    assert_eq!(run(&rule, &mut groups, 15, &[&["alice", "500"]]), [""; 0]);
    assert_eq!(
        run(&rule, &mut groups, 20, &[&["alice", "1001"]]),
        [r#"fired alice critical [("user", "alice"), ("n", "1001")]"#]
    );
    assert_eq!(run(&rule, &mut groups, 45, &[&["alice", "900"]]), [""; 0]);
    assert_eq!(run(&rule, &mut groups, 50, &[&["alice", "900"]]).len(), 1);
    assert_eq!(run(&rule, &mut groups, 55, &[&["bob", "1"]]), ["resolved: it does not trigger any more"]);
    // The silence outlasts the end.
    assert_eq!(run(&rule, &mut groups, 60, &[&["alice", "900"]]), [""; 0]);
    assert_eq!(run(&rule, &mut groups, 80, &[&["alice", "900"]]).len(), 1);
    assert_eq!(groups.open(), 1);
    // What is not there any more is closed.
    assert!(matches!(&groups.close("gone")[..], [Told::Resolved { why, .. }] if why == "gone"));
    assert!(groups.is_empty());
}

#[test]
fn without_silence_it_is_told_once_for_as_long_as_it_goes_on() {
    let rule = load(&RULE.replace("silence: 30m\n", ""));
    let mut groups = Groups::new(&rule);
    let told: Vec<usize> =
        [900, 900, 900, 1, 900].map(|n| run(&rule, &mut groups, 5, &[&["a", &n.to_string()]]).len()).to_vec();
    assert_eq!(told, [1, 0, 0, 1, 1]);
}

#[test]
fn several_runs_in_a_row_are_needed() {
    let rule = load(&RULE.replace("level: low", "threshold: 3"));
    let mut groups = Groups::new(&rule);
    let counts = [900, 900, 1, 900, 900, 900];
    let told: Vec<usize> =
        (1..).zip(counts).map(|(m, n)| run(&rule, &mut groups, m, &[&["a", &n.to_string()]]).len()).collect();
    assert_eq!(told, [0, 0, 0, 0, 0, 1]);
}

#[test]
fn no_data_is_what_the_rule_says() {
    let fired = &[&["a", "900"][..]][..];
    for (word, told) in [("ok", "resolved: it does not trigger any more"), ("ignore", "")] {
        let rule = load(&RULE.replace("level: low", &format!("no_data: {word}")));
        let mut groups = Groups::new(&rule);
        assert_eq!(run(&rule, &mut groups, 5, fired).len(), 1);
        assert_eq!(run(&rule, &mut groups, 10, &[]).join(""), told);
    }
    let rule = load(&RULE.replace("level: low", "no_data: fire"));
    let judged = rule.judge(&[table(&["user", "n"], &[])]).unwrap();
    assert!(judged.triggered.len() == 1 && judged.triggered[0].group.is_empty());
}

#[test]
fn rows_are_counted_and_queries_joined() {
    let rule = load(&RULE.replace("trigger: n > 100", "trigger: { when: n > 100, rows: 2 }"));
    let rows: &[&[&str]] = &[&["a", "101"], &["a", "102"], &["b", "900"], &["b", "1"]];
    let judged = rule.judge(&[table(&["user", "n"], rows)]).unwrap();
    assert_eq!(judged.triggered.iter().map(|t| t.group[0].1.as_str()).collect::<Vec<_>>(), ["a"]);
    let two = "query: ['* | SELECT 1', '* | SELECT 2']";
    let rule = load(
        &RULE
            .replace("query: '* | SELECT user, count(*) AS n FROM log GROUP BY user'", two)
            .replace("trigger: n > 100", "trigger: n > 2 * q2.n or q2.n is null"),
    );
    let first = table(&["user", "n"], &[&["a", "10"], &["b", "10"], &["c", "1"]]);
    let second = table(&["n", "user"], &[&["4", "a"], &["5", "b"]]);
    let judged = rule.judge(&[first.clone(), second]).unwrap();
    assert_eq!(judged.triggered.iter().map(|t| t.group[0].1.as_str()).collect::<Vec<_>>(), ["a", "c"]);
    let error = rule.judge(&[first.clone(), table(&["m", "user"], &[])]).unwrap_err().to_string();
    assert!(error.contains("no column `q2.n`"), "{error}");
    assert!(rule.judge(&[first]).unwrap_err().to_string().contains("1 results for 2 queries"));
    let error = load(RULE).judge(&[table(&["usr", "n"], &[])]).unwrap_err().to_string();
    assert!(error.contains("no column `user`; did you mean `usr`?"), "{error}");
}

/// The story: the state was kept after the entries were durable, the process was killed in between, and the next run, due
/// five minutes later, told the same group again.
#[test]
fn what_the_journal_has_and_the_state_has_not_is_taken_over() {
    let rule = load(RULE);
    let mut groups = Groups::new(&rule);
    let kept = groups.clone();
    let judged = rule.judge(&[table(&["user", "n"], &[&["alice", "900"]])]).unwrap();
    let told = groups.take(&rule, 600, judged.clone());
    let [Told::Fired { alert, group, level, .. }] = &told[..] else { panic!("{told:?}") };
    // The same run again has the same id; with the entry taken over nothing is told.
    let mut again = kept.clone();
    assert_eq!(again.take(&rule, 600, judged), told);
    let mut adopted = kept;
    adopted.adopt(alert, group, *level, 600);
    assert_eq!(adopted.due, Some(600));
    assert_eq!(run(&rule, &mut adopted, 15, &[&["alice", "900"]]), [""; 0]);
    assert_eq!(adopted.due, Some(900));
    adopted.adopt_end(alert);
    assert_eq!(run(&rule, &mut adopted, 20, &[&["bob", "1"]]), [""; 0]);
}

/// The story: one run told two groups, and the process was killed when one of them was in the journal. The run counted as done, and
/// nobody ever heard of the other.
#[test]
fn a_run_of_which_one_group_is_in_the_journal_is_made_again_for_the_other() {
    let rule = load(RULE);
    let mut groups = Groups::new(&rule);
    groups.due = Some(300);
    let kept = groups.clone();
    let judged = rule.judge(&[table(&["user", "n"], &[&["alice", "900"], &["bob", "901"]])]).unwrap();
    let told = groups.take(&rule, 600, judged.clone());
    let [Told::Fired { alert, group, level, .. }, second] = &told[..] else { panic!("{told:?}") };
    let mut adopted = kept;
    adopted.adopt(alert, group, *level, 600);
    assert_eq!(adopted.due, Some(300), "it is due still");
    assert_eq!(&adopted.take(&rule, 600, judged), std::slice::from_ref(second));
}

#[test]
fn what_is_remembered_goes_through_a_file_unchanged() {
    let rule = load(RULE);
    let mut groups = Groups::new(&rule);
    run(&rule, &mut groups, 10, &[&["alice", "101"], &["b\u{1b}\"", "900"]]);
    let text = serde_json::to_string(&groups).unwrap();
    assert_eq!(serde_json::from_str::<Groups>(&text).unwrap(), groups);
}

#[test]
fn a_rule_can_be_switched_off() {
    let (mut set, _) = RuleSet::load(&[("many.yml", RULE)], &BTreeMap::new());
    let faults = set.disable(&["many".to_owned(), "mny".to_owned()]);
    assert!(set.scheduled()[0].is_disabled);
    assert!(faults[0].to_string().contains("did you mean `many`?"), "{faults:?}");
}
