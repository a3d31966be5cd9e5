//! The grammar: normal forms, and every fault with its place. It must never need a store.
#![allow(clippy::unwrap_used)]

mod fuzz_bodies;

use innertrail_search::{Error, Node, Position, parse};
use proptest::prelude::*;

fn normal(text: &str) -> String {
    parse(text).unwrap_or_else(|e| panic!("{text}: {e}")).to_string()
}

/// Every statement gives its normal form, and the normal form itself.
#[test]
fn statements_have_a_normal_form() {
    for (text, expected) in [
        ("", "*"),
        (" \t\n", "*"),
        ("*", "*"),
        ("**", "*"),
        ("PutObject", "PutObject"),
        ("\"PutObject\"", "PutObject"),
        ("Put*", "Put*"),
        ("P?t*ct", "P?t*ct"),
        ("P**t", "P*t"),
        ("\"Put*\"", "\"Put*\""),
        (r"Put\*", "\"Put*\""),
        (r"a\:b\ c*", r"a\:b\ c*"),
        (r#""say \"hi\"""#, r#""say \"hi\"""#),
        (r#""C:\new""#, r#""C:\\new""#),
        ("bucket-1/a.b@c", "bucket-1/a.b@c"),
        ("/a", "\"/a\""),
        ("存储桶", "存储桶"),
        ("#\"access denied\"", "#\"access denied\""),
        // Joining.
        ("a b", "a and b"),
        ("a and b", "a and b"),
        ("a AND b Or c", "(a and b) or c"),
        ("a or b and c", "a or (b and c)"),
        ("a or b c", "a or (b and c)"),
        ("(a or b) c", "(a or b) and c"),
        ("a (b or c)", "a and (b or c)"),
        ("a and (b and c)", "a and b and c"),
        ("a or (b or c)", "a or b or c"),
        ("((a))", "a"),
        // `not` binds weaker than `and`, stronger than `or`.
        ("not a", "not a"),
        ("NOT a", "not a"),
        ("not a and b", "not (a and b)"),
        ("not a b", "not (a and b)"),
        ("not a or b", "(not a) or b"),
        ("(not a) and b", "(not a) and b"),
        ("a not b", "a and (not b)"),
        ("a and not b", "a and (not b)"),
        ("a not b and c", "a and (not (b and c))"),
        ("a not b not c", "a and (not b) and (not c)"),
        ("a and not b and not c", "a and (not b) and (not c)"),
        ("not not a", "not (not a)"),
        ("not a not b", "(not a) and (not b)"),
        ("a not b or c", "(a and (not b)) or c"),
        ("e:Put* not u:root or \"x y\"", "(e:Put* and (not u:root)) or \"x y\""),
        // Fields.
        ("eventName:PutObject", "eventName:PutObject"),
        ("eventName : PutObject", "eventName:PutObject"),
        ("\"event Name\":x", "\"event Name\":x"),
        ("event.userIdentity.type:root", "event.userIdentity.type:root"),
        ("a:x b:y", "a:x and b:y"),
        ("a:x or b:y c:z", "a:x or (b:y and c:z)"),
        ("not a:x and b:y", "not (a:x and b:y)"),
        ("a:\"x y\"", "a:\"x y\""),
        ("a:\"*\"", "a:\"*\""),
        ("a:\"arn:acs\"", "a:\"arn:acs\""),
        ("a:#\"x y\"", "a:#\"x y\""),
        ("a:Put*", "a:Put*"),
        ("a:*", "a:*"),
        ("not a:*", "not a:*"),
        ("a:\"\"", "a:\"\""),
        ("source:x", "__source__:x"),
        ("__source__:x", "__source__:x"),
        ("\"source\":x", "\"source\":x"),
        ("__topic__:t", "__topic__:t"),
        ("__tag__:host:h1", "__tag__:host:h1"),
        ("__tag__:\"a b\":h1", "__tag__:\"a b\":h1"),
        ("__tag__:host:*", "__tag__:host:*"),
        // Numbers and times.
        ("n > 5", "n > 5"),
        ("n>=5 n<7", "n >= 5 and n < 7"),
        ("n<=-1.50", "n <= -1.50"),
        ("n = 9223372036854775807", "n = 9223372036854775807"),
        ("n in [100 200)", "n in [100 200)"),
        ("n in (100 200]", "n in (100 200]"),
        ("n in [1 2] x", "n in [1 2] and x"),
        ("t >= \"2027-01-15T08:00:00Z\"", "t >= \"2027-01-15T08:00:00Z\""),
        ("t in [2027-01-15 2027-01-16)", "t in [\"2027-01-15\" \"2027-01-16\")"),
        // Reserved words, quoted.
        ("\"sort\" \"group by\" \"LIMIT\"", "\"sort\" and \"group by\" and \"LIMIT\""),
        ("group", "\"group\""),
        ("a:\"max\"", "a:\"max\""),
        ("\"and\" \"in\" \"select\"", "\"and\" and \"in\" and \"select\""),
        ("IN", "\"IN\""),
    ] {
        assert_eq!(normal(text), expected, "{text}");
        assert_eq!(normal(expected), expected, "{text}");
        assert_eq!(parse(expected).unwrap(), parse(text).unwrap(), "{text}");
    }
}

#[test]
fn every_fault_has_its_place() {
    let long = "x".repeat(65);
    let many = "a ".repeat(31);
    let deep = "(".repeat(51) + "a";
    let nots = "not ".repeat(60) + "a";
    let words = format!("\"{}\"", "w ".repeat(65));
    for (text, line, column, message) in [
        ("a and", 1, 6, "expected a search term, found the end"),
        ("and a", 1, 1, "expected a search term, found `and`"),
        ("a or or b", 1, 6, "expected a search term, found `or`"),
        ("not", 1, 4, "expected a search term, found the end"),
        ("()", 1, 2, "expected a search term, found `)`"),
        ("a )", 1, 3, "expected `and`, `or`, `not` or the end, found `)`"),
        ("a\nand (b or c", 2, 5, "the parenthesis is never closed"),
        ("x \"open", 1, 3, "the quote is never closed"),
        ("数 #\"open", 1, 3, "the quote is never closed"),
        ("n in [1 2", 1, 6, "the range is never closed"),
        ("n in [1 ", 1, 9, "expected a number or a time, found the end"),
        ("n in 5", 1, 6, "expected `[` or `(` and two numbers behind `in`, found `5`"),
        ("n IN [1 2]", 1, 3, "the operator `in` must be written in small letters"),
        ("n in [a 2]", 1, 7, "`a` is neither a number nor a time"),
        ("n in [1, 2]", 1, 7, "`1,` is neither a number nor a time"),
        ("n > abc", 1, 5, "`abc` is neither a number nor a time"),
        ("n > 1e3", 1, 5, "`1e3` is neither a number nor a time"),
        ("n != 5", 1, 3, "expected `not field = value`, found `!=`"),
        ("> 5", 1, 1, "expected a search term, found `>`"),
        ("*x", 1, 1, "`*x` begins with a wildcard"),
        ("a:?x", 1, 3, "`?x` begins with a wildcard"),
        ("a*:x", 1, 1, "`a*` holds a wildcard where none can stand"),
        ("a sort b", 1, 3, "`sort` is a reserved word; write \"sort\""),
        ("a:Max", 1, 3, "`Max` is a reserved word; write \"Max\""),
        ("limit:5", 1, 1, "`limit` is a reserved word"),
        ("a group by b", 1, 3, "`group by` is a reserved word; write \"group by\""),
        ("op:(A or B)", 1, 4, "a field cannot be put before parentheses; write (op:a or op:b)"),
        ("a:", 1, 3, "expected a value, found the end"),
        ("a:and", 1, 3, "expected a value; quote the words and, or, not, in, and signs, found `and`"),
        ("a:x:y", 1, 4, "a value that holds a colon must be quoted; write a:\"…:…\""),
        (":x", 1, 1, "expected a search term, found `:`"),
        ("\"\"", 1, 1, "the text to search for is empty; field:\"\" asks for an empty field"),
        ("a \"\":x", 1, 3, "the text to search for is empty"),
        ("#\"\"", 1, 1, "the text to search for is empty"),
        ("a:\"/=\"", 1, 3, "\"/=\" holds only delimiters"),
        (";", 1, 1, "\";\" holds only delimiters"),
        ("/*", 1, 1, "\"/*\" holds only delimiters"),
        ("a]", 1, 2, "expected `and`, `or`, `not` or the end, found `]`"),
        ("__tag__:x", 1, 10, "expected `:` and the value of the tag, found the end"),
        ("a | SELECT 1", 1, 3, "expected a search without SQL, found `|`"),
        (&long, 1, 1, "the term has 65 characters, at most 64 are taken"),
        (&many, 1, 61, "the search has more than 30 terms"),
        (&deep, 1, 52, "the search is nested more than 50 levels deep"),
        (&nots, 1, 205, "the search is nested more than 50 levels deep"),
        (&words, 1, 1, "the quoted text has more than 64 words"),
    ] {
        match parse(text) {
            Err(error @ Error::Fault { at, .. }) => {
                let place = format!("search error at {at}: ");
                let shown = error.to_string();
                assert_eq!(at, Position { line, column }, "{text}: {shown}");
                assert!(shown.starts_with(&(place + message)), "{text}: {shown}");
            }
            other => panic!("{text}: {other:?}"),
        }
    }
    assert!(matches!(parse(&"a ".repeat(40_000)), Err(Error::TooLarge { .. })));
}

/// Terms in every spelling that the grammar knows.
fn term() -> impl Strategy<Value = String> {
    let quoted = r#"[ -~\u{4e00}-\u{4e10}é]{1,12}"#
        .prop_map(|t| format!("\"x{}\"", t.replace('\\', "\\\\").replace('"', "\\\"")));
    let word = "[a-zA-Z_][a-zA-Z0-9_./@-]{0,8}".prop_map(|w| format!("{w}_"));
    let escaped = "[a-z][ -~]{0,6}".prop_map(|t| t.chars().flat_map(|c| ['\\', c]).collect::<String>());
    let pattern = "[a-z]{1,3}[*?]{1,3}[a-z]{0,2}";
    let field = prop_oneof![
        Just("source".to_owned()),
        Just("__tag__:h".to_owned()),
        Just("\"sort\"".to_owned()),
        "[a-z]{2}\\.[a-z]{3}_",
        Just("\"a b:c\\\\\"".to_owned()),
    ];
    let bound = prop_oneof!["-?[0-9]{1,20}(\\.[0-9]{1,3})?", Just("\"2027-01-15T08:00:00.5+08:00\"".to_owned())];
    let value = prop_oneof![quoted.clone(), word.clone(), pattern, Just("*".to_owned()), Just("\"\"".to_owned())];
    prop_oneof![
        quoted.clone(),
        word,
        escaped,
        pattern,
        Just("*".to_owned()),
        quoted.prop_map(|q| format!("#{q}")),
        (field.clone(), value).prop_map(|(f, v)| format!("{f}:{v}")),
        (field.clone(), "[<>]=?|=", bound.clone()).prop_map(|(f, o, b)| format!("{f}{o} {b}")),
        (field, "[\\[(]", bound.clone(), bound, "[\\])]").prop_map(|(f, o, a, b, c)| format!("{f} in {o}{a} {b}{c}")),
    ]
}

fn expression() -> impl Strategy<Value = String> {
    term().prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            (
                inner.clone(),
                prop_oneof![Just(" "), Just(" AND "), Just(" or "), Just(" not "), Just("\tand not\n")],
                inner.clone()
            )
                .prop_map(|(a, o, b)| format!("{a}{o}{b}")),
            inner.clone().prop_map(|e| format!("({e} )")),
            inner.prop_map(|e| format!("not {e}")),
        ]
    })
}

fn canonical(node: &Node) -> bool {
    match node {
        Node::All | Node::Term(_) => true,
        Node::Not(inner) => canonical(inner),
        Node::And(nodes) => nodes.len() > 1 && nodes.iter().all(|n| !matches!(n, Node::And(_)) && canonical(n)),
        Node::Or(nodes) => nodes.len() > 1 && nodes.iter().all(|n| !matches!(n, Node::Or(_)) && canonical(n)),
    }
}

proptest! {
    #[test]
    fn the_normal_form_means_the_same(text in expression()) {
        // Escaped delimiters alone, or too many terms, are refused.
        if let Ok(search) = parse(&text) {
            prop_assert!(canonical(&search.root), "{text}");
            let shown = search.to_string();
            let again = parse(&shown).map_err(|e| TestCaseError::fail(format!("{text} -> {shown}: {e}")))?;
            prop_assert_eq!(&again, &search, "{} -> {}", text, shown);
            prop_assert_eq!(again.to_string(), shown);
        }
    }

    #[test]
    fn no_text_is_too_strange(text in any::<String>(), signs in "[ a():\"#|*?\\\\\\[\\]<>=-]{0,24}") {
        for text in [text, signs] {
            match parse(&text) {
                Ok(search) => prop_assert_eq!(parse(&search.to_string()).unwrap(), search),
                Err(Error::Fault { at, .. }) => prop_assert!(at.line >= 1 && at.column >= 1),
                Err(other) => return Err(TestCaseError::fail(other.to_string())),
            }
        }
    }
}

/// Most generated texts must be searches, or the property above would hold for nothing.
#[test]
fn generated_texts_are_mostly_searches() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let texts: Vec<String> = (0..200).map(|_| expression().new_tree(&mut runner).unwrap().current()).collect();
    let good = texts.iter().filter(|t| parse(t).is_ok()).count();
    assert!(good > 150, "{good} of 200, for example not {:?}", texts.iter().find(|t| parse(t).is_err()));
}
