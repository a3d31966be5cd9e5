//! Searches, histograms and contexts: `POST …/logs`, `GET …?type=log`, `…=histogram`, `…=context_log`.
//! It must never know how a question is answered, and never answer one that would change a record.
//!
//! # Time
//! A log's time is the event's own, in seconds; a record without one has the time at which it was received. A range
//! includes its beginning and not its end. So over all time, the logs that pages give one after the other, the sum of a
//! histogram, the logs that are pulled and what `innertrail query` counts are the same number.

mod answer;
mod engine;
mod log;
mod pieces;
mod request;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use innertrail_logstore::{Store, StoredRow};

pub use engine::{Counts, Engine, Page, PageOf, Question, Refusal, State, Table, TimeRange};

use crate::pull::Codec;
use crate::{Answer, ApiError, Call, Parameters};
use answer::{Meta, Record};
use pieces::Piece;
use request::Asked;

/// What marks the place of a log, where it is asked for: these two, given back, ask for its neighbours.
const PACK_ID: &str = "__tag__:__pack_id__";
const PACK_META: &str = "__pack_meta__";
/// A neighbour's distance from the log that was asked about.
const DISTANCE: &str = "__index_number__";
/// Neighbours on one side at the most.
const MAX_NEIGHBOURS: i64 = 100;

/// How much may be asked at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SearchLimits {
    /// Searches, histograms and contexts at a time.
    pub searches: usize,
    /// Questions with SQL at a time.
    pub analyses: usize,
    /// Bytes of a result of SQL.
    pub result_bytes: usize,
}

impl Default for SearchLimits {
    /// 100 and 15, as Log Service allows a project; 64 MiB.
    fn default() -> Self {
        Self { searches: 100, analyses: 15, result_bytes: 64 * 1024 * 1024 }
    }
}

/// Answers searches. Calls block: they belong on a thread that may wait.
pub struct Searches {
    engine: Arc<dyn Engine>,
    limits: SearchLimits,
    searching: AtomicUsize,
    analysing: AtomicUsize,
}

impl std::fmt::Debug for Searches {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Searches").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Searches {
    /// Asks this engine.
    #[must_use]
    pub fn new(engine: Arc<dyn Engine>, limits: SearchLimits) -> Self {
        Self { engine, limits, searching: AtomicUsize::new(0), analysing: AtomicUsize::new(0) }
    }

    /// `POST LS/logs`: question and page in the body.
    ///
    /// # Errors
    /// 400 with the place of the fault in the question, 403 for SQL that writes or too many questions at a time.
    pub fn logs_v3(&self, call: &Call, store: Store) -> Result<Answer, ApiError> {
        let (meta, data) = self.logs(&request::of_json(&call.body)?, store)?;
        packed(meta.v3(&data)?, Codec::wanted(&call.headers))
    }

    /// `GET LS?type=log`: the same with parameters.
    ///
    /// # Errors
    /// As [`Searches::logs_v3`].
    pub fn logs_v1(&self, call: &Call, store: Store) -> Result<Answer, ApiError> {
        let (meta, data) = self.logs(&call.parameters, store)?;
        meta.v1(&data)
    }

    fn logs(&self, parameters: &Parameters, store: Store) -> Result<(Meta, Vec<Record>), ApiError> {
        let begun = Instant::now();
        let asked = Asked::of(parameters)?;
        let state = self.engine.state(store)?;
        let question = state.question(&asked.query, asked.topic.as_deref())?;
        let (mut meta, data) = match question.sql() {
            Some(_) => self.table(&*question, &asked)?,
            None => {
                let page = request::page(parameters)?;
                let _slot = Slot::take(&self.searching, self.limits.searches)?;
                let found = question.page(asked.range, page)?;
                let each = |row: &StoredRow| {
                    let mut fields = log::fields(row, state.layout(), store);
                    if question.with_places() {
                        fields.extend(place(store, row.seq));
                    }
                    Record(fields)
                };
                let data: Vec<Record> = found.rows.iter().map(each).collect();
                let meta = Meta {
                    complete: found.complete,
                    processed_rows: found.looked_at,
                    limited: page.rows as u64,
                    keys: keys(&data),
                    ..Meta::default()
                };
                (meta, data)
            }
        };
        meta.where_query = question.search().to_owned();
        meta.agg_query = question.sql().map(str::to_owned);
        meta.words = question.words();
        meta.power_sql = asked.power_sql;
        meta.elapsed_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok((meta, data))
    }

    fn table(&self, question: &dyn Question, asked: &Asked) -> Result<(Meta, Vec<Record>), ApiError> {
        let _slot = Slot::take(&self.analysing, self.limits.analyses)?;
        let table = question.table(asked.range, self.limits.result_bytes)?;
        let data = table.rows.into_iter().map(|row| answer::record(&table.columns, row)).collect();
        let (keys, column_types) = table.columns.into_iter().unzip();
        let limited = table.limit.unwrap_or(0);
        let meta =
            Meta { complete: true, processed_rows: table.looked_at, limited, keys, column_types, ..Meta::default() };
        Ok((meta, data))
    }

    /// `GET LS?type=histogram`: how many logs match in each piece of a range. SQL behind the search is not looked at.
    ///
    /// # Errors
    /// As [`Searches::logs_v3`].
    pub fn histograms(&self, call: &Call, store: Store) -> Result<Answer, ApiError> {
        let asked = Asked::of(&call.parameters)?;
        let interval = request::integer(&call.parameters, "interval", "ParameterInvalid")?;
        // Pieces are of whole seconds, so a range that begins or ends within one has it as a piece that is cut.
        let end = asked.to.saturating_add(i64::from(asked.range.to_us > asked.to.saturating_mul(1_000_000)));
        let seconds = pieces::bounds(asked.from, end, interval)?;
        let mut bounds: Vec<i64> = seconds.iter().map(|s| s.saturating_mul(1_000_000)).collect();
        if let Some(first) = bounds.first_mut() {
            *first = asked.range.from_us;
        }
        if let Some(last) = bounds.last_mut() {
            *last = asked.range.to_us;
        }
        let state = self.engine.state(store)?;
        let question = state.question(&asked.query, asked.topic.as_deref())?;
        let found = {
            let _slot = Slot::take(&self.searching, self.limits.searches)?;
            question.counts(&bounds)?
        };
        let progress = answer::progress(found.complete);
        let piece = |(ends, count): (&[i64], &u64)| Piece { from: ends[0], to: ends[1], count: *count, progress };
        let pieces: Vec<Piece> = seconds.windows(2).zip(&found.counts).map(piece).collect();
        let count: u64 = found.counts.iter().sum();
        Ok(Answer::json(&pieces)?.with("x-log-progress", progress).with("x-log-count", count))
    }

    /// `GET LS?type=context_log`: the logs that were appended before and after one. Its place comes from
    /// `search | with_pack_meta`.
    ///
    /// # Errors
    /// 400 `ParameterInvalid` for a place that is none.
    pub fn context(&self, call: &Call, store: Store) -> Result<Answer, ApiError> {
        let parameters = &call.parameters;
        let lines = |name: &str| {
            let lines = request::integer(parameters, name, "ParameterInvalid")?.unwrap_or(0);
            let fits = (0..=MAX_NEIGHBOURS).contains(&lines);
            let bad = || ApiError::parameter(format!("{name} is {lines}, but must be from 0 to {MAX_NEIGHBOURS}"));
            u64::try_from(lines).ok().filter(|_| fits).ok_or_else(bad)
        };
        let (back, forward) = (lines("back_lines")?, lines("forward_lines")?);
        let none = || {
            let message =
                "pack_id and pack_meta name no log of this Logstore; take them from `search | with_pack_meta`";
            ApiError::parameter(message)
        };
        let seq = parameters.given("pack_meta").and_then(|meta| meta.parse().ok()).ok_or_else(none)?;
        if parameters.given("pack_id") != Some(store.name()) {
            return Err(none());
        }
        let _slot = Slot::take(&self.searching, self.limits.searches)?;
        let state = self.engine.state(store)?;
        let rows = state.around(seq, back, forward)?;
        if rows.is_empty() {
            return Err(none());
        }
        let logs: Vec<Record> = rows
            .iter()
            .map(|row| {
                let mut fields = log::fields(row, state.layout(), store);
                fields.push((DISTANCE.into(), (i128::from(row.seq) - i128::from(seq)).to_string()));
                fields.extend(place(store, row.seq));
                Record(fields)
            })
            .collect();
        let before = rows.iter().filter(|row| row.seq < seq).count();
        Answer::json(&serde_json::json!({
            "progress": answer::progress(true),
            "total_lines": rows.len(),
            "back_lines": before,
            "forward_lines": rows.iter().filter(|row| row.seq > seq).count(),
            "logs": logs,
        }))
    }
}

/// The answer in the form that a client of Log Service wants; its raw size and the form are said together or not at all.
fn packed(mut answer: Answer, codec: Codec) -> Result<Answer, ApiError> {
    let Some(name) = codec.name() else { return Ok(answer) };
    let raw = std::mem::take(&mut answer.body);
    let size = raw.len();
    answer.body = codec.pack(raw.into())?.into();
    Ok(answer.with("x-log-bodyrawsize", size).with("x-log-compresstype", name))
}

fn place(store: Store, seq: u64) -> [(String, String); 2] {
    [(PACK_ID.into(), store.name().into()), (PACK_META.into(), seq.to_string())]
}

/// The names of all fields, each at its first place.
fn keys(data: &[Record]) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    data.iter()
        .flat_map(|r| &r.0)
        .filter(|(name, _)| seen.insert(name.as_str()))
        .map(|(name, _)| name.clone())
        .collect()
}

/// One of the questions that may be asked at a time.
struct Slot<'a>(&'a AtomicUsize);

impl<'a> Slot<'a> {
    fn take(taken: &'a AtomicUsize, most: usize) -> Result<Self, ApiError> {
        let slot = Self(taken);
        // Given back by the drop in either case.
        if taken.fetch_add(1, Ordering::AcqRel) < most {
            return Ok(slot);
        }
        let message = format!("{most} questions of this kind are being answered already; ask again in a moment");
        Err(ApiError::new(403, "ReadQuotaExceed", message))
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Search(message) => Self::new(400, "InvalidQueryString", message),
            Refusal::Sql(message) | Refusal::TooDear(message) => Self::parameter(message),
            Refusal::Writes(message) => Self::new(403, "LogStoreReadOnly", message),
            Refusal::Failed(message) => Self::internal(message),
        }
    }
}

#[cfg(test)]
mod tests;
