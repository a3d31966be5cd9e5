//! One pack: its file format, and what makes a file one.
//! It must never take a file in part: a pack is whole, or it is a fault with its place.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// The largest file of a pack in bytes.
pub const MAX_BYTES: usize = 1024 * 1024;
/// The most charts of a pack.
const MAX_CHARTS: usize = 100;
/// Columns of the grid that charts stand in.
const GRID: u32 = 24;
/// The longest name, title or text.
const MAX_TEXT: usize = 4096;

/// What is wrong with a file, and where. Shown, it holds no character that a terminal would obey.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {message}")]
pub struct Fault {
    /// The file's name, as it was given.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// What, and what to write instead.
    pub message: String,
}

/// A dashboard with a version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, try_from = "RawPack")]
pub struct Pack {
    /// Its name: small letters, digits and hyphens, 2 to 63 characters.
    pub pack: String,
    /// Grows with each change; of a copy it is its user's.
    pub version: u32,
    /// What it was copied from; only a copy has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copied_from: Option<CopiedFrom>,
    /// Its names.
    pub dashboard: Head,
    /// Its charts, in the order in which they are shown.
    pub charts: Vec<Chart>,
}

/// Where a copy is from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CopiedFrom {
    /// The pack.
    pub pack: String,
    /// Its version at that time.
    pub version: u32,
}

/// Names of a dashboard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Head {
    /// Its name in Log Service's API, unique among all dashboards.
    pub dashboard_name: String,
    /// What people see.
    pub display_name: String,
    /// What it answers.
    pub description: String,
}

/// One chart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, try_from = "RawChart")]
pub struct Chart {
    /// Unique in its pack.
    pub title: String,
    /// How it is drawn.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// What it asks.
    pub search: Search,
    /// How it is shown.
    pub display: Display,
    /// The column of the x axis that is a time, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,
    /// The column whose values are a line or a colour each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub series: Option<String>,
    /// The same question to ClickHouse over the segments, with `$log`, `$journal` or `$quarantine` as its table and Grafana's
    /// `$__timeFilter(column)` as the range.
    pub clickhouse: String,
}

/// How a chart is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// One number.
    Number,
    /// Lines over time.
    Line,
    /// Stacked bars over time.
    Bar,
    /// Parts of a whole.
    Pie,
    /// Rows.
    Table,
}

/// A store, by the word that stands for its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Store {
    /// The dedicated Logstore.
    #[serde(rename = "$logstore")]
    Log,
    /// What was done to it.
    #[serde(rename = "$journal")]
    Journal,
    /// What could not be kept as an event.
    #[serde(rename = "$quarantine")]
    Quarantine,
}

/// A question in Log Service's language.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Search {
    /// Whom it asks.
    pub logstore: Store,
    /// Always empty: topics are searched for.
    pub topic: String,
    /// `search | SQL`.
    pub query: String,
    /// The beginning of the range by default, as Log Service writes it: `-604800s`.
    pub start: String,
    /// Its end: `now`.
    pub end: String,
}

/// Where a chart stands, and what of its result it shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Display {
    /// Columns of the x axis.
    pub x_axis: Vec<String>,
    /// Columns that are drawn.
    pub y_axis: Vec<String>,
    /// Left edge, in columns of the grid of 24.
    pub x_pos: u32,
    /// Upper edge, in rows.
    pub y_pos: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// What people see.
    pub display_name: String,
}

/// A column that holds the beginning of a piece of time, as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Time {
    /// The column.
    pub column: String,
    /// How long a piece is: 3600 or 86400 seconds.
    pub seconds: u32,
}

impl Time {
    /// What its column is in the query, as text.
    pub(crate) fn as_text(&self) -> String {
        let Self { column, seconds } = self;
        let format = if *seconds == 86_400 { "%Y-%m-%d" } else { "%Y-%m-%d %H:00" };
        format!("date_format(__time__ - __time__ % {seconds}, '{format}') as {column}")
    }

    /// The same in seconds since 1970, which Grafana's plugin wants.
    pub(crate) fn as_seconds(&self) -> String {
        format!("__time__ - __time__ % {0} as {1}", self.seconds, self.column)
    }
}

impl Pack {
    /// Reads a file.
    ///
    /// # Errors
    /// [`Fault`] with the place at which it stops being one.
    pub fn parse(file: &str, text: &str) -> Result<Self, Fault> {
        let file = file.escape_debug().to_string();
        if text.len() > MAX_BYTES {
            let message = format!("the file has {} bytes, a pack at most {MAX_BYTES}", text.len());
            return Err(Fault { file, line: 1, column: 1, message });
        }
        serde_json::from_str(text).map_err(|error| {
            let told = error.to_string();
            let place = format!(" at line {} column {}", error.line(), error.column());
            let message = told.strip_suffix(&place).unwrap_or(&told).escape_debug().to_string();
            Fault {
                file,
                line: error.line().max(1),
                column: error.column().max(1),
                message: message.replace("\\\"", "\"").replace("\\'", "'"),
            }
        })
    }

    /// The file's text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("a pack has texts and numbers alone");
        text.push('\n');
        text
    }

    /// A user's own, under another name.
    ///
    /// # Errors
    /// What is wrong with the name.
    pub fn copy(&self, name: &str) -> Result<Self, String> {
        name_is_sound(name)?;
        let copied_from = Some(CopiedFrom { pack: self.pack.clone(), version: self.version });
        let dashboard = Head { dashboard_name: name.to_owned(), ..self.dashboard.clone() };
        Ok(Self { pack: name.to_owned(), version: 1, copied_from, dashboard, charts: self.charts.clone() })
    }
}

/// A name can stand in a path, a file's name and a URL.
fn name_is_sound(name: &str) -> Result<(), String> {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let fits = (2..=63).contains(&name.len()) && name.bytes().all(inner) && name.as_bytes()[0].is_ascii_lowercase();
    if fits && !name.ends_with('-') {
        return Ok(());
    }
    Err(format!("{name:?} is no name: 2 to 63 small letters, digits and hyphens, a letter first and no hyphen last"))
}

fn text_is_sound(what: &str, text: &str) -> Result<(), String> {
    match text {
        "" => Err(format!("{what} is empty")),
        _ if text.len() > MAX_TEXT => Err(format!("{what} has {} bytes, at most {MAX_TEXT}", text.len())),
        _ if text.chars().any(char::is_control) => Err(format!("{what} holds a control character")),
        _ => Ok(()),
    }
}

/// A pack as it is written, before it is looked at.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPack {
    pack: String,
    version: u32,
    #[serde(default)]
    copied_from: Option<CopiedFrom>,
    dashboard: Head,
    charts: Vec<Chart>,
}

impl TryFrom<RawPack> for Pack {
    type Error = String;

    fn try_from(raw: RawPack) -> Result<Self, String> {
        let RawPack { pack, version, copied_from, dashboard, charts } = raw;
        name_is_sound(&pack)?;
        copied_from.iter().try_for_each(|from| name_is_sound(&from.pack))?;
        name_is_sound(&dashboard.dashboard_name)?;
        text_is_sound("displayName", &dashboard.display_name)?;
        text_is_sound("description", &dashboard.description)?;
        if version == 0 {
            return Err("version is 0; the first one is 1".to_owned());
        }
        if charts.is_empty() || charts.len() > MAX_CHARTS {
            return Err(format!("the pack has {} charts; it has 1 to {MAX_CHARTS}", charts.len()));
        }
        let mut titles = BTreeSet::new();
        if let Some(twice) = charts.iter().find(|chart| !titles.insert(chart.title.as_str())) {
            return Err(format!("there are two charts {:?}", twice.title));
        }
        Ok(Self { pack, version, copied_from, dashboard, charts })
    }
}

/// A chart as it is written, before it is looked at.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawChart {
    title: String,
    #[serde(rename = "type")]
    kind: Kind,
    search: Search,
    display: Display,
    #[serde(default)]
    time: Option<Time>,
    #[serde(default)]
    series: Option<String>,
    clickhouse: String,
}

impl TryFrom<RawChart> for Chart {
    type Error = String;

    fn try_from(raw: RawChart) -> Result<Self, String> {
        let RawChart { title, kind, search, display, time, series, clickhouse } = raw;
        let chart = Self { title, kind, search, display, time, series, clickhouse };
        name_is_sound(&chart.title)?;
        chart.check().map_err(|fault| format!("chart {:?}: {fault}", chart.title))?;
        Ok(chart)
    }
}

impl Chart {
    fn check(&self) -> Result<(), String> {
        text_is_sound("displayName", &self.display.display_name)?;
        self.check_place()?;
        self.check_search()?;
        self.check_columns()?;
        crate::clickhouse::check(self)
    }

    fn check_place(&self) -> Result<(), String> {
        let Display { x_pos, y_pos, width, height, .. } = &self.display;
        let right = x_pos.checked_add(*width);
        if *width == 0 || *height == 0 || *height > 100 || *y_pos > 10_000 || right.is_none_or(|right| right > GRID) {
            return Err(format!(
                "it does not fit the grid of {GRID} columns: xPos {x_pos}, yPos {y_pos}, {width} by {height}"
            ));
        }
        Ok(())
    }

    fn check_search(&self) -> Result<(), String> {
        let Search { topic, query, start, end, .. } = &self.search;
        if !topic.is_empty() {
            return Err("topic is not empty; search for `__topic__` in the query".to_owned());
        }
        let seconds = start.strip_prefix('-').and_then(|s| s.strip_suffix('s')).and_then(|s| s.parse::<u32>().ok());
        if seconds.is_none_or(|seconds| seconds == 0) || end != "now" {
            return Err(format!("start {start:?} and end {end:?}: write for example \"-604800s\" and \"now\""));
        }
        match innertrail_search::parse_head(query) {
            Ok((_, Some(pipe)))
                if query[pipe + 1..].trim_start().get(..6).is_some_and(|w| w.eq_ignore_ascii_case("select")) =>
            {
                Ok(())
            }
            Ok(_) => Err("the query has no `| select …`".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn check_columns(&self) -> Result<(), String> {
        let Display { x_axis, y_axis, .. } = &self.display;
        let (x, y) = (x_axis.len(), y_axis.len());
        let fits = match self.kind {
            Kind::Number => x == 0 && y == 1,
            Kind::Line | Kind::Bar => x == 1 && y >= 1 && self.time.is_some(),
            Kind::Pie => x == 1 && y == 1,
            Kind::Table => x == 0 && y >= 1,
        };
        if !fits {
            return Err(format!(
                "{x} columns on the x axis and {y} on the y axis are not those of its type: number 0 and 1, line and bar 1 and \
                 some with `time`, pie 1 and 1, table 0 and some"
            ));
        }
        let series = self.series.iter();
        if let Some(name) =
            x_axis.iter().chain(y_axis).chain(series).find(|name| !self.search.query.contains(name.as_str()))
        {
            return Err(format!("the query has no column {name:?}"));
        }
        let Some(time) = &self.time else { return Ok(()) };
        if ![3_600, 86_400].contains(&time.seconds) || x_axis.first() != Some(&time.column) {
            return Err("`time` names the column of the x axis and has 3600 or 86400 seconds".to_owned());
        }
        if !self.search.query.contains(&time.as_text()) {
            return Err(format!("the query has no `{}`", time.as_text()));
        }
        Ok(())
    }
}
