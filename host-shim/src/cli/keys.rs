//! `innertrail keys`: make, list and revoke access keys of the API.
//!
//! Must never print a secret but that of a key that was just made.

use std::path::Path;

use anyhow::anyhow;
use innertrail_api::Role;
use innertrail_api::auth::{KeyFile, KeyFileError, Keyring, role_name};
use innertrail_query::terminal_safe;
use serde_json::json;

use super::args::{Format, KeyRole, KeysAddArgs, KeysCommand, KeysListArgs, KeysRevokeArgs};
use super::{Failure, Outcome, json_safe, print};
use crate::lifecycle::day::rfc3339;
use crate::lifecycle::{self, Existing};
use crate::{api, clock};

pub(super) fn run(command: &KeysCommand) -> Outcome {
    match command {
        KeysCommand::Add(args) => add(args),
        KeysCommand::List(args) => list(args),
        KeysCommand::Revoke(args) => revoke(args),
    }
}

impl From<KeyFileError> for Failure {
    fn from(error: KeyFileError) -> Self {
        Self::Usage(error.into())
    }
}

/// The keys of a Logstore that is there: they lie beside it.
fn file(dir: &Path) -> Result<KeyFile, Failure> {
    let none =
        || Failure::Usage(anyhow!("there is no Logstore in {}; `innertrail enable` or `run` makes one", dir.display()));
    Existing::find(dir)?.ok_or_else(none)?;
    Ok(KeyFile::of(dir))
}

/// Enters what was done in the journal; what to say about that.
fn enter(dir: &Path) -> String {
    let now = clock::now_us();
    let keys = Keyring::of(dir);
    match lifecycle::enter(dir, now, |state| api::entered(&keys, state, now)) {
        Ok(true) => "entered in the journal".to_owned(),
        Ok(false) => "a run has the Logstore open and enters it in the journal within seconds".to_owned(),
        Err(error) => format!("the next run enters it in the journal, because now that failed: {error}"),
    }
}

fn add(args: &KeysAddArgs) -> Outcome {
    let dir = &args.data.data_dir;
    let role = match args.role {
        KeyRole::Reader => Role::Reader,
        KeyRole::Consumer => Role::Consumer,
        KeyRole::Administrator => Role::Administrator,
    };
    let (file, name, now) = (file(dir)?, args.name.clone(), clock::now_us());
    let key = match args.valid_for {
        None => file.add(role, name, now)?,
        Some(life_us) => file.lend(role, name, now, life_us)?,
    };
    let entered = enter(dir);
    let secret = key.secret.expose();
    let session = key.session.as_ref().map(|session| (session.token.expose(), rfc3339(session.until_us)));
    match args.format {
        Format::Json => {
            let mut told = json!({"id": key.id, "secret": secret, "role": role_name(role), "journal": entered});
            if let Some((token, until)) = session {
                told["token"] = token.into();
                told["valid_until"] = until.into();
            }
            print(&told.to_string())
        }
        Format::Text => {
            let session =
                session.map(|(token, until)| format!("security token     {token}\nvalid until        {until}\n"));
            print(&format!(
                "access key id      {}\naccess key secret  {secret}\n{}role               {}\n\nThe secret is not shown again; {entered}.",
                key.id,
                session.unwrap_or_default(),
                role_name(role)
            ))
        }
    }
}

fn list(args: &KeysListArgs) -> Outcome {
    let keys = file(&args.data.data_dir)?.read()?.keys;
    if args.format == Format::Json {
        let told: Vec<_> = keys
            .iter()
            .map(|key| {
                let until = key.session.as_ref().map(|session| rfc3339(session.until_us));
                json!({"id": key.id, "role": role_name(key.role), "name": key.name, "created": rfc3339(key.created_us),
                    "valid_until": until})
            })
            .collect();
        return print(&json_safe(&json!({ "keys": told }).to_string()));
    }
    if keys.is_empty() {
        return print("there is no access key; `innertrail keys add --role reader` makes one");
    }
    let now = clock::now_us();
    let line = |key: &innertrail_api::auth::Key| {
        let name = terminal_safe(key.name.as_deref().unwrap_or_default());
        let until = key.session.as_ref().map(|session| rfc3339(session.until_us));
        let word = if key.has_ended(now) { "ended" } else { "until" };
        let until = until.map(|until| format!("{word} {until}  ")).unwrap_or_default();
        let line = format!("{:<30}{:<15}{}  {until}{name}", key.id, role_name(key.role), rfc3339(key.created_us));
        format!("{}\n", line.trim_end())
    };
    print(&keys.iter().map(line).collect::<String>())
}

fn revoke(args: &KeysRevokeArgs) -> Outcome {
    let dir = &args.data.data_dir;
    file(dir)?.revoke(&args.id, clock::now_us())?;
    let entered = enter(dir);
    print(&format!("key {} is revoked; {entered}", args.id))
}
