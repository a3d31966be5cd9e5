//! What the files hold: that they are read at all, that names can stand in a path, and that no change goes without its number.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use super::*;
use crate::auth::hex;

/// Somebody may compare what a release serves with what was kept of the one before. With a change, the number grows and the new hash
/// stands here.
#[test]
fn a_change_of_a_file_raises_its_version() {
    let told = |text: &str| hex(&Sha256::digest(text))[..16].to_owned();
    let found: Vec<(u32, String)> = FILES.iter().zip(TEXTS).map(|(file, text)| (file.version, told(text))).collect();
    let expected = [(1, "5f3e37c035ef2259"), (1, "574b805fc93c87a9")];
    assert_eq!(found, expected.map(|(version, hash)| (version, hash.to_owned())));
}

#[test]
fn names_are_unique_and_can_stand_in_a_path() {
    for (kept, file) in [Kept::SavedSearches, Kept::Jobs].into_iter().zip(&*FILES) {
        let names: BTreeSet<&str> = file.entries.iter().map(|entry| kept.name(entry)).collect();
        assert_eq!(names.len(), file.entries.len(), "{kept:?}");
        for name in names {
            assert!(!name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{name}");
        }
    }
}

/// A client that sees an enabled alert relies on it.
#[test]
fn no_alert_says_that_something_watches_it() {
    for alert in &FILES[1].entries {
        assert_eq!((&alert["type"], &alert["status"]), (&json!("Alert"), &json!("DISABLED")));
        assert_eq!((&alert["state"], &alert["configuration"]["notificationList"]), (&json!("Disabled"), &json!([])));
        let query = &alert["configuration"]["queryList"][0];
        let text = query["query"].as_str().unwrap();
        // Each variable of the text that people are shown is a column of the query.
        for note in alert["configuration"]["annotations"].as_array().unwrap() {
            if let Some(column) = note["value"].as_str().unwrap().strip_prefix("${") {
                let column = column.trim_end_matches('}');
                assert!(text.contains(column), "{column} in {text}");
            }
        }
    }
}
