//! Lexemes to a tree, by recursive descent with bounded depth.
//! It must never guess: what is not in the grammar is an error at its place that says what to write.
//!
//! ```text
//! either  = without { "or" without }
//! without = [ "not" ] all { [ "and" ] "not" all }
//! all     = primary { [ "and" ] primary }
//! primary = "(" either ")" | "*" | word | quoted | phrase | field ":" value | field op bound | field "in" range
//! ```
//!
//! So `not` binds weaker than `and`: `not a and b` is `not (a and b)`, and `a not b and c` is `a and not (b and c)`.
//! Log Service's documentation says both this and that `and` and `not` are on one level; parentheses avoid the question,
//! and the normal form always has them.

use chrono::{DateTime, NaiveDate};
use innertrail_logstore::index::tokens;

use crate::Error;
use crate::ast::{Bound, Comparison, Node, Pattern, PatternPart, Search, Term, Test};
use crate::fault::SearchFault;
use crate::lexer::{self, Lexeme, Sign, place};
use crate::{MAX_DEPTH, MAX_TERM_CHARS, MAX_TERMS, MAX_WORDS, SOURCE, SOURCE_SHORT, TAG, TAG_PREFIX, words};

/// The longest bound in characters.
const MAX_BOUND_CHARS: usize = 64;

/// The search in front of the first `|`, and where that stands.
pub(crate) fn parse(text: &str) -> Result<(Search, Option<usize>), Error> {
    let (lexemes, pipe) = lexer::lex(text)?;
    let end = pipe.unwrap_or(text.len());
    let mut parser = Parser { text, lexemes: &lexemes, at: 0, end, depth: 0, terms: 0 };
    let root = if lexemes.is_empty() { Node::All } else { parser.either()? };
    match parser.peek() {
        None => Ok((Search { root }, pipe)),
        Some(_) => Err(parser.expected("`and`, `or`, `not` or the end")),
    }
}

struct Parser<'a> {
    text: &'a str,
    lexemes: &'a [Lexeme],
    at: usize,
    end: usize,
    depth: usize,
    terms: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a Lexeme> {
        self.lexemes.get(self.at)
    }

    fn peek_second(&self) -> Option<&'a Lexeme> {
        self.lexemes.get(self.at + 1)
    }

    fn take(&mut self) -> Option<&'a Lexeme> {
        let lexeme = self.peek();
        self.at += usize::from(lexeme.is_some());
        lexeme
    }

    fn next_is(&self, word: &str) -> bool {
        self.peek().is_some_and(|l| l.is(word))
    }

    fn next_sign(&self) -> Option<&'a Sign> {
        self.peek().map(|l| &l.sign)
    }

    /// Where the next lexeme stands, or the text ends.
    fn here(&self) -> usize {
        self.peek().map_or(self.end, |l| l.start)
    }

    fn error(&self, at: usize, fault: SearchFault) -> Error {
        lexer::error(self.text, at, fault)
    }

    fn written(&self, lexeme: &Lexeme) -> String {
        self.text[lexeme.start..lexeme.end].to_owned()
    }

    fn expected(&self, wanted: &'static str) -> Error {
        let found = self.peek().map_or_else(|| "the end".to_owned(), |l| format!("`{}`", self.written(l)));
        self.error(self.here(), SearchFault::Expected { wanted, found })
    }

    fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        if self.depth == MAX_DEPTH {
            return Err(self.error(self.here(), SearchFault::TooDeep));
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    fn either(&mut self) -> Result<Node, Error> {
        let mut nodes = vec![self.without()?];
        while self.next_is("or") {
            self.take();
            nodes.push(self.without()?);
        }
        Ok(Node::or(nodes))
    }

    fn without(&mut self) -> Result<Node, Error> {
        let mut nodes = vec![if self.next_is("not") { self.negated()? } else { self.all()? }];
        loop {
            if self.next_is("and") && self.peek_second().is_some_and(|l| l.is("not")) {
                self.take();
            }
            if !self.next_is("not") {
                return Ok(Node::and(nodes));
            }
            nodes.push(self.negated()?);
        }
    }

    /// `not`, perhaps several times, and what it takes away.
    fn negated(&mut self) -> Result<Node, Error> {
        self.take();
        let node = if self.next_is("not") { self.deeper(Self::negated)? } else { self.all()? };
        Ok(Node::Not(Box::new(node)))
    }

    fn all(&mut self) -> Result<Node, Error> {
        let mut nodes = vec![self.primary()?];
        loop {
            match self.peek() {
                Some(l) if l.is("and") => {
                    if self.peek_second().is_some_and(|l| l.is("not")) {
                        break;
                    }
                    self.take();
                    nodes.push(self.primary()?);
                }
                Some(l) if !l.is_operator() && starts_primary(&l.sign) => nodes.push(self.primary()?),
                _ => break,
            }
        }
        Ok(Node::and(nodes))
    }

    fn primary(&mut self) -> Result<Node, Error> {
        let Some(lexeme) = self.peek().filter(|l| !l.is_operator() && starts_primary(&l.sign)) else {
            return Err(self.expected("a search term"));
        };
        if lexeme.sign == Sign::Open {
            return self.group(lexeme);
        }
        self.terms += 1;
        if self.terms > MAX_TERMS {
            return Err(self.error(lexeme.start, SearchFault::ManyTerms));
        }
        self.take();
        match (&lexeme.sign, self.next_sign()) {
            (Sign::Phrase(text), _) => Ok(self.term(lexeme, None, self.phrase(lexeme, text)?)),
            (_, Some(Sign::Colon)) => self.field_value(lexeme),
            (_, Some(Sign::Compare(_))) => self.comparison(lexeme),
            _ if self.range_follows()? => self.range(lexeme),
            _ => self.anywhere(lexeme),
        }
    }

    fn group(&mut self, open: &Lexeme) -> Result<Node, Error> {
        self.take();
        let node = self.deeper(Self::either)?;
        match self.next_sign() {
            Some(Sign::Close) => {
                self.take();
                Ok(node)
            }
            Some(_) => Err(self.expected("`and`, `or`, `not` or `)`")),
            None => Err(self.error(open.start, SearchFault::Unclosed { what: "the parenthesis" })),
        }
    }

    fn term(&self, first: &Lexeme, field: Option<String>, test: Test) -> Node {
        Node::Term(Term { field, test, at: place(self.text, first.start) })
    }

    /// A term without a field.
    fn anywhere(&self, lexeme: &Lexeme) -> Result<Node, Error> {
        match &lexeme.sign {
            Sign::Word { parts, .. } if parts.as_slice() == [PatternPart::Any] => Ok(Node::All),
            Sign::Quoted(text) if text.is_empty() => {
                Err(self.error(lexeme.start, SearchFault::EmptyText { field: "field:\"\"" }))
            }
            _ => Ok(self.term(lexeme, None, self.value(lexeme)?)),
        }
    }

    fn field_value(&mut self, first: &Lexeme) -> Result<Node, Error> {
        let mut field = self.field(first)?;
        self.take();
        if field == TAG && first.plain_word().is_some() {
            let Some(tag) = self.take() else { return Err(self.expected("the name of a tag")) };
            field = format!("{TAG_PREFIX}{}", self.name(tag)?);
            if self.next_sign() != Some(&Sign::Colon) {
                return Err(self.expected("`:` and the value of the tag"));
            }
            self.take();
        }
        let Some(lexeme) = self.peek() else { return Err(self.expected("a value")) };
        let test = match &lexeme.sign {
            Sign::Open => return Err(self.error(lexeme.start, SearchFault::FieldGroup { field })),
            Sign::Phrase(text) => self.phrase(lexeme, text)?,
            Sign::Quoted(text) if text.is_empty() => Test::Empty,
            Sign::Word { parts, .. } if parts.as_slice() == [PatternPart::Any] => Test::Present,
            Sign::Quoted(_) | Sign::Word { .. } if !lexeme.is_operator() => self.value(lexeme)?,
            _ => return Err(self.expected("a value; quote the words and, or, not, in, and signs")),
        };
        self.take();
        if self.next_sign() == Some(&Sign::Colon) {
            return Err(self.error(self.here(), SearchFault::ColonInValue { field }));
        }
        Ok(self.term(first, Some(field), test))
    }

    /// The name of a field, in full.
    fn field(&self, lexeme: &Lexeme) -> Result<String, Error> {
        if lexeme.plain_word() == Some(SOURCE_SHORT) {
            return Ok(SOURCE.to_owned());
        }
        self.name(lexeme)
    }

    fn name(&self, lexeme: &Lexeme) -> Result<String, Error> {
        match &lexeme.sign {
            Sign::Quoted(text) if text.is_empty() => {
                Err(self.error(lexeme.start, SearchFault::EmptyText { field: "field:\"\"" }))
            }
            Sign::Quoted(text) => Ok(text.clone()),
            Sign::Word { parts, .. } => {
                self.check_word(lexeme)?;
                match parts.as_slice() {
                    [PatternPart::Text(text)] => Ok(text.clone()),
                    _ => Err(self.error(lexeme.start, SearchFault::Wildcard { term: self.written(lexeme) })),
                }
            }
            _ => Err(self.error(
                lexeme.start,
                SearchFault::Expected { wanted: "a field", found: format!("`{}`", self.written(lexeme)) },
            )),
        }
    }

    fn check_word(&self, lexeme: &Lexeme) -> Result<(), Error> {
        let next = self.lexemes.iter().find(|l| l.start > lexeme.start);
        let group_by = lexeme.is("group") && next.is_some_and(|l| l.is("by"));
        if lexeme.is_reserved() || group_by {
            let word = if group_by { "group by".to_owned() } else { self.written(lexeme) };
            return Err(self.error(lexeme.start, SearchFault::Reserved { word }));
        }
        let chars = lexeme.chars();
        if chars > MAX_TERM_CHARS {
            return Err(self.error(lexeme.start, SearchFault::LongTerm { chars }));
        }
        Ok(())
    }

    /// The test for words, quoted or not. An empty text was looked at before.
    fn value(&self, lexeme: &Lexeme) -> Result<Test, Error> {
        match &lexeme.sign {
            Sign::Word { parts, .. } => {
                self.check_word(lexeme)?;
                match parts.as_slice() {
                    [PatternPart::Text(text)] => self.words(lexeme, text).map(Test::Words),
                    [PatternPart::Text(_), ..] => self.pattern(lexeme, parts),
                    _ => Err(self.error(lexeme.start, SearchFault::LeadingWildcard { term: self.written(lexeme) })),
                }
            }
            Sign::Quoted(text) => self.words(lexeme, text).map(Test::Words),
            _ => Err(self.expected("a value")),
        }
    }

    fn words(&self, lexeme: &Lexeme, text: &str) -> Result<String, Error> {
        match tokens(text).take(MAX_WORDS + 1).count() {
            0 => Err(self.error(lexeme.start, SearchFault::NoWord { text: text.to_owned() })),
            n if n > MAX_WORDS => Err(self.error(lexeme.start, SearchFault::ManyWords)),
            _ => Ok(text.to_owned()),
        }
    }

    fn pattern(&self, lexeme: &Lexeme, parts: &[PatternPart]) -> Result<Test, Error> {
        let pattern = Pattern(parts.to_vec());
        if words::of_pattern(&pattern).is_empty() {
            return Err(self.error(lexeme.start, SearchFault::NoWord { text: self.written(lexeme) }));
        }
        Ok(Test::Pattern(pattern))
    }

    fn phrase(&self, lexeme: &Lexeme, text: &str) -> Result<Test, Error> {
        if text.is_empty() {
            return Err(self.error(lexeme.start, SearchFault::EmptyText { field: "field:\"\"" }));
        }
        self.words(lexeme, text).map(Test::Phrase)
    }

    fn comparison(&mut self, first: &Lexeme) -> Result<Node, Error> {
        let field = self.field(first)?;
        if field.ends_with('!') {
            let wanted = "`not field = value`";
            return Err(self.error(first.start, SearchFault::Expected { wanted, found: "`!=`".into() }));
        }
        let Some(Lexeme { sign: Sign::Compare(how), .. }) = self.take() else {
            return Err(self.expected("a comparison"));
        };
        let bound = self.bound()?;
        Ok(self.term(first, Some(field), Test::Compare(vec![(*how, bound)])))
    }

    /// Whether `in` and a bracket come next.
    fn range_follows(&self) -> Result<bool, Error> {
        let Some(word) = self.peek().filter(|l| l.is("in")) else { return Ok(false) };
        let opens = matches!(self.peek_second().map(|l| &l.sign), Some(Sign::Open | Sign::OpenBracket));
        let small = word.plain_word() == Some("in");
        if opens && !small {
            return Err(self.error(word.start, SearchFault::UpperCaseIn));
        }
        Ok(small)
    }

    fn range(&mut self, first: &Lexeme) -> Result<Node, Error> {
        let field = self.field(first)?;
        self.take();
        let low = match self.next_sign() {
            Some(Sign::OpenBracket) => Comparison::AtLeast,
            Some(Sign::Open) => Comparison::Greater,
            _ => return Err(self.expected("`[` or `(` and two numbers behind `in`")),
        };
        let opening = self.here();
        self.take();
        let from = self.bound()?;
        let to = self.bound()?;
        let high = match self.next_sign() {
            Some(Sign::CloseBracket) => Comparison::AtMost,
            Some(Sign::Close) => Comparison::Less,
            None => return Err(self.error(opening, SearchFault::Unclosed { what: "the range" })),
            Some(_) => return Err(self.expected("`]` or `)`")),
        };
        self.take();
        Ok(self.term(first, Some(field), Test::Compare(vec![(low, from), (high, to)])))
    }

    fn bound(&mut self) -> Result<Bound, Error> {
        let Some(lexeme) = self.peek() else { return Err(self.expected("a number or a time")) };
        let text = match &lexeme.sign {
            Sign::Quoted(text) => text.clone(),
            Sign::Word { parts, .. } => match parts.as_slice() {
                [PatternPart::Text(text)] => text.clone(),
                _ => self.written(lexeme),
            },
            _ => return Err(self.expected("a number or a time")),
        };
        let kind = match (is_number(&text), is_time(&text)) {
            _ if text.chars().count() > MAX_BOUND_CHARS => None,
            (true, _) => Some(Bound::Number(text.clone())),
            (_, true) => Some(Bound::Time(text.clone())),
            _ => None,
        };
        let bound = kind.ok_or_else(|| self.error(lexeme.start, SearchFault::Bound { text }))?;
        self.take();
        Ok(bound)
    }
}

fn starts_primary(sign: &Sign) -> bool {
    matches!(sign, Sign::Word { .. } | Sign::Quoted(_) | Sign::Phrase(_) | Sign::Open)
}

fn is_number(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    unsigned.split_once('.').map_or_else(|| digits(unsigned), |(whole, part)| digits(whole) && digits(part))
}

fn is_time(text: &str) -> bool {
    DateTime::parse_from_rfc3339(text).is_ok() || NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok()
}
