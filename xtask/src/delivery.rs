//! Files of a trail as they are delivered: filled in memory, then written under a name that holds their true event
//! count, size and md5. It must never write a file twice or name it before it is whole.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use flate2::Compression;
use flate2::write::GzEncoder;
use md5::{Digest as _, Md5};

use crate::calendar::{compact, utc};
use crate::generate::{Layout, Plan, REGION_NAMES, Summary};

/// One file being filled.
enum Body {
    Gzip(Box<GzEncoder<Vec<u8>>>),
    Plain(Vec<u8>),
}

/// A file that is still being filled, in memory.
pub(crate) struct OpenFile {
    body: Body,
    /// Events in it.
    pub(crate) count: u64,
    /// Time of the last one, Unix seconds.
    pub(crate) last: u64,
}

impl OpenFile {
    pub(crate) fn new(gzip: bool) -> Self {
        let body = if gzip {
            Body::Gzip(Box::new(GzEncoder::new(Vec::new(), Compression::new(4))))
        } else {
            Body::Plain(Vec::new())
        };
        Self { body, count: 0, last: 0 }
    }

    pub(crate) fn push(&mut self, line: &[u8], seconds: u64) -> Result<()> {
        match &mut self.body {
            Body::Gzip(encoder) => encoder.write_all(line)?,
            Body::Plain(bytes) => bytes.extend_from_slice(line),
        }
        self.count += 1;
        self.last = seconds;
        Ok(())
    }
}

/// The path of a delivered object below the bucket, with the true count, size and md5 of `bytes`.
#[must_use]
pub fn object_name(region: &str, seconds: u64, count: u64, bytes: &[u8], ending: &str) -> String {
    let (year, month, day) = utc(seconds).date;
    let md5: String = Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let (time, size) = (compact(seconds), bytes.len());
    format!(
        "AliyunLogs/Actiontrail/{region}/{year:04}/{month:02}/{day:02}/Actiontrail_{region}_{time}_1002_{count}_{size}_{md5}.{ending}"
    )
}

/// Writes a file under its final name; an empty one is not written.
pub(crate) fn close(plan: &Plan, region: usize, file: OpenFile, summary: &mut Summary) -> Result<()> {
    if file.count == 0 {
        return Ok(());
    }
    let bytes = match file.body {
        Body::Gzip(encoder) => encoder.finish().context("compressing in memory failed")?,
        Body::Plain(bytes) => bytes,
    };
    summary.files += 1;
    summary.disk_bytes += bytes.len() as u64;
    let name = match (plan.layout, plan.gzip) {
        (Layout::Oss, gzip) => {
            object_name(REGION_NAMES[region], file.last, file.count, &bytes, if gzip { "gz" } else { "ndjson" })
        }
        (Layout::Flat, gzip) => format!("events-{:06}.ndjson{}", summary.files, if gzip { ".gz" } else { "" }),
    };
    write_file(&plan.out.join(name), &bytes)
}

/// Writes `bytes` to `path` and makes the folders above it.
///
/// # Errors
/// When a folder cannot be made or the file cannot be written; the message names the path.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    fs::write(path, bytes)
        .with_context(|| format!("cannot write {}: is there room, and may you write here?", path.display()))
}
