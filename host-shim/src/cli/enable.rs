//! `innertrail enable`: makes the Logstore of a trail, or enables it again, and gives what is to be kept elsewhere.
//!
//! Must never say that an entitlement or an account holds: they are recorded as given.

use std::path::{Path, PathBuf};

use innertrail_query::terminal_safe;
use serde_json::json;

use super::args::{EnableArgs, Format};
use super::checkpoint::as_line;
use super::{Failure, Outcome, json_safe, print};
use crate::clock;
use crate::config::{Config, DEFAULT_DATA_DIR};
use crate::layout;
use crate::lifecycle::retention::{Change, DEFAULT_DAYS, DEFAULT_GRACE_HOURS, Wish, days_told};
use crate::lifecycle::told::Life;
use crate::lifecycle::{self, Changed, Enabling, Existing, day};
use crate::setup::{self, SetupError};

/// What is said of entitlement and account.
const NOT_CHECKED: &str = "recorded as given; innertrail does not ask Alibaba Cloud whether they hold. An account that is \
                           overdue or not entitled shows as paused once a source says so";

pub(super) fn run(args: &EnableArgs) -> Outcome {
    let config = args.config.as_deref().map(Config::load).transpose()?;
    let dir = dir(args, config.as_ref());
    let existing = match Existing::find(&dir)? {
        Some(existing) => continued(existing, args, config.as_ref(), &dir)?,
        None => fresh(args, config.as_ref(), &dir)?,
    };
    let trail = existing.trail.clone();
    let changed = lifecycle::enable(&dir, existing, asked(args, config.as_ref()), clock::now_us())?;
    match args.format {
        Format::Json => print(&json_safe(&json(&trail, &dir, &changed).to_string())),
        Format::Text => print(&text(&trail, &dir, &changed)),
    }
}

fn dir(args: &EnableArgs, config: Option<&Config>) -> PathBuf {
    let named = args.data_dir.clone().or_else(|| config.map(|config| config.data_dir.clone()));
    named.unwrap_or_else(|| PathBuf::from(DEFAULT_DATA_DIR))
}

fn asked(args: &EnableArgs, config: Option<&Config>) -> Enabling {
    // A configuration always says a number; the default one is nobody's choice.
    let configured = config.map(|config| config.logstore.retention_days).filter(|days| *days != DEFAULT_DAYS);
    let days = args.retention.days().or(configured);
    let forced = args.retention.force_retention;
    Enabling {
        entitlement: args.entitlement.clone(),
        account: args.account.clone().or_else(|| config.and_then(|config| config.account.clone())),
        wish: days.map(|days| Wish { days, grace_hours: DEFAULT_GRACE_HOURS, forced }),
    }
}

/// The Logstore that is there, if it is the one that is meant.
fn continued(existing: Existing, args: &EnableArgs, config: Option<&Config>, dir: &Path) -> Result<Existing, Failure> {
    match config.map(|config| &config.trail).or(args.trail.as_ref()) {
        Some(wanted) if *wanted != existing.trail => {
            let (dir, found) = (dir.display(), &existing.trail);
            let why =
                anyhow::anyhow!("{dir} belongs to trail `{found}`, not to `{wanted}`; give each trail its own folder");
            Err(Failure::Usage(why))
        }
        _ => Ok(existing),
    }
}

/// A Logstore to be made: the component says which columns it has.
fn fresh(args: &EnableArgs, config: Option<&Config>, dir: &Path) -> Result<Existing, Failure> {
    let config = match (config, &args.trail) {
        (Some(config), _) => Config { data_dir: dir.to_owned(), ..config.clone() },
        (None, Some(trail)) => Config::default_for_quickstart(Some(trail), vec!["-".to_owned()], Some(dir.to_owned()))?,
        (None, None) => {
            let dir = dir.display();
            let why = anyhow::anyhow!("there is no Logstore in {dir} yet; name its trail with --trail or --config");
            return Err(Failure::Usage(why));
        }
    };
    let component = setup::component(&config)?;
    let description = component.describe().map_err(SetupError::from)?;
    if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        let failed = |source| SetupError::DataDir { path: dir.to_owned(), source };
        std::fs::create_dir_all(parent).map_err(failed)?;
    }
    Ok(Existing { trail: config.trail, layout: layout::of(&description) })
}

/// What became of the retention, in words.
fn retention(changed: &Changed<Option<(u32, Change)>>) -> String {
    let now = changed.state.retention.told();
    match changed.value {
        None => format!("{now}, before: none"),
        Some((old, change)) => told(old, change, &now),
    }
}

/// A change of retention in words; `now` is what is in effect.
pub(super) fn told(old: u32, change: Change, now: &str) -> String {
    match change {
        Change::Same => format!("{now}, as before"),
        Change::Kept => format!("{now}, as before: the default of {DEFAULT_DAYS} days would shorten that"),
        Change::Cancelled { days } => format!("{now}, as before; the change to {} is called off", days_told(days)),
        Change::Longer { .. } => format!("{now}, before: {}", days_told(old)),
        Change::Shorter { to } => format!(
            "{} from {} on; until then {now}, and setting that again calls it off",
            days_told(to.days),
            day::told(to.effective_us)
        ),
    }
}

fn text(trail: &str, dir: &Path, changed: &Changed<Option<(u32, Change)>>) -> String {
    let state = &changed.state;
    let mut out = format!("enabled      innertrail_{trail} in {}\n", terminal_safe(&dir.display().to_string()));
    out += &format!("retention    {}\n", retention(changed));
    let recorded = [("entitlement", &state.entitlement), ("account", &state.account)];
    for (name, text) in recorded.into_iter().filter_map(|(name, text)| Some((name, text.as_ref()?))) {
        out += &format!("{name:<13}{}\n", terminal_safe(text));
    }
    if state.entitlement.is_some() || state.account.is_some() {
        out += &format!("             {NOT_CHECKED}\n");
    }
    out += &format!("public key   {}\n", changed.vkey);
    out += &format!("checkpoint   {}\n", as_line(&changed.checkpoint));
    out += "             keep these two lines somewhere else: with them `innertrail verify --public-key --checkpoint` \
            shows what the folder alone cannot\n";
    out
}

fn json(trail: &str, dir: &Path, changed: &Changed<Option<(u32, Change)>>) -> serde_json::Value {
    json!({
        "trail": trail,
        "logstore": format!("innertrail_{trail}"),
        "data_dir": dir.display().to_string(),
        "lifecycle": Life::new(&changed.state),
        "old_retention_days": changed.value.map(|(old, _)| old),
        "retention": retention(changed),
        "public_key": changed.vkey,
        "checkpoint": changed.checkpoint,
    })
}
