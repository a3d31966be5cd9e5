//! The body of the fuzz target for the search grammar. It must hold for any bytes: it may panic on a fault only.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub)]

use innertrail_search as search;
use search::Error;

/// What is a search has a normal form that is the same search; what is none has an error with its place.
pub fn search_grammar(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match search::parse(text) {
        Ok(found) => {
            let normal = found.to_string();
            let again = search::parse(&normal).unwrap_or_else(|e| panic!("{text:?} became {normal:?}: {e}"));
            assert_eq!(again, found, "{text:?} became {normal:?}");
        }
        Err(Error::Fault { at, .. }) => {
            let lines = text.matches('\n').count() as u64 + 1;
            assert!((1..=lines).contains(&at.line) && at.column >= 1, "{text:?}: {at}");
        }
        Err(Error::TooLarge { .. }) => assert!(text.len() > search::MAX_BYTES),
    }
}

/// Seeds and mutations of them, on every build.
#[test]
fn the_grammar_holds_for_any_bytes() {
    let seeds = [
        "a* and not b or (c d?e) not #\"f g\"",
        "userIdentity.type:ram-user and eventName:\"a \\\" b\" and x in [100 200)",
        "__tag__:k:v source:1 it_time >= \"2027-01-15T08:00:00Z\" y < -1.50 z:\"\" w:*",
        "sort \"limit\" \\* 存储 \u{feff}",
    ];
    let signs = [
        "\"", "\\", "(", ")", "[", "]", ":", "*", "?", "#", "|", " and ", " not ", " or ", " in ", "<", ">=", "=", "é",
        "\n",
    ];
    let mut random = 1u64;
    let mut next = |below: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % below.max(1)
    };
    for seed in seeds {
        search_grammar(seed.as_bytes());
        for _ in 0..3_000 {
            let mut chars: Vec<char> = seed.chars().collect();
            for _ in 0..=next(4) {
                let at = next(chars.len() + 1);
                match next(2) {
                    0 if at < chars.len() => drop(chars.remove(at)),
                    _ => drop(chars.splice(at..at, signs[next(signs.len())].chars())),
                }
            }
            search_grammar(chars.into_iter().collect::<String>().as_bytes());
        }
    }
}

/// Fuzzing found a search of a word of 64 characters, one of them a `#`: its normal form has a backslash in front of that, which
/// counted, so the normal form of what was a search was none. Characters count as they are meant.
#[test]
fn a_backslash_does_not_make_a_word_too_long() {
    let longest = format!("m#{}*", "n".repeat(61));
    assert_eq!(longest.chars().count(), 64);
    search_grammar(longest.as_bytes());
    assert!(search::parse(&longest.replace('#', "\\#")).is_ok());
    let Err(Error::Fault { fault, .. }) = search::parse(&format!("{longest}x")) else { panic!("65 are too many") };
    assert!(fault.to_string().contains("the term has 65 characters"), "{fault}");
}

/// Fuzzing found a field named `__tag__`, written with a backslash and so no beginning of a tag. Its normal form was written without one, and
/// took the value for a tag's name.
#[test]
fn a_field_named_as_tags_begin_stays_a_field() {
    search_grammar(br"__t\ag__:ka*");
    let found = search::parse(r"__t\ag__:ka*").unwrap().to_string();
    assert_eq!(found, "\"__tag__\":ka*");
}

/// Fuzzing found a comparison with a tag, whose name must be quoted there. Its normal form was not.
#[test]
fn a_tag_that_is_compared_stays_quoted() {
    for search in ["\"__tag__:n\" >= 5", "\"__tag__:n\" in [1 2)"] {
        search_grammar(search.as_bytes());
        assert_eq!(search::parse(search).unwrap().to_string(), search);
    }
    assert_eq!(search::parse("\"__tag__:n\":v").unwrap().to_string(), "__tag__:n:v");
}
