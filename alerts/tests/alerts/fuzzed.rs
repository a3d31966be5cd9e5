//! The bodies of the fuzz targets, with made bytes: sound rules, damaged in places.

use innertrail_alerts::Bundle;
use proptest::prelude::*;

#[path = "../fuzz_bodies.rs"]
mod bodies;

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_rule_is_read_to_an_end(
        which in 0..1000_usize,
        at in 0..10_000_usize,
        cut in 0..12_usize,
        with in prop_oneof!["[ -~]{0,6}", "[\\[\\]{}:\\-'\"|*&%\n ]{0,6}", "\\PC{0,3}"],
    ) {
        let bundle = Bundle::built_in();
        let files: Vec<&str> = bundle.rules().iter().chain(&bundle.fixtures()).map(|(_, text)| *text).collect();
        let mut text: Vec<char> = files[which % files.len()].chars().collect();
        let at = at % text.len();
        let end = (at + cut).min(text.len());
        text.splice(at..end, with.chars());
        bodies::rules(text.into_iter().collect::<String>().as_bytes());
    }

    #[test]
    fn any_bytes_are_read_to_an_end(data in prop::collection::vec(any::<u8>(), 0..200)) {
        bodies::rules(&data);
    }
}
