//! Which rows stand on a page, by event time and then by sequence number.
//! It must never read what it can count: of a page far from the ends only the rows around it are looked at.
//!
//! A part is taken up when no other one can hold earlier rows. It is enough when the rows before everything that was not
//! taken up reach the page's end. Of what was taken up, whatever lies before the page as a whole is counted without
//! being read.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use super::filter::Filter;
use super::part::{CHUNK, Findings, Part};
use super::times::{Ends, TimeRange};
use crate::Error;

/// Rows to be given, of all that match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// How many rows stand before the page.
    pub offset: u64,
    /// Rows of the page at the most.
    pub rows: usize,
    /// From the newest on, else from the oldest on.
    pub newest_first: bool,
}

/// The rows of a page: part, and place in it.
#[derive(Debug)]
pub(super) struct Picked {
    pub(super) rows: Vec<(usize, u32)>,
    /// Whether there was time to find them all.
    pub(super) complete: bool,
    /// Rows that were looked at or counted.
    pub(super) looked_at: u64,
}

/// What is wanted, of which parts, and until when.
pub(super) struct Walk<'a> {
    pub(super) parts: &'a [Part],
    pub(super) findings: &'a Findings,
    pub(super) filter: Option<&'a Filter>,
    pub(super) range: TimeRange,
    pub(super) deadline: Instant,
}

/// Rows that are in the range and match, and lie between two places in the order.
struct Block {
    part: usize,
    /// `None`: the whole part, of which only the time decides.
    chunk: Option<usize>,
    first: i64,
    last: i64,
    count: u64,
}

/// Time as a number that grows along the page's order.
#[derive(Clone, Copy)]
struct Order(bool);

impl Order {
    fn of(self, time: i64) -> i64 {
        if self.0 { !time } else { time }
    }

    fn ends(self, ends: Ends) -> (i64, i64) {
        if self.0 { (!ends.most, !ends.least) } else { (ends.least, ends.most) }
    }

    /// Rows of one time stand in the order in which they were appended, or against it.
    fn seq(self, seq: u64) -> u64 {
        if self.0 { !seq } else { seq }
    }
}

impl Walk<'_> {
    /// The rows of a page.
    pub(super) fn page(&self, page: Page) -> Result<Picked, Error> {
        let order = Order(page.newest_first);
        let need = page.offset.saturating_add(page.rows as u64);
        let (blocks, certain, looked_at) = self.blocks(order, need)?;
        let (from, to) = window(&blocks, page.offset, need);
        // What was not taken up may hold rows from here on.
        let to = certain.map_or(to, |first| to.min(first.saturating_sub(1)));
        let rows = self.rows(&blocks, order, page, (from, to))?;
        let complete = rows.len() >= page.rows || certain.is_none();
        Ok(Picked { rows, complete, looked_at })
    }

    /// Blocks until those that are certain hold `need` rows. The second: where what was not taken up begins, if it
    /// was for lack of time. The third: rows taken up.
    fn blocks(&self, order: Order, need: u64) -> Result<(Vec<Block>, Option<i64>, u64), Error> {
        let mut waiting: BinaryHeap<Reverse<(i64, usize, Option<usize>)>> = BinaryHeap::new();
        for (at, part) in self.parts.iter().enumerate().filter(|(_, part)| self.range.meets(part.ends)) {
            waiting.push(Reverse((order.ends(part.ends).0, at, None)));
        }
        let mut blocks: Vec<Block> = Vec::new();
        let mut uncertain: BinaryHeap<Reverse<(i64, u64)>> = BinaryHeap::new();
        let (mut certain, mut looked_at) = (0u64, 0u64);
        while let Some(&Reverse((next, at, chunk))) = waiting.peek() {
            while let Some(Reverse((_, count))) = uncertain.peek().copied().filter(|Reverse((last, _))| *last < next) {
                certain += count;
                uncertain.pop();
            }
            if certain >= need {
                break;
            }
            if Instant::now() >= self.deadline {
                return Ok((blocks, Some(next), looked_at));
            }
            waiting.pop();
            let part = &self.parts[at];
            let block = match (self.filter, chunk) {
                (None, _) => {
                    looked_at += part.rows as u64;
                    self.whole(at, order)?
                }
                (Some(filter), None) => {
                    self.divide(at, filter, |chunk, ends| {
                        waiting.push(Reverse((order.ends(ends).0, at, Some(chunk))));
                    })?;
                    None
                }
                (Some(filter), Some(chunk)) => {
                    looked_at += CHUNK.min(part.rows) as u64;
                    self.matching(at, chunk, filter, order)?
                }
            };
            if let Some(block) = block.filter(|b| b.count > 0) {
                uncertain.push(Reverse((block.last, block.count)));
                blocks.push(block);
            }
        }
        Ok((blocks, None, looked_at))
    }

    /// A part of which every row matches.
    fn whole(&self, at: usize, order: Order) -> Result<Option<Block>, Error> {
        let part = &self.parts[at];
        let (ends, count) = if self.range.holds_all(part.ends) {
            (Some(part.ends), part.rows as u64)
        } else {
            let times = self.findings.times(part)?;
            let inside = || times.iter().copied().filter(|t| self.range.holds(*t));
            (Ends::of(inside()), inside().count() as u64)
        };
        Ok(ends.map(|ends| {
            let (first, last) = order.ends(ends);
            Block { part: at, chunk: None, first, last, count }
        }))
    }

    /// The chunks of a part that may hold rows that match.
    pub(super) fn divide(&self, at: usize, filter: &Filter, mut each: impl FnMut(usize, Ends)) -> Result<(), Error> {
        let part = &self.parts[at];
        let chunks = self.findings.chunks(part, filter)?;
        if chunks.is_empty() {
            return Ok(());
        }
        let ends = self.findings.ends(part)?;
        let of = |chunk: usize| ends.get(chunk).map(|ends| (chunk, *ends));
        chunks.into_iter().filter_map(of).filter(|(_, ends)| self.range.meets(*ends)).for_each(|(c, e)| each(c, e));
        Ok(())
    }

    fn matching(&self, at: usize, chunk: usize, filter: &Filter, order: Order) -> Result<Option<Block>, Error> {
        let matches = self.findings.matches(&self.parts[at], chunk, filter)?;
        let inside = || matches.iter().map(|m| m.time).filter(|t| self.range.holds(*t));
        Ok(Ends::of(inside()).map(|ends| {
            let (first, last) = order.ends(ends);
            Block { part: at, chunk: Some(chunk), first, last, count: inside().count() as u64 }
        }))
    }

    /// The page's rows: those between two places in the order, without those that stand before the page.
    fn rows(
        &self,
        blocks: &[Block],
        order: Order,
        page: Page,
        (from, to): (i64, i64),
    ) -> Result<Vec<(usize, u32)>, Error> {
        let mut before: u64 = blocks.iter().filter(|b| b.last < from).map(|b| b.count).sum();
        let left = page.offset.saturating_add(page.rows as u64).saturating_sub(before);
        let left = usize::try_from(left).unwrap_or(usize::MAX);
        let mut found: Vec<(i64, u64, usize, u32)> = Vec::new();
        for block in blocks.iter().filter(|b| b.last >= from && b.first <= to) {
            self.each(block, |time, row| {
                let place = order.of(time);
                if place < from {
                    before += 1;
                } else if place <= to {
                    let seq = self.parts[block.part].first_seq + u64::from(row);
                    found.push((place, order.seq(seq), block.part, row));
                }
            })?;
            if found.len() / 2 > left.saturating_add(2_048) {
                found.select_nth_unstable(left);
                found.truncate(left);
            }
        }
        found.sort_unstable();
        let skip = usize::try_from(page.offset.saturating_sub(before)).unwrap_or(usize::MAX);
        Ok(found.into_iter().skip(skip).take(page.rows).map(|(_, _, part, row)| (part, row)).collect())
    }

    /// The rows of a block.
    fn each(&self, block: &Block, mut each: impl FnMut(i64, u32)) -> Result<(), Error> {
        let part = &self.parts[block.part];
        match (block.chunk, self.filter) {
            (Some(chunk), Some(filter)) => {
                let matches = self.findings.matches(part, chunk, filter)?;
                let base = u32::try_from(chunk * CHUNK).unwrap_or(u32::MAX);
                matches.iter().filter(|m| self.range.holds(m.time)).for_each(|m| each(m.time, base + m.row));
            }
            _ => {
                let times = self.findings.times(part)?;
                (0u32..).zip(times.iter()).filter(|(_, t)| self.range.holds(**t)).for_each(|(row, t)| each(*t, row));
            }
        }
        Ok(())
    }
}

/// Two places in the order: rows before the first stand before the page, and at least `need` rows stand up to the
/// second.
fn window(blocks: &[Block], offset: u64, need: u64) -> (i64, i64) {
    let reaches = |ends: &mut Vec<(i64, u64)>, rows: u64| {
        ends.sort_unstable();
        let mut sum = 0u64;
        let found = ends.iter().find(|(_, count)| {
            sum = sum.saturating_add(*count);
            sum >= rows
        });
        found.map(|(at, _)| *at)
    };
    let mut firsts: Vec<(i64, u64)> = blocks.iter().map(|b| (b.first, b.count)).collect();
    let mut lasts: Vec<(i64, u64)> = blocks.iter().map(|b| (b.last, b.count)).collect();
    // Up to the block with which there may be more rows than stand before the page.
    let from = reaches(&mut firsts, offset.saturating_add(1)).unwrap_or(i64::MAX);
    (from, reaches(&mut lasts, need.max(1)).unwrap_or(i64::MAX))
}
