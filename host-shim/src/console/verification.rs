//! A verification that somebody asks for at the console, on a thread of its own, and what came of the last one.
//!
//! Must never say more than the verifier does: the key is the folder's own, so what is shown is that its files fit together.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::{Context as _, Result};
use innertrail_verify::{Progress, Request, VerifierKey, verify};
use serde_json::{Value, json};

use crate::clock;
use crate::lifecycle::day::rfc3339;

/// Findings that are shown; `innertrail verify` shows all.
const SHOWN: usize = 20;

#[derive(Debug, Default)]
struct Known {
    /// Bytes done and in all, while one is under way.
    under_way: Option<(u64, u64)>,
    /// What the last one came to.
    last: Option<Value>,
}

/// The last verification of this process.
#[derive(Debug, Default)]
pub(super) struct Verification(Arc<Mutex<Known>>);

impl Verification {
    /// As JSON: `under_way` and `last`, each null when there is none.
    pub(super) fn told(&self) -> Value {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let under_way = known.under_way.map(|(done, total)| json!({"bytes_done": done, "bytes_total": total}));
        json!({"under_way": under_way, "last": known.last})
    }

    /// Begins one, unless one is under way.
    pub(super) fn begin(&self, dir: &Path) -> Result<()> {
        {
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if known.under_way.is_some() {
                return Ok(());
            }
            known.under_way = Some((0, 0));
        }
        let (known, dir) = (Arc::clone(&self.0), dir.to_owned());
        let begun = thread::Builder::new().name("verify".to_owned()).spawn(move || {
            // A verifier that breaks down must not stand as one that is under way for ever.
            let _over = Over(Arc::clone(&known));
            let last = outcome(&dir, &known);
            known.lock().unwrap_or_else(PoisonError::into_inner).last = Some(last);
        });
        if let Err(error) = begun {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).under_way = None;
            return Err(error).context("no thread to verify on");
        }
        Ok(())
    }
}

/// Ends what is under way, however it ends.
struct Over(Arc<Mutex<Known>>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).under_way = None;
    }
}

fn outcome(dir: &Path, known: &Mutex<Known>) -> Value {
    let begun = clock::now_us();
    let mut told = report(dir, known).unwrap_or_else(|error| json!({"ok": false, "why": format!("{error:#}")}));
    told["time"] = rfc3339(begun).into();
    told["time_us"] = begun.into();
    told["took_ms"] = clock::now_us().saturating_sub(begun).div_euclid(1_000).into();
    told
}

fn report(dir: &Path, known: &Mutex<Known>) -> Result<Value> {
    let path = dir.join("seal").join("seal.vkey");
    let key = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let key = VerifierKey::parse(key.trim()).context("the public key cannot be used")?;
    // One thread: people look at pages meanwhile.
    let report = verify(&Request::new(dir, &key), &mut |progress: Progress| {
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        known.under_way = Some((progress.bytes_done, progress.bytes_total));
    })?;
    let log = report.stores.iter().find(|store| store.name == "log");
    Ok(json!({
        "ok": report.ok,
        "records": log.map(|store| store.size),
        "verified": log.map(|store| store.verified),
        "stores": report.stores,
        "findings": report.findings.iter().take(SHOWN).collect::<Vec<_>>(),
        "findings_total": report.findings_total,
        "notes": report.notes,
        "key": report.key,
    }))
}
