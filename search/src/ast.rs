//! The tree of a search, and its normal form: text that parses to the same tree again.
//! It must never know columns or types: what a field is shows only when the search meets a table.

use std::fmt::{self, Display};

use crate::Position;
use crate::lexer::{self, WILDCARD_ANY, WILDCARD_ONE};

/// A parsed search. `Display` gives its normal form, in which every grouping has parentheses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// The tree.
    pub root: Node,
}

/// One node of a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// `*`: every row.
    All,
    /// All of at least two nodes, none of which is `And`.
    And(Vec<Node>),
    /// One of at least two nodes, none of which is `Or`.
    Or(Vec<Node>),
    /// Every row that the node does not match.
    Not(Box<Node>),
    /// A leaf.
    Term(Term),
}

/// One condition on a field, or on the whole entry.
#[derive(Debug, Clone, Eq)]
pub struct Term {
    /// The field as written, with `source` spelled `__source__`; `None`: the whole entry.
    pub field: Option<String>,
    /// The condition.
    pub test: Test,
    /// Where the term begins. Two terms at different places are equal.
    pub at: Position,
}

impl PartialEq for Term {
    fn eq(&self, other: &Self) -> bool {
        self.field == other.field && self.test == other.test
    }
}

/// What a term asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// All words of the text occur, in any order.
    Words(String),
    /// A word occurs that fits the pattern.
    Pattern(Pattern),
    /// The words of the text occur one right after the other.
    Phrase(String),
    /// `field:*`: the field is there.
    Present,
    /// `field:""`: the field is there, and empty.
    Empty,
    /// `field > 5`: one or two comparisons, all of which must hold. Two are a range `in [a b)`.
    Compare(Vec<(Comparison, Bound)>),
}

/// A text with at least one wildcard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(pub Vec<PatternPart>);

/// A piece of a [`Pattern`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PatternPart {
    /// These characters.
    Text(String),
    /// `*`: any number of characters.
    Any,
    /// `?`: one character.
    One,
}

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `=`
    Equal,
    /// `>=`
    AtLeast,
    /// `>`
    Greater,
}

/// What a comparison compares with; checked to be one of the two when it was parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bound {
    /// Digits, with a sign and a fraction or without.
    Number(String),
    /// RFC 3339, or a day.
    Time(String),
}

impl Node {
    /// All of `nodes`, flattened; a single one is itself.
    pub(crate) fn and(nodes: Vec<Self>) -> Self {
        let flat = nodes.into_iter().flat_map(|n| if let Self::And(inner) = n { inner } else { vec![n] });
        single(flat.collect(), Self::And)
    }

    /// One of `nodes`, flattened; a single one is itself.
    pub(crate) fn or(nodes: Vec<Self>) -> Self {
        let flat = nodes.into_iter().flat_map(|n| if let Self::Or(inner) = n { inner } else { vec![n] });
        single(flat.collect(), Self::Or)
    }
}

fn single(mut nodes: Vec<Node>, make: impl Fn(Vec<Node>) -> Node) -> Node {
    match (nodes.len(), nodes.pop()) {
        (1, Some(one)) => one,
        (_, last) => {
            nodes.extend(last);
            make(nodes)
        }
    }
}

impl fmt::Display for Search {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root.fmt(f)
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::And(nodes) => joined(f, nodes, " and "),
            Self::Or(nodes) => joined(f, nodes, " or "),
            Self::Not(node) => {
                f.write_str("not ")?;
                grouped(f, node)
            }
            Self::Term(term) => term.fmt(f),
        }
    }
}

fn joined(f: &mut fmt::Formatter<'_>, nodes: &[Node], between: &str) -> fmt::Result {
    for (at, node) in nodes.iter().enumerate() {
        if at > 0 {
            f.write_str(between)?;
        }
        grouped(f, node)?;
    }
    Ok(())
}

fn grouped(f: &mut fmt::Formatter<'_>, node: &Node) -> fmt::Result {
    match node {
        Node::All | Node::Term(_) => node.fmt(f),
        _ => write!(f, "({node})"),
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let compares = matches!(self.test, Test::Compare(_));
        if let Some(field) = &self.field {
            // Behind the bare name of a tag stands a colon and nothing else.
            let tag = compares && field.starts_with(crate::TAG_PREFIX);
            f.write_str(&if tag { lexer::quoted(field) } else { lexer::spelled_field(field) })?;
        }
        if self.field.is_some() && !compares {
            f.write_str(":")?;
        }
        self.test.fmt(f)
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Words(text) => f.write_str(&lexer::spelled_word(text)),
            Self::Pattern(pattern) => pattern.fmt(f),
            Self::Phrase(text) => write!(f, "#{}", lexer::quoted(text)),
            Self::Present => f.write_str("*"),
            Self::Empty => f.write_str("\"\""),
            Self::Compare(conditions) => match conditions.as_slice() {
                [(low, from), (high, to)] => {
                    let open = if *low == Comparison::AtLeast { '[' } else { '(' };
                    let close = if *high == Comparison::AtMost { ']' } else { ')' };
                    write!(f, " in {open}{from} {to}{close}")
                }
                conditions => conditions.iter().try_for_each(|(how, bound)| write!(f, " {how} {bound}")),
            },
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| match part {
            PatternPart::Text(text) => f.write_str(&lexer::escaped(text)),
            PatternPart::Any => write!(f, "{WILDCARD_ANY}"),
            PatternPart::One => write!(f, "{WILDCARD_ONE}"),
        })
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Equal => "=",
            Self::AtLeast => ">=",
            Self::Greater => ">",
        })
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(text) => f.write_str(text),
            Self::Time(text) => f.write_str(&lexer::quoted(text)),
        }
    }
}
