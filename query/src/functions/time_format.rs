//! `date_format` and `date_parse`: the %-letters of MySQL, which are not those of strftime (`%i` minutes, `%M` a name).
//! They must never take a letter for another one: what is not there is an error that says so.

use std::fmt::Write;

use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime, Timelike};

use super::scalar::quoted;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

fn unknown(letter: char) -> String {
    format!("%{} is not there; write for example %Y-%m-%d %H:%i:%S", letter.escape_default())
}

/// The time in words of `pattern`.
pub(super) fn format(at: NaiveDateTime, pattern: &str) -> Result<String, String> {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut letters = pattern.chars();
    while let Some(c) = letters.next() {
        match c {
            '%' => letter(&mut out, at, letters.next().unwrap_or('%'))?,
            other => out.push(other),
        }
    }
    Ok(out)
}

fn letter(out: &mut String, at: NaiveDateTime, letter: char) -> Result<(), String> {
    let (noon, hour) = at.hour12();
    let half = if noon { "PM" } else { "AM" };
    let month = MONTHS.get(at.month0() as usize).copied().unwrap_or_default();
    let day = DAYS.get(at.weekday().num_days_from_monday() as usize).copied().unwrap_or_default();
    let written = match letter {
        'a' => write!(out, "{day:.3}"),
        'b' => write!(out, "{month:.3}"),
        'c' => write!(out, "{}", at.month()),
        'd' => write!(out, "{:02}", at.day()),
        'e' => write!(out, "{}", at.day()),
        'f' => write!(out, "{:06}", at.nanosecond() / 1_000),
        'H' => write!(out, "{:02}", at.hour()),
        'h' | 'I' => write!(out, "{hour:02}"),
        'i' => write!(out, "{:02}", at.minute()),
        'j' => write!(out, "{:03}", at.ordinal()),
        'k' => write!(out, "{}", at.hour()),
        'l' => write!(out, "{hour}"),
        'M' => write!(out, "{month}"),
        'm' => write!(out, "{:02}", at.month()),
        'p' => write!(out, "{half}"),
        'r' => write!(out, "{hour:02}:{:02}:{:02} {half}", at.minute(), at.second()),
        'S' | 's' => write!(out, "{:02}", at.second()),
        'T' => write!(out, "{:02}:{:02}:{:02}", at.hour(), at.minute(), at.second()),
        'v' => write!(out, "{:02}", at.iso_week().week()),
        'W' => write!(out, "{day}"),
        'x' => write!(out, "{:04}", at.iso_week().year()),
        'Y' => write!(out, "{:04}", at.year()),
        'y' => write!(out, "{:02}", at.year().rem_euclid(100)),
        'D' | 'U' | 'u' | 'V' | 'w' | 'X' => return Err(unknown(letter)),
        other => write!(out, "{other}"),
    };
    written.map_err(|_| "the text could not be made".into())
}

/// What was read so far.
struct Read<'a> {
    rest: &'a str,
    year: i32,
    month: u32,
    day: u32,
    ordinal: Option<u32>,
    hour: u32,
    afternoon: Option<bool>,
    minute: u32,
    second: u32,
    micros: u32,
}

/// The time that `text` means, all of it read after `pattern`.
pub(super) fn parse(text: &str, pattern: &str) -> Result<NaiveDateTime, String> {
    let misfit = || format!("{} does not fit {}", quoted(text), quoted(pattern));
    let mut read = Read {
        rest: text,
        year: 1970,
        month: 1,
        day: 1,
        ordinal: None,
        hour: 0,
        afternoon: None,
        minute: 0,
        second: 0,
        micros: 0,
    };
    let mut letters = pattern.chars();
    while let Some(c) = letters.next() {
        let fits = match c {
            '%' => read.letter(letters.next().unwrap_or('%'))?,
            other => read.literal(other),
        };
        fits.ok_or_else(misfit)?;
    }
    if !read.rest.is_empty() {
        return Err(misfit());
    }
    read.finish().ok_or_else(misfit)
}

impl Read<'_> {
    fn literal(&mut self, c: char) -> Option<()> {
        self.rest = self.rest.strip_prefix(c)?;
        Some(())
    }

    /// A number of at most so many digits.
    fn number(&mut self, most: usize) -> Option<u32> {
        let digits = self.rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
        let (number, rest) = self.rest.split_at(digits);
        self.rest = rest;
        number.parse().ok()
    }

    /// The number, from 1, of the name that stands here; the first three letters do where `short`.
    fn name(&mut self, names: &[&str], short: bool) -> Option<u32> {
        for (at, name) in names.iter().enumerate() {
            let name = if short { &name[..3] } else { name };
            if self.rest.get(..name.len()).is_some_and(|here| here.eq_ignore_ascii_case(name)) {
                self.rest = &self.rest[name.len()..];
                return u32::try_from(at + 1).ok();
            }
        }
        None
    }

    fn half(&mut self) -> Option<()> {
        self.afternoon = Some(self.name(&["AM ", "PM "].map(|n| &n[..2]), false)? == 2);
        Some(())
    }

    fn fraction(&mut self) -> Option<()> {
        let digits = self.rest.bytes().take(6).take_while(u8::is_ascii_digit).count();
        let shift = 10_u32.pow(u32::try_from(6 - digits).ok()?);
        self.micros = self.number(6)? * shift;
        // Finer digits are cut off.
        self.rest = self.rest.trim_start_matches(|c: char| c.is_ascii_digit());
        Some(())
    }

    /// `Err` for a letter that is not there, `None` where the text does not fit.
    fn letter(&mut self, letter: char) -> Result<Option<()>, String> {
        let mut set = |field: fn(&mut Self) -> &mut u32, most: usize| {
            let number = self.number(most)?;
            *field(self) = number;
            Some(())
        };
        Ok(match letter {
            'c' | 'm' => set(|r| &mut r.month, 2),
            'd' | 'e' => set(|r| &mut r.day, 2),
            'H' | 'k' | 'h' | 'I' | 'l' => set(|r| &mut r.hour, 2),
            'i' => set(|r| &mut r.minute, 2),
            'S' | 's' => set(|r| &mut r.second, 2),
            'a' => self.name(&DAYS, true).map(drop),
            'W' => self.name(&DAYS, false).map(drop),
            'b' => self.name(&MONTHS, true).map(|month| self.month = month),
            'M' => self.name(&MONTHS, false).map(|month| self.month = month),
            'f' => self.fraction(),
            'j' => self.number(3).map(|day| self.ordinal = Some(day)),
            'p' => self.half(),
            'Y' => self.number(4).and_then(|year| i32::try_from(year).ok()).map(|year| self.year = year),
            'y' => self.number(2).and_then(|y| i32::try_from(y).ok()).map(|y| self.year = y + century(y)),
            'T' => self.clock(),
            'r' => self.clock().and_then(|()| self.literal(' ')).and_then(|()| self.half()),
            'D' | 'U' | 'u' | 'V' | 'v' | 'w' | 'X' | 'x' => return Err(unknown(letter)),
            other => self.literal(other),
        })
    }

    fn clock(&mut self) -> Option<()> {
        self.hour = self.number(2)?;
        self.literal(':')?;
        self.minute = self.number(2)?;
        self.literal(':')?;
        self.second = self.number(2)?;
        Some(())
    }

    fn finish(self) -> Option<NaiveDateTime> {
        let hour = match self.afternoon {
            Some(_) if !(1..=12).contains(&self.hour) => return None,
            Some(afternoon) => self.hour % 12 + if afternoon { 12 } else { 0 },
            None => self.hour,
        };
        let day = match self.ordinal {
            Some(ordinal) => NaiveDate::from_yo_opt(self.year, ordinal)?,
            None => NaiveDate::from_ymd_opt(self.year, self.month, self.day)?,
        };
        Some(day.and_time(NaiveTime::from_hms_micro_opt(hour, self.minute, self.second, self.micros)?))
    }
}

/// Two digits from 70 on are of the last century.
fn century(year: i32) -> i32 {
    if year < 70 { 2000 } else { 1900 }
}
