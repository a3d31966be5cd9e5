//! The condition of a detection: names of selections with `and`, `or`, `not`, brackets, and `1 of …`, `all of …`.
//! `not` binds tighter than `and`, `and` tighter than `or`. It must know the place of every word that it refuses.

use std::collections::BTreeSet;

use crate::fault::{did_you_mean, shown};

/// Deepest nesting of brackets and `not`.
const MAX_DEPTH: usize = 32;

/// A condition over numbered selections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Condition {
    Selection(usize),
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
}

impl Condition {
    pub(crate) fn holds(&self, selection: &dyn Fn(usize) -> bool) -> bool {
        match self {
            Self::Selection(at) => selection(*at),
            Self::All(parts) => parts.iter().all(|part| part.holds(selection)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(selection)),
            Self::Not(part) => !part.holds(selection),
        }
    }

    /// What is needed for it to hold, given what each selection needs: the smallest of what all parts need together, the
    /// sum of alternatives. What is negated needs nothing.
    pub(crate) fn needs(&self, selection: &dyn Fn(usize) -> Option<BTreeSet<String>>) -> Option<BTreeSet<String>> {
        match self {
            Self::Selection(at) => selection(*at),
            Self::All(parts) => parts.iter().filter_map(|part| part.needs(selection)).min_by_key(BTreeSet::len),
            Self::Any(parts) => parts.iter().try_fold(BTreeSet::new(), |mut all, part| {
                all.extend(part.needs(selection)?);
                Some(all)
            }),
            Self::Not(_) => None,
        }
    }

    /// The selections that stand under an odd number of `not`.
    pub(crate) fn negated(&self, under: bool, found: &mut BTreeSet<usize>) {
        match self {
            Self::Selection(at) => {
                if under {
                    found.insert(*at);
                }
            }
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.negated(under, found)),
            Self::Not(part) => part.negated(!under, found),
        }
    }

    /// Reads a condition. `Err`: the character where it goes wrong, and how.
    pub(crate) fn parse(text: &str, names: &[&str]) -> Result<Self, (usize, String)> {
        let words = split(text)?;
        let end = text.chars().count();
        let mut parser = Parser { words: &words, at: 0, end, names };
        let condition = parser.any(0)?;
        match parser.words.get(parser.at) {
            None => Ok(condition),
            Some((at, word)) => Err((*at, format!("unexpected {}; join conditions with `and` or `or`", shown(word)))),
        }
    }
}

/// Words and brackets, with the character each begins at.
fn split(text: &str) -> Result<Vec<(usize, String)>, (usize, String)> {
    let mut words: Vec<(usize, String)> = Vec::new();
    let mut open = false;
    for (at, c) in text.chars().enumerate() {
        match c {
            '(' | ')' => words.push((at, c.to_string())),
            '|' => {
                return Err((at, "aggregations behind a pipe are an old form; write a `correlation` rule".to_owned()));
            }
            c if c.is_whitespace() => {}
            c if c.is_alphanumeric() || "_-*.".contains(c) => match words.last_mut() {
                Some((_, word)) if open => word.push(c),
                _ => words.push((at, c.to_string())),
            },
            other => return Err((at, format!("a condition has no {}", shown(&other.to_string())))),
        }
        open = !c.is_whitespace() && c != '(' && c != ')';
    }
    Ok(words)
}

struct Parser<'a> {
    words: &'a [(usize, String)],
    at: usize,
    end: usize,
    names: &'a [&'a str],
}

impl Parser<'_> {
    fn peek(&self) -> Option<String> {
        self.words.get(self.at).map(|(_, word)| word.to_lowercase())
    }

    fn place(&self) -> usize {
        self.words.get(self.at).map_or(self.end, |(at, _)| *at)
    }

    fn takes(&mut self, word: &str) -> bool {
        let found = self.peek().is_some_and(|next| next == word);
        self.at += usize::from(found);
        found
    }

    fn any(&mut self, depth: usize) -> Result<Condition, (usize, String)> {
        let mut parts = vec![self.all(depth)?];
        while self.takes("or") {
            parts.push(self.all(depth)?);
        }
        Ok(one_or(parts, Condition::Any))
    }

    fn all(&mut self, depth: usize) -> Result<Condition, (usize, String)> {
        let mut parts = vec![self.part(depth)?];
        while self.takes("and") {
            parts.push(self.part(depth)?);
        }
        Ok(one_or(parts, Condition::All))
    }

    fn part(&mut self, depth: usize) -> Result<Condition, (usize, String)> {
        if depth > MAX_DEPTH {
            return Err((self.place(), format!("nested deeper than {MAX_DEPTH} levels")));
        }
        if self.takes("not") {
            return Ok(Condition::Not(Box::new(self.part(depth + 1)?)));
        }
        if self.takes("(") {
            let inner = self.any(depth + 1)?;
            return if self.takes(")") { Ok(inner) } else { Err((self.place(), "a `)` is missing here".to_owned())) };
        }
        let of = self.words.get(self.at + 1).is_some_and(|(_, word)| word.eq_ignore_ascii_case("of"));
        if of { self.several() } else { self.selection() }
    }

    fn selection(&mut self) -> Result<Condition, (usize, String)> {
        let Some((at, word)) = self.words.get(self.at) else {
            return Err((self.end, "the name of a selection is missing here".to_owned()));
        };
        if ["and", "or", ")", "of"].contains(&word.to_lowercase().as_str()) {
            return Err((*at, format!("the name of a selection is missing before {}", shown(word))));
        }
        self.at += 1;
        match self.names.iter().position(|name| name == word) {
            Some(found) => Ok(Condition::Selection(found)),
            None => {
                let meant = did_you_mean(word, self.names.iter().copied());
                Err((*at, format!("there is no selection {}{meant}", shown(word))))
            }
        }
    }

    /// `1 of x*`, `any of them`, `all of x*`.
    fn several(&mut self) -> Result<Condition, (usize, String)> {
        let (place, word) = (self.place(), self.peek().unwrap_or_default());
        let all = match word.as_str() {
            "all" => true,
            "1" | "any" => false,
            _ => {
                return Err((
                    place,
                    format!("{} is no number of selections; use `1 of`, `any of` or `all of`", shown(&word)),
                ));
            }
        };
        self.at += 2;
        let Some((at, pattern)) = self.words.get(self.at) else {
            return Err((self.end, "which selections? name them by `them` or a name with `*`".to_owned()));
        };
        self.at += 1;
        let found: Vec<Condition> =
            (0..self.names.len()).filter(|i| is_named(self.names[*i], pattern)).map(Condition::Selection).collect();
        if found.is_empty() {
            return Err((*at, format!("no selection is named {}", shown(pattern))));
        }
        Ok(one_or(found, if all { Condition::All } else { Condition::Any }))
    }
}

fn one_or(mut parts: Vec<Condition>, more: fn(Vec<Condition>) -> Condition) -> Condition {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        Some(last) => {
            parts.push(last);
            more(parts)
        }
        None => more(parts),
    }
}

/// `them` are all selections whose name does not begin with an underscore.
fn is_named(name: &str, pattern: &str) -> bool {
    if pattern.eq_ignore_ascii_case("them") {
        return !name.starts_with('_');
    }
    match pattern.split_once('*') {
        None => name == pattern,
        Some((start, rest)) => name.strip_prefix(start).is_some_and(|tail| match rest.rsplit_once('*') {
            None => tail.ends_with(rest),
            Some((middle, end)) => tail.ends_with(end) && tail.contains(middle),
        }),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const NAMES: [&str; 4] = ["selection", "filter_a", "filter_b", "_hidden"];

    fn holds(text: &str, on: &[usize]) -> bool {
        Condition::parse(text, &NAMES).unwrap().holds(&|at| on.contains(&at))
    }

    /// The story: the vendor's own rule reads `service and A or B`, and filters by service for A alone.
    #[test]
    fn and_binds_tighter_than_or() {
        assert!(holds("selection and filter_a or filter_b", &[2]));
        assert!(!holds("selection and (filter_a or filter_b)", &[2]));
        assert!(holds("not filter_a and selection", &[0]));
        assert!(!holds("not (filter_a or selection)", &[0]));
    }

    #[test]
    fn several_at_once() {
        assert!(holds("selection and not 1 of filter_*", &[0]));
        assert!(!holds("selection and not 1 of filter_*", &[0, 2]));
        assert!(holds("all of filter_*", &[1, 2]));
        assert!(holds("all of them", &[0, 1, 2]), "an underscore hides");
        assert!(!holds("any of them", &[3]));
    }

    #[test]
    fn every_refusal_has_its_place() {
        for (text, place, word) in [
            ("selection and", 13, "missing"),
            ("selection or slection", 13, "did you mean `selection`?"),
            ("(selection", 10, "`)`"),
            ("selection filter_a", 10, "unexpected"),
            ("2 of filter_*", 0, "no number"),
            ("1 of x_*", 5, "no selection is named"),
            ("selection | count() > 5", 10, "correlation"),
            ("selection & filter_a", 10, "has no"),
            ("", 0, "missing"),
        ] {
            let (at, message) = Condition::parse(text, &NAMES).unwrap_err();
            assert_eq!(at, place, "{text}: {message}");
            assert!(message.contains(word), "{text}: {message}");
        }
        assert!(Condition::parse(&"not ".repeat(99), &NAMES).is_err());
    }
}
