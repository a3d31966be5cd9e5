//! Texts that stand for many: Vector's templates and globs, and whether two of them can mean the same.
//!
//! Errs to one side: where it cannot tell, two texts may mean the same. It must never look at the file system.

/// A piece of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece {
    Char(char),
    /// Any number of characters of a set.
    Run(Set),
}

/// Which characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Set {
    Digits,
    Letters,
    /// What a date or a time of day is written with.
    Clock,
    Any,
}

impl Set {
    fn holds(self, c: char) -> bool {
        match self {
            Self::Digits => c.is_ascii_digit() || c == ' ',
            Self::Letters => c.is_alphabetic(),
            Self::Clock => c.is_alphanumeric() || matches!(c, ' ' | ':' | '-' | '+' | '.' | '/' | ','),
            Self::Any => true,
        }
    }
}

/// Longest texts that are looked at, in bytes; longer ones may mean anything.
pub(super) const MAX_BYTES: usize = 2048;

/// Vector's template: `{{ field }}` is anything, `%Y` and its like are what a time can give.
pub(super) fn template(text: &str) -> Vec<Piece> {
    if text.len() > MAX_BYTES {
        return vec![Piece::Run(Set::Any)];
    }
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some((_, behind)) = rest.strip_prefix("{{").and_then(|inside| inside.split_once("}}")) {
            pieces.push(Piece::Run(Set::Any));
            rest = behind;
        } else if c == '%' {
            let (piece, behind) = of_time(&rest[1..]);
            pieces.push(piece);
            rest = behind;
        } else {
            pieces.push(Piece::Char(c));
            rest = &rest[c.len_utf8()..];
        }
    }
    pieces
}

/// A specifier of a time, behind its `%`.
fn of_time(text: &str) -> (Piece, &str) {
    // `%-d`, `%.3f`, `%:z`: what stands between decides on padding and precision.
    let letter = text.trim_start_matches(['-', '_', '.', ':', '#', '0', '3', '6', '9']);
    let Some(c) = letter.chars().next() else { return (Piece::Run(Set::Any), "") };
    let piece = match c {
        '%' => Piece::Char('%'),
        'Y' | 'C' | 'y' | 'm' | 'd' | 'e' | 'H' | 'I' | 'k' | 'l' | 'M' | 'S' | 'j' | 'U' | 'W' | 'G' | 'g' | 'V'
        | 'u' | 'w' | 's' => Piece::Run(Set::Digits),
        'B' | 'b' | 'h' | 'A' | 'a' | 'p' | 'P' => Piece::Run(Set::Letters),
        'F' | 'T' | 'D' | 'x' | 'R' | 'X' | 'r' | 'c' | 'z' | 'Z' | 'f' | 'v' | '+' => Piece::Run(Set::Clock),
        _ => Piece::Run(Set::Any),
    };
    (piece, &letter[c.len_utf8()..])
}

/// A glob of files: `*`, `?`, `[…]` and `{…}` are anything.
pub(super) fn glob(text: &str) -> Vec<Piece> {
    if text.len() > MAX_BYTES {
        return vec![Piece::Run(Set::Any)];
    }
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let close = match c {
            '[' => Some(']'),
            '{' => Some('}'),
            _ => None,
        };
        let behind = close.and_then(|close| rest.find(close)).map(|at| &rest[at + 1..]);
        pieces.push(if close.is_some() || matches!(c, '*' | '?') { Piece::Run(Set::Any) } else { Piece::Char(c) });
        rest = behind.unwrap_or(&rest[c.len_utf8()..]);
    }
    pieces
}

/// A path without `.`, `..`, doubled and closing slashes, as far as its text says.
pub(super) fn path(pieces: &[Piece]) -> Vec<Piece> {
    let mut kept: Vec<&[Piece]> = Vec::new();
    for part in pieces.split(|piece| *piece == Piece::Char('/')) {
        match part {
            [] | [Piece::Char('.')] => {}
            [Piece::Char('.'), Piece::Char('.')] => match kept.last() {
                // What a template stands for may have slashes of its own.
                Some(last) if last.iter().any(|piece| matches!(piece, Piece::Run(_))) => {
                    kept.pop();
                    kept.push(&[Piece::Run(Set::Any)]);
                }
                _ => drop(kept.pop()),
            },
            part => kept.push(part),
        }
    }
    let root = pieces.first() == Some(&Piece::Char('/'));
    let joined = kept.join(&Piece::Char('/'));
    if root { std::iter::once(Piece::Char('/')).chain(joined).collect() } else { joined }
}

/// Whether there is a text that both can stand for.
pub(super) fn may_coincide(one: &[Piece], other: &[Piece]) -> bool {
    // Which beginnings of `other` can stand for the same as the pieces of `one` so far.
    let mut reached = vec![false; other.len() + 1];
    reached[0] = true;
    skip_runs(&mut reached, other);
    for piece in one {
        let mut next = vec![false; other.len() + 1];
        for at in (0..=other.len()).filter(|at| reached[*at]) {
            match (piece, other.get(at)) {
                (Piece::Char(c), Some(Piece::Char(d))) => next[at + 1] |= c == d,
                (Piece::Char(c), Some(Piece::Run(set))) => next[at] |= set.holds(*c),
                (Piece::Char(_), None) => {}
                (Piece::Run(set), _) => {
                    // It takes as many of the other's pieces as it can hold.
                    let holds = |p: &Piece| matches!(p, Piece::Run(_)) || matches!(p, Piece::Char(c) if set.holds(*c));
                    let taken = other[at..].iter().take_while(|piece| holds(piece)).count();
                    next[at..=at + taken].fill(true);
                }
            }
        }
        if !next.contains(&true) {
            return false;
        }
        skip_runs(&mut next, other);
        reached = next;
    }
    reached[other.len()]
}

/// A run may be empty.
fn skip_runs(reached: &mut [bool], pieces: &[Piece]) {
    for (at, piece) in pieces.iter().enumerate() {
        if reached[at] && matches!(piece, Piece::Run(_)) {
            reached[at + 1] = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn same(one: &str, other: &str) -> bool {
        may_coincide(&path(&template(one)), &path(&template(other)))
    }

    #[test]
    fn paths_in_another_spelling_are_the_same() {
        for (one, other) in [
            ("/var/log/x.log", "/var/log/./x.log"),
            ("/var/log/x.log", "//var//log/a/../x.log"),
            ("/var/log/x", "/var/log/x/"),
            ("/var/log/it/it-%Y-%m-%d.log", "/var/log/{{ app }}/{{ name }}.log"),
            ("/var/log/it-%Y.log", "/var/log/it-%F.log"),
            ("/var/log/it-%Y.log", "/var/log/it-2026.log"),
            ("/a/{{ x }}/../b", "/a/c/b"),
            ("100%%", "100%%"),
            ("{{ a }}x", "y{{ b }}"),
            ("a%", "ab"),
        ] {
            assert!(same(one, other) && same(other, one), "{one} {other}");
        }
        for (one, other) in [
            ("/var/log/a", "/var/log/b"),
            ("/var/log/innertrail/%Y.ndjson", "/var/log/others/%Y.ndjson"),
            ("/var/log/%Y-%m-%d.log", "/var/log/audit-%Y.log"),
            ("/var/log/it-%Y.log", "/var/log/it-%Y.ndjson"),
            ("x{{ a }}", "y{{ a }}"),
            ("/x", "x"),
            ("", "x"),
        ] {
            assert!(!same(one, other) && !same(other, one), "{one} {other}");
        }
    }

    #[test]
    fn globs_hold_files() {
        let holds = |pattern: &str, file: &str| may_coincide(&path(&glob(pattern)), &path(&template(file)));
        assert!(holds("/spool/*.ndjson", "/spool/./a-%Y.ndjson"));
        assert!(holds("/spool/[ab].{log,txt}", "/spool/a.log"));
        assert!(!holds("/spool/*.ndjson", "/var/a.ndjson"));
        assert!(may_coincide(&glob(&"*a".repeat(5000)), &glob("x")), "too long to tell");
    }

    proptest! {
        /// Whatever fields and times stand for, the two that gave one text are never called different.
        #[test]
        fn what_gives_the_same_text_may_coincide(text in "[a-d/.]{0,12}", cuts in prop::collection::vec((0usize..12, 0usize..4, any::<bool>()), 0..6)) {
            let mut ways = [template(&text), template(&text)];
            for (at, length, first) in cuts {
                let way = &mut ways[usize::from(first)];
                let (from, to) = (at.min(way.len()), (at + length).min(way.len()));
                way.splice(from..to, [Piece::Run(Set::Any)]);
            }
            prop_assert!(may_coincide(&ways[0], &ways[1]));
            prop_assert!(may_coincide(&ways[1], &ways[0]));
        }
    }
}
