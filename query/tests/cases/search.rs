//! The search language: its grammar with every error's place, and searches over a small store.
//! It must never repeat what the SQL tests beside it hold.

use innertrail_logstore::index::TokenIndexBuilder;
use innertrail_query::search::{Node, parse};
use innertrail_query::{QueryResult, SearchFault};
use proptest::prelude::*;

use crate::*;

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
            Err(error @ Error::Search { at, .. }) => {
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
                Err(Error::Search { at, .. }) => prop_assert!(at.line >= 1 && at.column >= 1),
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

/// An event as its JSON and its columns.
struct Event(&'static str, Row<'static>);

fn event(id: &'static str, name: &'static str, kind: &'static str, user: &'static str, raw: &'static str) -> Event {
    let user = (user != "-").then_some(user);
    Event(raw, Row { id, name, kind: Some(kind), user, time: 0, country: None })
}

fn events() -> Vec<Event> {
    let mut events = vec![
        event(
            "a",
            "PutObject",
            "ram-user",
            "alice",
            r#"{"eventId":"a","eventName":"PutObject","userIdentity":{"type":"ram-user","userName":"alice","accountId":"1000000000000001"},"additionalEventData":{"size":9007199254740993,"bucket":"logs-prod"}}"#,
        ),
        event(
            "b",
            "PutObject",
            "ram-user",
            "bob",
            r#"{"eventId":"b","eventName":"PutObject","userIdentity":{"type":"ram-user","userName":"bob","accountId":1000000000000002},"additionalEventData":{"size":9007199254740992,"bucket":"logs-test"}}"#,
        ),
        event(
            "c",
            "DeleteBucket",
            "root-account",
            "-",
            r#"{"eventId":"c","eventName":"DeleteBucket","userIdentity":{"type":"root-account","userName":null},"errorMessage":"access is denied","vpc.id":"vpc-1"}"#,
        ),
        event(
            "d",
            "GetObject",
            "assumed-role",
            "",
            r#"{"eventId":"d","eventName":"GetObject","userIdentity":{"type":"assumed-role","userName":""},"errorMessage":"denied: access","vpc":{"id":"vpc-2"}}"#,
        ),
        event(
            "e",
            "PutBucketAcl",
            "ram-user",
            "alice",
            r#"{"eventId":"e","eventName":"PutBucketAcl","userIdentity":{"type":"ram-user","userName":"alice"},"requestParameters":"{\"bucket\":\"tmp\",\"note\":\"first\\nsecond\"}","userAgent":"aliyun-sdk-go\/1.2"}"#,
        ),
        event(
            "f",
            "GetObject",
            "ram-user",
            "存储桶",
            r#"{"eventId":"f","eventName":"GetObject","userIdentity":{"type":"ram-user","userName":"\u5b58\u50a8\u6876"},"tags":["red",{"k":"blue"}],"ok":true,"ratio":0.5}"#,
        ),
        event(
            "g",
            "GetObject",
            "ram-user",
            "ÉLISE",
            r#"{"eventId":"g","eventName":"GetObject","userIdentity":{"type":"ram-user","userName":"ÉLISE"},"size":"12"}"#,
        ),
    ];
    for (at, event) in events.iter_mut().enumerate() {
        event.1.time = [1_800_000_000, 1_800_000_001, -5, i64::MAX, i64::MIN, 0, 7][at];
    }
    events
}

fn add(store: &mut Logstore, events: &[Event]) {
    let mut builder = RowBuilder::new();
    let mut txn = store.writer.begin();
    for (at, Event(raw, row)) in events.iter().enumerate() {
        builder.begin(raw.as_bytes());
        builder.text(0, row.id);
        builder.text(1, row.name);
        for (slot, value) in [(2, row.kind), (3, row.user)] {
            if let Some(value) = value {
                builder.text(slot, value);
            }
        }
        builder.integer(4, row.time);
        // Event times run against the sequence numbers.
        builder.integer(5, NOW - i64::try_from(at).unwrap() * 1_000_000);
        txn.push(Store::Log, builder.finish(), 1);
    }
    store.writer.commit(txn, NOW).unwrap();
}

/// Four events in a segment, three in the tail.
fn seven() -> Logstore {
    let mut store = Logstore::new(7);
    let events = events();
    add(&mut store, &events[..4]);
    store.seal();
    add(&mut store, &events[4..]);
    store
}

/// All of them in one segment that has a token index.
fn seven_indexed() -> Logstore {
    let mut store = Logstore::new(7);
    add(&mut store, &events());
    store.seal();
    let mut index = TokenIndexBuilder::new();
    events().iter().for_each(|Event(raw, _)| index.push(raw.as_bytes()));
    let path = Snapshot::open(&store.path()).unwrap().segments(Store::Log)[0].index_path();
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, index.finish()).unwrap();
    store
}

fn ids(query: &Query, search: &str) -> String {
    let rows = lines(query, &format!("{search} | SELECT eventId ORDER BY it_seq"));
    rows.lines().map(|l| l.trim_start_matches("{\"eventId\":\"").trim_end_matches("\"}")).collect()
}

#[test]
fn searches_find_what_they_say() {
    let (store, indexed) = (seven(), seven_indexed());
    let (query, by_index) = (store.query(), indexed.query());
    for (search, expected) in [
        ("*", "abcdefg"),
        ("", "abcdefg"),
        ("not *", ""),
        // Words anywhere, whatever their case; whole words only.
        ("putobject", "ab"),
        ("PUTOBJECT", "ab"),
        ("Put", ""),
        ("Put*", "abe"),
        ("put?bject", "ab"),
        ("P*t", "ab"),
        ("put*acl", "e"),
        ("logs-prod", "a"),
        ("logs", ""),
        ("\"logs-prod PutObject\"", "a"),
        ("\"aliyun-sdk-go/1.2\"", "e"),
        ("1.2", "e"),
        ("putobject alice", "a"),
        ("putobject or deletebucket", "abc"),
        ("putobject not alice", "b"),
        ("not putobject", "cdefg"),
        ("not putobject and alice", "bcdefg"),
        ("(not putobject) and alice", "e"),
        // Order and adjacency.
        ("access denied", "cd"),
        ("#\"access denied\"", ""),
        ("#\"is denied\"", "c"),
        ("#\"denied access\"", "d"),
        // Escapes say what they stand for, also JSON in JSON.
        ("second", "e"),
        ("#\"first second\"", "e"),
        // What is stored is text too.
        ("nsecond", "e"),
        ("存", "f"),
        ("桶存", "f"),
        ("#\"存储\"", "f"),
        ("#\"储存\"", ""),
        ("élise", "g"),
        ("Éli*", "g"),
        // Text columns.
        ("eventName:putobject", "ab"),
        ("EVENTNAME:PutObject", "ab"),
        ("event.eventName:PutObject", "ab"),
        ("eventName:alice", ""),
        ("eventName:Get* userIdentity.userName:élise", "g"),
        ("userIdentity.type:ram-user", "abefg"),
        ("userIdentity.type:ram", ""),
        ("\"userIdentity.type\":root-account", "c"),
        ("userIdentity.userName:*", "abdefg"),
        ("not userIdentity.userName:*", "c"),
        ("userIdentity.userName:\"\"", "d"),
        ("not userIdentity.userName:\"\"", "abcefg"),
        ("not userIdentity.userName:alice", "bcdfg"),
        ("userIdentity.userName:#\"存储\"", "f"),
        ("event:alice", "ae"),
        // Fields of the JSON.
        ("userIdentity.accountId:1000000000000001", "a"),
        ("event.USERIDENTITY.accountid:1000000000000002", "b"),
        ("userIdentity.accountId:*", "ab"),
        ("not userIdentity.accountId:*", "cdefg"),
        ("errorMessage:denied", "cd"),
        ("errorMessage:#\"is denied\"", "c"),
        ("vpc.id:vpc*", "cd"),
        ("additionalEventData:logs-prod", "a"),
        ("additionalEventData:bucket", "ab"),
        ("requestParameters:second", "e"),
        ("tags:blue", "f"),
        ("tags:purple", ""),
        ("ok:true", "f"),
        ("no.such.field:x", ""),
        // Numbers, exact.
        ("additionalEventData.size > 9007199254740992", "a"),
        ("additionalEventData.size >= 9007199254740992", "ab"),
        ("additionalEventData.size in (9007199254740992 9007199254740993]", "a"),
        ("additionalEventData.size:9007199254740993", "a"),
        ("not additionalEventData.size > 9007199254740992", "bcdefg"),
        ("size >= 12 size < 12.5", "g"),
        ("ratio = 0.5", "f"),
        ("ratio > 0.25", "f"),
        ("__time__ > 9223372036854775806", "d"),
        ("__time__ > 9223372036854775807", ""),
        ("__time__ >= -9223372036854775808", "abcdefg"),
        ("__time__ <= -9223372036854775808", "e"),
        ("__time__ < 99999999999999999999999", "abcdefg"),
        ("__time__ = 7", "g"),
        ("__time__:7", "g"),
        ("__time__ > 6.5 __time__ < 7.5", "g"),
        ("__time__ = 6.5", ""),
        ("__time__ in [-5 0)", "c"),
        ("__time__ in (-5 0]", "f"),
        ("__time__ in [\"2027-01-15T08:00:00Z\" \"2027-01-15T08:00:00.5Z\"]", "a"),
        ("it_seq in [2 3]", "cd"),
        ("it_seq:*", "abcdefg"),
        ("it_seq:\"\"", ""),
        // The tail's events have the same times as the first ones.
        ("it_time >= \"2027-01-15T08:00:00Z\"", "ae"),
        ("it_time >= 1800000000", "ae"),
        ("it_time >= \"2027-01-15T16:00:00+08:00\"", "ae"),
        ("it_time < 1799999998.5", "cdg"),
        ("it_time < 1799999998", "d"),
        ("it_time in [2027-01-15 2027-01-16)", "abcdefg"),
        ("not it_time > 2027-01-15", ""),
        ("it_country:*", ""),
        ("not it_country:DE", "abcdefg"),
    ] {
        assert_eq!(ids(&query, search), expected, "{search}");
        // Its times are those of one transaction, so `it_time` goes on where the tail began anew.
        if !search.contains("it_time") {
            assert_eq!(ids(&by_index, search), expected, "{search}, by the index");
        }
    }
}

#[test]
fn the_sql_sees_matching_rows_only() {
    let store = seven();
    let query = store.query();
    assert_eq!(lines(&query, "putobject | SELECT count(1) AS n"), "{\"n\":2}\n");
    assert_eq!(lines(&query, "| SELECT count(*) AS n FROM log"), "{\"n\":7}\n");
    assert_eq!(lines(&query, "*|select count(*) as n"), "{\"n\":7}\n");
    assert_eq!(
        lines(&query, "putobject | SELECT count(*) AS n WHERE \"userIdentity.userName\" = 'bob'"),
        "{\"n\":1}\n"
    );
    assert_eq!(
        lines(
            &query,
            "alice | WITH t AS (SELECT eventName AS Op, it_seq FROM log) SELECT op, (SELECT count(*) FROM log) AS n FROM T ORDER BY it_seq"
        ),
        "{\"op\":\"PutObject\",\"n\":2}\n{\"op\":\"PutBucketAcl\",\"n\":2}\n"
    );
    assert_eq!(
        lines(&query, "alice | SELECT count(*) AS n FROM log a JOIN innertrail_main b ON a.it_seq = b.it_seq"),
        "{\"n\":2}\n"
    );
    assert_eq!(lines(&query, "\"a|b\" | SELECT count(*) AS n"), "{\"n\":0}\n");
    assert_eq!(lines(&query, "putobject | SELECT 'x' || eventId AS i ORDER BY i DESC LIMIT 1;"), "{\"i\":\"xb\"}\n");
    assert_eq!(lines(&query, "-- who\n/* it was */ alice | SELECT count(*) AS n"), "{\"n\":2}\n");
    assert_eq!(lines(&query, "deletebucket | SELECT max(it_seq) AS a, min(it_seq) AS b"), "{\"a\":2,\"b\":2}\n");
    // The whole table is there again for the next query.
    assert_eq!(lines(&query, "SELECT count(*) AS n"), "{\"n\":7}\n");
}

#[test]
fn a_search_alone_gives_the_newest_first() {
    let store = seven();
    let query = store.query();
    let column = |text: &str| {
        let rows = lines(&query, text);
        let id = |l: &str| l.split("\"eventId\":\"").nth(1).and_then(|r| r.chars().next());
        rows.lines().filter_map(id).collect::<String>()
    };
    assert_eq!(column("*"), "eafbgcd");
    assert_eq!(column("alice"), "ea");
    let row = lines(&query, "deletebucket");
    assert!(row.starts_with("{\"it_seq\":2,\"it_received\":"), "{row}");
    assert!(row.contains("\"event\":\"{\\\"eventId\\\":\\\"c\\\""), "{row}");
    let mut store = Logstore::new(6);
    let many: Vec<String> = (0..130).map(|n| n.to_string()).collect();
    let rows: Vec<Row<'_>> = many.iter().map(|id| Row { id, ..Row::default() }).collect();
    store.add(&rows);
    assert_eq!(lines(&store.query(), "*").lines().count(), innertrail_query::search::DEFAULT_LIMIT);
    assert_eq!(lines(&store.query(), "* | SELECT eventId").lines().count(), 100, "the habit of Log Service");
    assert_eq!(lines(&store.query(), "* | SELECT eventId LIMIT 1000").lines().count(), 130);
}

#[test]
fn faults_against_the_table_have_their_place() {
    let store = seven();
    let query = store.query();
    let fault = |text: &str| match error(&query, text) {
        Error::Search { fault, at } => (fault, at.line, at.column),
        other => panic!("{text}: {other:?}"),
    };
    let field = |f: &str| f.to_owned();
    assert_eq!(fault("a\n  EventName > 5"), (SearchFault::TextField { field: field("EventName") }, 2, 3));
    assert_eq!(fault("it_seq:abc"), (SearchFault::NumberField { field: field("it_seq") }, 1, 1));
    assert_eq!(fault("a or it_seq:1* | SELECT 1"), (SearchFault::NumberField { field: field("it_seq") }, 1, 6));
    assert_eq!(fault("it_time:2027"), (SearchFault::TimeField { field: field("it_time") }, 1, 1));
    assert_eq!(fault("it_seq > 2027-01-15"), (SearchFault::NoTimeField { field: field("it_seq") }, 1, 1));
    assert_eq!(fault("size > 2027-01-15"), (SearchFault::NoTimeField { field: field("size") }, 1, 1));
    let shown = error(&query, "eventName >= 5").to_string();
    assert!(shown.contains("needs a long/double index"), "{shown}");
    assert!(matches!(fault("  a | ").0, SearchFault::Expected { .. }));
    assert_eq!(fault("-- c\n  op:(A or B) | SELECT 1").2, 6);
}

/// Places in the SQL half are places in the whole text, or nobody finds them.
#[test]
fn sql_errors_behind_a_search_name_their_place_in_the_text() {
    let store = seven();
    let query = store.query();
    let Error::UnknownColumn { at, .. } = error(&query, "存储桶 or\nalice | SELECT evntName") else { panic!() };
    assert_eq!(at, Some(Position { line: 2, column: 16 }));
    let Error::UnknownColumn { at, .. } = error(&query, "数据 | SELECT evntName") else { panic!() };
    assert_eq!(at, Some(Position { line: 1, column: 13 }));
    for (text, name) in [("* | DROP TABLE log", "DROP"), ("a | INSERT INTO log SELECT 1", "INSERT")] {
        let Error::Refused { statement, at } = error(&query, text) else { panic!("{text}") };
        assert_eq!((statement.as_str(), at), (name, Some(Position { line: 1, column: 5 })));
    }
    assert!(matches!(error(&query, "* | SELECT 1; SELECT 2"), Error::SeveralStatements { .. }));
    assert!(matches!(error(&query, "* | SELECT * FROM secret"), Error::UnknownTable { .. }));
}

/// The words of statements are words too.
#[test]
fn words_of_sql_can_be_searched_where_no_statement_is_meant() {
    let store = seven();
    let query = store.query();
    for search in
        ["delete", "update:x", "drop bucket", "\"select\"", "set", "show me", "DELETE or copy", "explain this"]
    {
        assert_eq!(ids(&query, search), "", "{search}");
    }
}

/// The index may only take time away, never rows; here it takes whole segments and ranges away.
#[test]
fn the_token_index_changes_nothing_but_the_reading() {
    let mut store = Logstore::new(7);
    let raws: Vec<String> = (0..20_000)
        .map(|n| {
            let rare = if n == 9_000 {
                "needle"
            } else if n % 2 == 0 {
                "even"
            } else {
                "odd"
            };
            format!(r#"{{"eventId":"{n}","word":"{rare}","user":"u{}"}}"#, n % 7)
        })
        .collect();
    let mut builder = RowBuilder::new();
    for (part, raws) in raws.chunks(10_000).enumerate() {
        let mut txn = store.writer.begin();
        for (at, raw) in raws.iter().enumerate() {
            builder.begin(raw.as_bytes());
            builder.text(0, &(part * 10_000 + at).to_string());
            txn.push(Store::Log, builder.finish(), 1);
        }
        store.writer.commit(txn, NOW).unwrap();
        store.seal();
    }
    let searches = [
        ("needle", 1),
        ("word:needle", 1),
        ("needle or odd", 10_001),
        ("needle odd", 0),
        ("absent", 0),
        ("absent or needle", 1),
        ("not needle", 19_999),
        ("needle u5", 1),
        ("eventId:9000", 1),
        ("eventId:9000 or eventId:19999", 2),
        ("#\"word needle\"", 1),
        ("needl*", 1),
        ("*", 20_000),
    ];
    let snapshot = Snapshot::open(&store.path()).unwrap();
    let segments = snapshot.segments(Store::Log).to_vec();
    assert_eq!(segments.len(), 2);
    let count = |query: &Query, search: &str| {
        let rows = lines(query, &format!("{search} | SELECT count(*) AS n, sum(length(event)) > 0 AS l"));
        rows.split(&[':', ','][..]).nth(1).and_then(|n| n.parse::<usize>().ok())
    };
    for segment in &segments {
        drop(std::fs::remove_file(segment.index_path()));
    }
    for (search, rows) in searches {
        assert_eq!(count(&store.query(), search), Some(rows), "{search} without index");
    }
    for (segment, raws) in segments.iter().zip(raws.chunks(10_000)) {
        let mut index = TokenIndexBuilder::new();
        raws.iter().for_each(|raw| index.push(raw.as_bytes()));
        std::fs::create_dir_all(segment.index_path().parent().unwrap()).unwrap();
        std::fs::write(segment.index_path(), index.finish()).unwrap();
    }
    for (search, rows) in searches {
        assert_eq!(count(&store.query(), search), Some(rows), "{search} with index");
        assert_eq!(lines(&store.query(), &format!("{search} | SELECT count(*) AS n")), format!("{{\"n\":{rows}}}\n"));
    }
    // A damaged index costs time only.
    std::fs::write(segments[0].index_path(), b"not an index").unwrap();
    assert_eq!(count(&store.query(), "needle"), Some(1));
    // The second segment's index says that it holds no needle, so that segment is not even opened.
    let query = store.query();
    std::fs::remove_file(&segments[1].path).unwrap();
    assert_eq!(count(&query, "needle"), Some(1));
    assert!(matches!(error(&query, "odd"), Error::Segment { .. }));
}

/// Bytes that are no text stand in the quarantine, and the text around them is found.
#[test]
fn the_quarantine_is_searched_as_bytes() {
    let mut store = Logstore::new(7);
    let mut builder = RowBuilder::new();
    let mut txn = store.writer.begin();
    for raw in [&b"{\"torn\":\"rec"[..], b"\xff\xfe torn\x00record", b"whole"] {
        builder.begin(raw);
        txn.push(Store::Quarantine, builder.finish(), 1);
    }
    store.writer.commit(txn, NOW).unwrap();
    let query = Query::open(Snapshot::open(&store.path()).unwrap(), Store::Quarantine, Limits::default()).unwrap();
    for (search, n) in [("torn", 2), ("record", 1), ("not torn", 1), ("raw:whole", 1), ("torn:rec", 0), ("raw:*", 3)] {
        assert_eq!(lines(&query, &format!("{search} | SELECT count(*) AS n")), format!("{{\"n\":{n}}}\n"), "{search}");
    }
    let row = lines(&query, "whole");
    assert!(row.starts_with("{\"it_seq\":2,") && row.ends_with("\"raw\":\"whole\"}\n"), "{row}");
}

#[test]
fn limits_and_cancelling_hold_for_searches() {
    let store = eight();
    let from = "log a, log b, log c, log d, log e, log f, log g, log h, log i, log j, log k";
    let endless = format!("not nothing | SELECT count(*) FROM {from} WHERE a.it_seq + b.it_seq + k.it_seq <> 1");
    let query = store.limited(Limits { timeout: Duration::from_millis(300), ..Limits::default() });
    let start = Instant::now();
    assert!(matches!(query.run(&endless).and_then(|mut r| r.next_batch()), Err(Error::Timeout { .. })));
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    let query = store.limited(Limits { max_rows: 3, ..Limits::default() });
    let summary = query.run("*").unwrap().write(Format::Csv, &mut std::io::sink()).unwrap();
    assert_eq!((summary.rows, summary.truncated), (3, true));
    // Dropping a result ends its work: the only two workers are free again for the next query.
    let query = store.query();
    let running: QueryResult = query.run(&endless).unwrap();
    drop(running);
    let start = Instant::now();
    assert_eq!(lines(&query, "* | SELECT count(*) AS n"), "{\"n\":8}\n");
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    assert!(matches!(error(&query, &"a".repeat(70_000)), Error::TooLarge { .. }));
}

#[test]
fn searches_run_side_by_side() {
    let store = seven();
    let query = store.query();
    std::thread::scope(|scope| {
        for (search, n) in
            [("putobject", 2), ("alice", 2), ("not alice", 5), ("*", 7), ("userIdentity.type:ram-user", 5)]
        {
            let query = &query;
            scope.spawn(move || {
                for _ in 0..4 {
                    assert_eq!(lines(query, &format!("{search} | SELECT count(*) AS n")), format!("{{\"n\":{n}}}\n"));
                }
            });
        }
    });
}
