//! What a condition says of the seal mark: that it is there, that it is not, nothing, or something nobody here can tell.
//!
//! A few forms are known and what `&&`, `||`, `!` and brackets make of them. It must never take a condition for one that
//! asks for the mark when an event without a mark could pass it: a form that is not known counts for nothing and is told.

use super::tree::{Node, Value};
use super::vrl::{SEAL, Word, closing, depth_behind, words};

/// What follows from an event's passing a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Says {
    /// It has a seal mark.
    Sealed,
    /// It has none.
    Unsealed,
    /// Nothing: the condition does not speak of the mark.
    Nothing,
    /// The condition speaks of the mark in a way that is not known here.
    Unclear,
}

/// Deepest brackets that are followed.
const MAX_DEPTH: usize = 64;

/// What a condition says, written as text or as a mapping.
pub(super) fn says(condition: &Node) -> Says {
    match &condition.value {
        Value::Text(text) => of_vrl(text),
        Value::Map(_) => {
            let vrl = condition.get("type").and_then(Node::text) == Some("vrl");
            let others = condition.entries().iter().filter(|(key, _)| !matches!(key.name.as_str(), "type" | "source"));
            let alone = !others.map(|(_, value)| value).any(mentions_seal);
            match condition.get("source").and_then(Node::text) {
                Some(text) if vrl && alone => of_vrl(text),
                _ if mentions_seal(condition) => Says::Unclear,
                _ => Says::Nothing,
            }
        }
        _ if mentions_seal(condition) => Says::Unclear,
        _ => Says::Nothing,
    }
}

/// Whether the mark's name stands anywhere in it, comments and keys included.
pub(super) fn mentions_seal(node: &Node) -> bool {
    let mut found = false;
    node.texts(&mut |_, text| found |= text.contains(SEAL));
    found
}

fn of_vrl(text: &str) -> Says {
    let words = words(text);
    if !words.iter().any(Word::names_seal) {
        // What cannot be read may name the mark behind the place where reading ended.
        return if words.contains(&Word::Odd) && text.contains(SEAL) { Says::Unclear } else { Says::Nothing };
    }
    let steers = |word: &Word| {
        word.assigns() || *word == Word::Odd || ["return", "abort", "if", "else"].iter().any(|name| word.is_name(name))
    };
    if words.iter().any(|word| steers(word) || word.is(";")) {
        return Says::Unclear;
    }
    let said = read(&words, 0);
    match (said.follows(true, true), said.follows(true, false)) {
        (true, _) => Says::Sealed,
        (_, true) => Says::Unsealed,
        _ => Says::Unclear,
    }
}

/// A condition, as far as it is known.
#[derive(Debug)]
enum Said {
    /// The mark is there exactly when this is true.
    Present,
    /// The mark is there when this is true; false says nothing.
    PresentIfTrue,
    /// The mark is not there when this is true, and there when it is false.
    Absent,
    Not(Box<Said>),
    All(Vec<Said>),
    Any(Vec<Said>),
    /// `&&`, `||` and `??` side by side: which of them binds closer is left open.
    Mixed(Vec<Said>),
    /// Anything else.
    Other,
}

impl Said {
    /// Whether it follows, from this being `truth`, that the mark is there (`present`) or not there.
    fn follows(&self, truth: bool, present: bool) -> bool {
        let all = |parts: &[Self]| parts.iter().all(|part| part.follows(truth, present));
        let any = |parts: &[Self]| parts.iter().any(|part| part.follows(truth, present));
        match self {
            Self::Present => truth == present,
            Self::PresentIfTrue => truth && present,
            Self::Absent => truth != present,
            Self::Not(inner) => inner.follows(!truth, present),
            Self::All(parts) if truth => any(parts),
            Self::Any(parts) if !truth => any(parts),
            Self::All(parts) | Self::Any(parts) | Self::Mixed(parts) => all(parts),
            Self::Other => false,
        }
    }
}

fn read(words: &[Word], depth: usize) -> Said {
    let words = trimmed(words);
    let (parts, joints) = parted(words);
    // A line that ends outside of brackets ends an expression, and only the last expression counts.
    if depth > MAX_DEPTH || parts.iter().any(|part| has_line(trimmed(part))) {
        return Said::Other;
    }
    if !joints.is_empty() {
        let parts = parts.into_iter().map(|part| read(part, depth + 1)).collect();
        return match joints[0] {
            "&&" if joints.iter().all(|joint| *joint == "&&") => Said::All(parts),
            "||" if joints.iter().all(|joint| *joint == "||") => Said::Any(parts),
            _ => Said::Mixed(parts),
        };
    }
    match words {
        [Word::Sign("!"), inner @ ..] if is_one(inner) => Said::Not(Box::new(read(inner, depth + 1))),
        [Word::Sign("("), inner @ .., Word::Sign(")")] if closing(words) == Some(words.len() - 1) => {
            read(inner, depth + 1)
        }
        _ => known(words),
    }
}

/// The forms that are known.
fn known(words: &[Word]) -> Said {
    match words {
        [Word::Name(call), Word::Sign("("), mark @ .., Word::Sign(")")] if is_mark(mark) => match call.as_str() {
            "exists" => Said::Present,
            "is_string" => Said::PresentIfTrue,
            "is_null" | "is_nullish" => Said::Absent,
            _ => Said::Other,
        },
        [mark @ .., Word::Sign(sign), null] | [null, Word::Sign(sign), mark @ ..]
            if null.is_name("null") && is_mark(mark) =>
        {
            match *sign {
                "!=" => Said::Present,
                "==" => Said::Absent,
                _ => Said::Other,
            }
        }
        _ => Said::Other,
    }
}

/// `.it_seal`, quoted or not.
fn is_mark(words: &[Word]) -> bool {
    matches!(words, [Word::Sign("."), Word::Name(name) | Word::Text(name)] if name == SEAL)
}

/// Whether `!` before these words denies all of them.
fn is_one(words: &[Word]) -> bool {
    let words = &words[words.iter().take_while(|word| word.is("!")).count()..];
    let last = words.len().checked_sub(1);
    match words {
        [Word::Sign("("), ..] => closing(words) == last,
        [Word::Name(_), Word::Sign("("), ..] => closing(&words[1..]).map(|at| at + 1) == last,
        _ => false,
    }
}

/// Words without the ends of lines around them.
fn trimmed(words: &[Word]) -> &[Word] {
    let first = words.iter().position(|word| *word != Word::Line).unwrap_or(words.len());
    let end = words.iter().rposition(|word| *word != Word::Line).map_or(first, |at| at + 1);
    &words[first..end]
}

/// The parts between `&&`, `||` and `??` outside of brackets, and those signs.
fn parted(words: &[Word]) -> (Vec<&[Word]>, Vec<&'static str>) {
    let (mut parts, mut joints) = (Vec::new(), Vec::new());
    let (mut depth, mut begin) = (0, 0);
    for (at, word) in words.iter().enumerate() {
        depth = depth_behind(word, depth);
        if let Word::Sign(sign @ ("&&" | "||" | "??")) = word
            && depth == 0
        {
            parts.push(&words[begin..at]);
            joints.push(*sign);
            begin = at + 1;
        }
    }
    parts.push(&words[begin..]);
    (parts, joints)
}

/// Whether a line ends outside of brackets.
fn has_line(words: &[Word]) -> bool {
    let mut depth = 0;
    words.iter().any(|word| {
        depth = depth_behind(word, depth);
        depth == 0 && *word == Word::Line
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_forms_ask_for_the_mark() {
        for text in [
            "exists(.it_seal)",
            " exists( .it_seal ) ",
            "exists(.\"it_seal\")",
            ".it_seal != null",
            "null != .it_seal",
            "!is_null(.it_seal)",
            "!(is_null(.it_seal))",
            "!is_nullish(.it_seal)",
            "!(.it_seal == null)",
            "!!exists(.it_seal)",
            "is_string(.it_seal)",
            "(exists(.it_seal))",
            "exists(.it_seal) && .eventRW == \"Write\"",
            ".a == 1 && (exists(.it_seal) && .b)",
            "exists(.it_seal) &&\n  (.a || .b) # and more\n",
            "includes([\n \"a\",\n \"b\"\n], .x) && exists(.it_seal)",
            "!(!exists(.it_seal) || .a)",
            "exists(.it_seal) && .text == \"a || b # c\"",
        ] {
            assert_eq!(of_vrl(text), Says::Sealed, "{text}");
        }
        for text in [
            "!exists(.it_seal)",
            ".it_seal == null",
            "is_null(.it_seal)",
            "is_nullish(.it_seal)",
            "!(exists(.it_seal) || .a)",
        ] {
            assert_eq!(of_vrl(text), Says::Unsealed, "{text}");
        }
        for text in ["true", "true # exists(.it_seal)", ".eventRW == \"Write\"", ""] {
            assert_eq!(of_vrl(text), Says::Nothing, "{text}");
        }
    }

    /// `check` called a Vector sound whose conditions let everything through: it looked for the field's name alone.
    #[test]
    fn other_forms_are_unclear() {
        for text in [
            "exists(.it_seal) || exists(.message)",
            "exists(.it_seal) ?? true",
            "exists(.it_seal) && .a ?? true",
            "exists(.it_seal) && .a || .b",
            "exists(.it_seal)\ntrue",
            "exists(.it_seal); true",
            "exists(.it_seal) && .a\ntrue",
            "true\nexists(.it_seal)",
            "exists(.it_seal) && return true",
            "if exists(.it_seal) { true } else { true }",
            "x = exists(.it_seal)",
            "!exists(.it_seal) == false",
            "!.it_seal != null",
            "!exists(.it_seal) != true",
            "exists(.it_seal) == exists(.it_seal)",
            "!(exists(.it_seal) && .a)",
            "!is_string(.it_seal)",
            "exists(.it_seal) && .a == 1 || .it_seal != null && .b == 2",
            "!(is_null(.it_seal) || .x && .y)",
            ".it_seal == \"\" || true",
            ".it_seal != \"\"",
            "not_it_seal(.)",
            "exists(.x.it_seal)",
            "exists(.it_seal.x)",
            "exists(%it_seal)",
            "exists(it_seal)",
            "exists(.it_seals)",
            "exists(.x) && \"it_seal\" != null",
            "is_nullish(.it_seal) || true",
            "exists(.it_seal) && \"",
            "\"exists(.it_seal)",
            "é exists(.it_seal)",
        ] {
            assert_eq!(of_vrl(text), Says::Unclear, "{text}");
        }
        let deep = format!("{}exists(.it_seal){}", "(".repeat(100_000), ")".repeat(100_000));
        assert_eq!(of_vrl(&deep), Says::Unclear);
        assert_eq!(of_vrl(&format!("{}exists(.it_seal)", "!".repeat(100_000))), Says::Unclear);
    }

    /// A condition as it may be written, without brackets around operands.
    #[derive(Debug, Clone)]
    enum Tree {
        Atom(&'static str, Option<bool>),
        Not(Box<Tree>),
        Group(Box<Chain>),
    }

    /// Operands, and the signs between them.
    #[derive(Debug, Clone)]
    struct Chain(Vec<Tree>, Vec<&'static str>);

    impl Tree {
        fn written(&self) -> String {
            match self {
                Self::Atom(text, _) => (*text).to_owned(),
                Self::Not(inner) => format!("!{}", inner.written()),
                Self::Group(chain) => format!("({})", chain.written()),
            }
        }

        /// Its value for an event without a mark; `free` gives the values of what does not speak of it.
        fn value(&self, free: &mut impl FnMut() -> bool, left: bool) -> bool {
            match self {
                Self::Atom(_, value) => value.unwrap_or_else(free),
                Self::Not(inner) => !inner.value(free, left),
                Self::Group(chain) => chain.value(free, left),
            }
        }
    }

    impl Chain {
        fn written(&self) -> String {
            let mut text = self.0[0].written();
            for (sign, operand) in self.1.iter().zip(&self.0[1..]) {
                text += &format!(" {sign} # it_seal\n {}", operand.written());
            }
            text
        }

        /// From left to right, or `&&` before `||`: VRL's grammar has them at one level.
        fn value(&self, free: &mut impl FnMut() -> bool, left: bool) -> bool {
            let values: Vec<bool> = self.0.iter().map(|operand| operand.value(free, left)).collect();
            let (mut sum, mut product) = (false, values[0]);
            for (sign, value) in self.1.iter().zip(&values[1..]) {
                match (*sign, left) {
                    ("&&", _) => product &= value,
                    (_, true) => product |= value,
                    (_, false) => (sum, product) = (sum | product, *value),
                }
            }
            sum | product
        }
    }

    fn chain() -> impl Strategy<Value = Chain> {
        // For an event without the mark; `None`: it depends on the rest of the event.
        let atoms = prop::sample::select(vec![
            Tree::Atom("exists(.it_seal)", Some(false)),
            Tree::Atom("(.it_seal != null)", Some(false)),
            Tree::Atom("is_string(.it_seal)", Some(false)),
            Tree::Atom("is_null(.it_seal)", Some(true)),
            Tree::Atom("is_nullish(.it_seal)", Some(true)),
            Tree::Atom("exists(.it_seals)", None),
            Tree::Atom("exists(.x)", None),
            Tree::Atom("true", Some(true)),
            Tree::Atom("starts_with(string!(.it_seal), \"v\")", None),
        ]);
        let chained = |operand: BoxedStrategy<Tree>| {
            let signs = prop::collection::vec(prop::sample::select(vec!["&&", "||"]), 3);
            (prop::collection::vec(operand, 1..4), signs)
                .prop_map(|(operands, signs)| Chain(operands.clone(), signs[..operands.len() - 1].to_vec()))
        };
        let tree = atoms.prop_recursive(3, 24, 3, move |inner| {
            prop_oneof![
                inner.clone().prop_map(|tree| Tree::Not(Box::new(tree))),
                chained(inner.boxed()).prop_map(|chain| Tree::Group(Box::new(chain))),
            ]
        });
        chained(tree.boxed())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// A condition that counts as one on the mark lets no event without it through, whatever else is in the event.
        #[test]
        fn nothing_passes_without_a_mark(chain in chain(), bits in any::<u64>(), left in any::<bool>()) {
            let text = chain.written();
            let mut bits = bits;
            let mut free = || { bits = bits.rotate_left(1); bits & 1 == 1 };
            if of_vrl(&text) == Says::Sealed {
                prop_assert!(!chain.value(&mut free, left), "{text}");
            }
        }

        /// Whatever stands there, nothing panics, and what does not name the mark says nothing.
        #[test]
        fn any_text_is_read(text in ".{0,60}", more in "[()!&|.\"# \n\\\\a-z_']{0,60}") {
            for text in [text, more] {
                prop_assert!(text.contains(SEAL) || of_vrl(&text) != Says::Sealed);
            }
        }
    }
}
