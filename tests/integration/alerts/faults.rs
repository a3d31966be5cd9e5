//! What goes wrong around rules: broken ones, a damaged memory, folders that are not there.

use std::fs;

use super::scene::{RULES, Scene, did, ids, of};
use crate::harness::{query, run, status};

#[test]
fn a_broken_rule_is_named_with_its_place_and_the_others_are_evaluated() {
    let scene = Scene::new(RULES);
    scene.rule(
        "broken/b.yml",
        &RULES
            .replace("eventName: DeleteBucket", "eventNmae: DeleteBucket")
            .replace("name: mine", "name: b")
            .replace("counted", "b"),
    );
    scene.rule("asks.yml", "title: Asks\nschedule: { every: 5 }\nquery: '*'\nwindow: 5m\n");
    let config = scene.config("", "");
    scene.add("a", [did(9, "DeleteBucket", "alice", 5)]);
    let log = scene.once(&config);
    for place in ["broken/b.yml:4:19: there is no field `eventNmae`", "asks.yml:2:20: `5` is no span of time"] {
        assert!(log.contains(&format!("rules/{place}")), "{place}: {log}");
    }
    assert_eq!(of(&scene.told(), "mine").len(), 1);
    let (text, _) = run(&["status", "--data-dir", scene.data().to_str().unwrap()], 0);
    assert!(text.contains("2 BROKEN") && text.contains("b.yml:4:19"), "{text}");
    let (found, _) = run(&["check", "--config", &config], 1);
    assert!(found.contains("a rule is broken") && found.contains("b.yml:4:19"), "{found}");
    let (found, _) = run(&["doctor", "--config", &config], 1);
    assert!(found.contains("b.yml:4:19") && found.contains("alerts.disable"), "{found}");
    // A folder that is not there is a mistake in the configuration.
    fs::write(&config, fs::read_to_string(&config).unwrap().replace("/rules\"", "/rulez\"")).unwrap();
    let (_, error) = run(&["run", "--once", "--config", &config], 2);
    assert!(error.contains("alerts.rules: ") && error.contains("rulez"), "{error}");
}

/// Damage is no reason not to run, and not to be passed over in silence either.
#[test]
fn a_damaged_memory_is_told_and_evaluation_begins_anew() {
    let scene = Scene::new(RULES);
    let config = scene.config("", "");
    scene.add("a", [did(1, "DeleteBucket", "alice", 1), did(2, "DeleteObject", "alice", 2)]);
    scene.once(&config);
    let first = ids(&scene.told());
    let state = scene.data().join("alerts-state.json");
    let gaps = || {
        let rows = query(&scene.data(), "journal", "SELECT event FROM log WHERE eventName = 'gap' ORDER BY it_seq");
        rows.as_array().unwrap().iter().map(|row| row["event"].to_string()).collect::<Vec<String>>()
    };
    assert!(gaps().is_empty());
    let sound = fs::read_to_string(&state).unwrap();
    for (round, (damage, words)) in [
        (sound.replacen("\"log\":2", "\"log\":1", 1), "its checksum is another one"),
        (String::new(), "its first line is no checksum"),
    ]
    .into_iter()
    .enumerate()
    {
        fs::write(&state, damage).unwrap();
        scene.add(&format!("b{round}"), [did(10 + round, "DeleteBucket", "alice", 100 + round)]);
        let log = scene.once(&config);
        assert!(log.contains("evaluation begins anew at record") && log.contains(words), "{log}");
        let told = scene.told();
        assert_eq!(ids(&told).len(), first.len() + round + 1, "{told:#?}");
        let gaps = gaps();
        assert!(gaps.len() == round + 1 && gaps[round].contains("alerts") && gaps[round].contains(words), "{gaps:?}");
    }
    // The state is sound again.
    scene.add("c", [did(20, "DeleteBucket", "alice", 200)]);
    let log = scene.once(&config);
    assert!(!log.contains("anew"), "{log}");
    assert_eq!(ids(&scene.told()).len(), 4);
    assert_eq!(status(&scene.data())["alerts"]["behind"], 0);
}
