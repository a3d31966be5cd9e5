//! A search as a filter over one table: native comparisons where the engine can prune by them, functions elsewhere.
//! It must never let a null decide: a field that is not there does not match, and so matches under `not`.

use arrow::datatypes::{DataType, Schema as ArrowSchema};
use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::{Expr, lit};

use crate::Error;
use crate::names::Schema;
use crate::search::condition::{Condition, MICROS, Number};
use crate::search::document::{FieldTest, ValueTest};
use crate::search::function::{self, Question};
use crate::search::needs::Needs;
use crate::search::text::{MATCHER_WORDS, Matcher};
use crate::search::topic::{TOPIC, topic};
use innertrail_search::words::{self, Word};
use innertrail_search::{Bound, Comparison, Node, Search, Term, Test};
use innertrail_search::{Pattern, SearchFault};

/// Seconds since 1970, the one integer column that may be compared with a time.
const UNIX_TIME: &str = "__time__";
/// How often escapes are replaced: the event is JSON that may hold JSON; a value taken out of it may hold JSON.
const EVENT_DECODINGS: usize = 2;
const VALUE_DECODINGS: usize = 1;

/// The filter for `search` over the table, and the tokens that its rows need.
///
/// # Errors
/// [`Error::Search`] when a term does not suit its column.
pub(crate) fn predicate(search: &Search, schema: &Schema, arrow: &ArrowSchema) -> Result<(Expr, Needs), Error> {
    let entry = arrow.fields().last().map(|f| f.name().clone()).unwrap_or_default();
    Builder { schema, arrow, entry }.node(&search.root)
}

struct Builder<'a> {
    schema: &'a Schema,
    arrow: &'a ArrowSchema,
    /// The column of the event itself.
    entry: String,
}

type Built = Result<(Expr, Needs), Error>;

fn column(name: &str) -> Expr {
    Expr::Column(Column::new_unqualified(name))
}

impl Builder<'_> {
    fn node(&self, node: &Node) -> Built {
        match node {
            Node::All => Ok((lit(true), Needs::nothing())),
            Node::And(nodes) => self.all(nodes),
            Node::Or(nodes) => {
                let built: Vec<_> = nodes.iter().map(|n| self.node(n)).collect::<Result<_, _>>()?;
                let either = built.into_iter().reduce(|(a, m), (b, n)| (a.or(b), m.or(n)));
                Ok(either.unwrap_or_else(|| (lit(false), Needs::nothing())))
            }
            Node::Not(inner) => {
                let (filter, _) = self.node(inner)?;
                let without = match filter {
                    Expr::IsNotNull(column) => Expr::IsNull(column),
                    filter => Expr::IsNotTrue(Box::new(filter)),
                };
                Ok((without, Needs::nothing()))
            }
            Node::Term(term) => self.term(term),
        }
    }

    /// Words anywhere in the entry are looked for together, so that it is cut into tokens once.
    fn all(&self, nodes: &[Node]) -> Built {
        let mut together: Vec<Word> = Vec::new();
        let mut normal = Vec::new();
        let mut built = Vec::new();
        for node in nodes {
            match plain_words(node) {
                Some(words) if together.len() + words.len() <= MATCHER_WORDS => {
                    normal.push(node.to_string());
                    together.extend(words.into_iter().filter(|w| !together.contains(w)).collect::<Vec<_>>());
                }
                _ => built.push(self.node(node)?),
            }
        }
        if !together.is_empty() {
            let needs = Needs::words(&together);
            let matcher = Matcher::new(together, false, EVENT_DECODINGS);
            built.push((self.ask(&normal.join(" and "), Question::Text(matcher), &self.entry), needs));
        }
        let both = built.into_iter().reduce(|(a, m), (b, n)| (a.and(b), m.and(&n)));
        Ok(both.unwrap_or_else(|| (lit(true), Needs::nothing())))
    }

    fn ask(&self, normal: &str, question: Question, of: &str) -> Expr {
        function::call(normal, question, column(of))
    }

    /// What a text column says of a row.
    fn value(&self, name: &str) -> Expr {
        let of = if name == TOPIC { topic(self.arrow) } else { None };
        of.unwrap_or_else(|| column(name))
    }

    fn term(&self, term: &Term) -> Built {
        let normal = Node::Term(term.clone()).to_string();
        let Some(field) = &term.field else {
            let (matcher, needs) = self.matcher(&term.test, EVENT_DECODINGS);
            return Ok((self.ask(&normal, Question::Text(matcher), &self.entry), needs));
        };
        let known = self.schema.column(field).and_then(|name| Some((name, self.arrow.field_with_name(name).ok()?)));
        let Some((name, of)) = known else { return self.document(term, field, &normal) };
        let fault = |fault| Err(Error::Search { fault, at: term.at });
        match of.data_type() {
            DataType::Int64 => match self.integer(name, &term.test) {
                Ok(filter) => Ok((filter, Needs::nothing())),
                Err(Mismatch::Time) => fault(SearchFault::NoTimeField { field: field.clone() }),
                Err(Mismatch::Text) => fault(SearchFault::NumberField { field: field.clone() }),
            },
            DataType::Timestamp(..) => match time(name, &term.test) {
                Some(filter) => Ok((filter, Needs::nothing())),
                None => fault(SearchFault::TimeField { field: field.clone() }),
            },
            _ => match self.text(name, &term.test, &normal) {
                Some(built) => Ok(built),
                None => fault(SearchFault::TextField { field: field.clone() }),
            },
        }
    }

    /// A condition on a text column; `None` for a comparison.
    fn text(&self, name: &str, test: &Test, normal: &str) -> Option<(Expr, Needs)> {
        let filter = match test {
            Test::Present => self.value(name).is_not_null(),
            Test::Empty if name == self.entry => lit(false),
            Test::Empty => self.value(name).eq(lit("")),
            Test::Compare(_) => return None,
            Test::Words(_) | Test::Pattern(_) | Test::Phrase(_) => {
                let decodings = if name == self.entry { EVENT_DECODINGS } else { VALUE_DECODINGS };
                let (matcher, needs) = self.matcher(test, decodings);
                let filter = function::call(normal, Question::Text(matcher), self.value(name));
                return Some((filter, if is_lifted(name) { needs } else { Needs::nothing() }));
            }
        };
        Some((filter, Needs::nothing()))
    }

    fn matcher(&self, test: &Test, decodings: usize) -> (Matcher, Needs) {
        let (words, phrase) = words_of(test);
        let needs = Needs::words(&words);
        (Matcher::new(words, phrase, decodings), needs)
    }

    fn integer(&self, name: &str, test: &Test) -> Result<Expr, Mismatch> {
        match test {
            Test::Present => Ok(column(name).is_not_null()),
            Test::Empty => Ok(lit(false)),
            Test::Words(text) => {
                let value = text.parse::<i64>().map_err(|_| Mismatch::Text)?;
                let equal = Condition(vec![(Comparison::Equal, Number::of_integer(value.into()))]);
                Ok(spanned(name, equal.span(), ScalarValue::from))
            }
            Test::Compare(written) => {
                let seconds = name == UNIX_TIME && written.iter().any(|(_, b)| matches!(b, Bound::Time(_)));
                if !seconds {
                    let condition = Condition::new(written, 0, false).ok_or(Mismatch::Time)?;
                    return Ok(spanned(name, condition.span(), ScalarValue::from));
                }
                let condition = Condition::new(written, MICROS, true).ok_or(Mismatch::Time)?;
                // Whole seconds within a span of microseconds.
                let (low, high) = condition.span();
                let up = low.div_euclid(1_000_000) + i128::from(low.rem_euclid(1_000_000) != 0);
                Ok(spanned(name, (up, high.div_euclid(1_000_000)), ScalarValue::from))
            }
            Test::Pattern(_) | Test::Phrase(_) => Err(Mismatch::Text),
        }
    }

    fn document(&self, term: &Term, field: &str, normal: &str) -> Built {
        let (test, needs) = match &term.test {
            Test::Present => (ValueTest::Present, Needs::nothing()),
            Test::Empty => (ValueTest::Empty, Needs::nothing()),
            Test::Compare(written) => match Condition::new(written, 0, false) {
                Some(condition) => (ValueTest::Compare(condition), Needs::nothing()),
                None => {
                    return Err(Error::Search { fault: SearchFault::NoTimeField { field: field.into() }, at: term.at });
                }
            },
            test => {
                let (matcher, needs) = self.matcher(test, VALUE_DECODINGS);
                (ValueTest::Text(matcher), needs)
            }
        };
        Ok((self.ask(normal, Question::Field(FieldTest::new(field, test)), &self.entry), needs))
    }
}

enum Mismatch {
    Time,
    Text,
}

/// Whether the column's text stands in the event itself. What was worked out or came with the record has a name of
/// its own: `it_…`, `__…`.
pub(crate) fn is_lifted(name: &str) -> bool {
    !name.starts_with("it_") && !name.starts_with("__")
}

fn words_of(test: &Test) -> (Vec<Word>, bool) {
    match test {
        Test::Words(text) => (words::of_text(text), false),
        Test::Pattern(pattern) => (words::of_pattern(pattern), false),
        Test::Phrase(text) => (words::in_order(text), true),
        Test::Present | Test::Empty | Test::Compare(_) => (words::of_pattern(&Pattern(Vec::new())), false),
    }
}

/// The words of a term that looks for them anywhere and in any order.
fn plain_words(node: &Node) -> Option<Vec<Word>> {
    match node {
        Node::Term(Term { field: None, test: test @ (Test::Words(_) | Test::Pattern(_)), .. }) => {
            Some(words_of(test).0)
        }
        _ => None,
    }
}

fn time(name: &str, test: &Test) -> Option<Expr> {
    match test {
        Test::Present => Some(column(name).is_not_null()),
        Test::Empty => Some(lit(false)),
        Test::Compare(written) => {
            let micros = |at: i64| ScalarValue::TimestampMicrosecond(Some(at), Some("UTC".into()));
            Condition::new(written, MICROS, true).map(|c| spanned(name, c.span(), micros))
        }
        _ => None,
    }
}

/// Rows whose value is within the span; the ends of 64 bits need no comparison.
fn spanned(name: &str, (low, high): (i128, i128), literal: impl Fn(i64) -> ScalarValue) -> Expr {
    let (least, most) = (i128::from(i64::MIN), i128::from(i64::MAX));
    if low > high || low > most || high < least {
        return lit(false);
    }
    let at = |value: i128| i64::try_from(value).ok().map(|v| Expr::Literal(literal(v), None));
    let from = at(low).filter(|_| low > least).map(|v| column(name).gt_eq(v));
    let to = at(high).filter(|_| high < most).map(|v| column(name).lt_eq(v));
    if low == high
        && let Some(value) = at(low)
    {
        return column(name).eq(value);
    }
    from.into_iter().chain(to).reduce(Expr::and).unwrap_or_else(|| column(name).is_not_null())
}
