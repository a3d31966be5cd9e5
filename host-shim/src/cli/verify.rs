//! `innertrail verify`: holds a Logstore or an export against its seal.
//!
//! Must never call something proven that the folder only says of itself.

use std::fs;
use std::io::Read;
use std::num::NonZero;
use std::path::Path;
use std::thread;

use anyhow::anyhow;
use innertrail_verify::{Progress, Report, Request, VerifierKey, verify};

use super::args::{Format, VerifyArgs};
use super::checkpoint::from_either_form;
use super::export::progress_bar;
use super::{Failure, Log, Outcome, draws_progress, json_safe, print};
use crate::exit;

/// No key and no checkpoint is longer, bytes.
const MAX_BYTES: u64 = 64 << 10;

/// Most segments that are read at the same time.
const MAX_THREADS: usize = 4;

/// What a key from the folder itself is worth.
const OWN_KEY: &str = "the public key was taken from the folder itself: this shows that its files fit together, not who \
                       sealed them; give --public-key with a key that was kept elsewhere";
/// What no checkpoint means.
const NO_CHECKPOINT: &str = "no checkpoint from elsewhere was given: a folder that was put back to an older state, or signed \
                             anew by who has the key, does not show; give --checkpoint";

pub(super) fn run(args: &VerifyArgs, log: &Log) -> Outcome {
    let dir = args.dir();
    let vkey = key(&dir, args.public_key.as_deref())?;
    let checkpoint = args.checkpoint.as_deref().map(read).transpose()?.map(from_either_form);
    let mut request = Request::new(&dir, &vkey);
    request.checkpoint = checkpoint.as_deref();
    request.mirror = args.mirror.is_some();
    request.threads = thread::available_parallelism().map_or(1, NonZero::get).min(MAX_THREADS);
    let report = watched(&request, log)?;
    let caveats = [(args.public_key.is_none(), OWN_KEY), (checkpoint.is_none(), NO_CHECKPOINT)];
    let caveats: Vec<&str> = caveats.into_iter().filter_map(|(holds, text)| holds.then_some(text)).collect();
    match args.format {
        Format::Text => {
            let notes: String = caveats.iter().map(|text| format!("note: {text}\n")).collect();
            let report = report.text();
            print(&format!("{}\n{notes}", report.trim_end()))?;
        }
        Format::Json => {
            let mut told = serde_json::to_value(&report).map_err(|e| Failure::Runtime(e.into()))?;
            if let Some(map) = told.as_object_mut() {
                map.insert("caveats".to_owned(), caveats.into());
            }
            let json = serde_json::to_string_pretty(&told).map_err(|e| Failure::Runtime(e.into()))?;
            print(&json_safe(&json))?;
        }
    }
    Ok(if report.ok { exit::OK } else { exit::FOUND })
}

fn watched(request: &Request<'_>, log: &Log) -> Result<Report, Failure> {
    let bar = draws_progress(log).then(|| progress_bar(0));
    let report = verify(request, &mut |progress: Progress| {
        if let Some(bar) = &bar {
            bar.set_length(progress.bytes_total);
            bar.set_position(progress.bytes_done);
            bar.set_message(progress.what);
        }
    });
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    // Whatever is wrong with what is there is a finding; an error means that there was nothing to verify.
    report.map_err(|error| Failure::Usage(error.into()))
}

/// The key that is named, as a file or by itself, or the folder's own.
fn key(dir: &Path, named: Option<&str>) -> Result<VerifierKey, Failure> {
    let own = dir.join("seal").join("seal.vkey");
    let text = match named {
        Some(text) if text.contains('+') && !Path::new(text).exists() => text.to_owned(),
        Some(file) => text_of(Path::new(file))?,
        None => text_of(&own)?,
    };
    VerifierKey::parse(text.trim()).map_err(|error| Failure::Usage(anyhow!("the public key cannot be used: {error}")))
}

fn text_of(path: &Path) -> Result<String, Failure> {
    let not_text = |_| Failure::Usage(anyhow!("{} is no public key: it is not text", path.display()));
    String::from_utf8(read(path)?).map_err(not_text)
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes));
    match read {
        Ok(_) if bytes.len() as u64 > MAX_BYTES => {
            Err(Failure::Usage(anyhow!("{} is longer than {MAX_BYTES} bytes", path.display())))
        }
        Ok(_) => Ok(bytes),
        Err(error) => Err(Failure::Usage(anyhow!("cannot read {}: {error}", path.display()))),
    }
}
