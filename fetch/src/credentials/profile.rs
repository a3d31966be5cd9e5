//! Credentials from a profile of the `aliyun` command.
//!
//! The file must be its owner's alone, as the command itself makes it. It must never be written here.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::config::{self, Provider, Role};
use super::file::{misshapen, read_guarded};
use super::{CredentialsError, Keys, Source, Surroundings, sts};
use crate::environment::Environment;
use crate::error::ConfigError;
use crate::secret::Secret;

/// So many profiles may refer to each other.
const MAX_CHAIN: usize = 5;

pub(super) fn default_path(environment: &Environment) -> Option<PathBuf> {
    Some(PathBuf::from(environment.get("HOME")?).join(".aliyun").join("config.json"))
}

#[derive(Deserialize)]
struct Content {
    #[serde(default)]
    current: String,
    profiles: Vec<Entry>,
}

/// The fields that matter here; the command writes empty texts for what is not set.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct Entry {
    name: String,
    mode: String,
    access_key_id: Option<Secret>,
    access_key_secret: Option<Secret>,
    sts_token: Option<Secret>,
    ram_role_name: String,
    ram_role_arn: String,
    ram_session_name: String,
    role_session_name: String,
    expired_seconds: u32,
    external_id: String,
    policy: String,
    source_profile: String,
    oidc_provider_arn: String,
    oidc_token_file: String,
}

/// A profile; the file is read again at each fetch.
pub(super) struct Profile {
    around: Surroundings,
    path: PathBuf,
    name: Option<String>,
}

impl Profile {
    pub(super) fn new(around: &Surroundings, path: Option<&Path>, name: Option<&str>) -> Result<Self, ConfigError> {
        let path = path.map(Path::to_owned).or_else(|| default_path(&around.environment));
        let path = path.ok_or(ConfigError::Bounds("there is no HOME; set the path of the profile's file"))?;
        Ok(Self { around: around.clone(), path, name: name.map(str::to_owned) })
    }

    fn bad(&self, why: String) -> CredentialsError {
        CredentialsError::File { path: self.path.clone(), why }
    }

    fn entry<'a>(&self, content: &'a Content, name: &str) -> Result<&'a Entry, CredentialsError> {
        let found = content.profiles.iter().find(|e| e.name == name);
        let shown = crate::scrub::plain(name, 80);
        found.ok_or_else(|| self.bad(format!("there is no profile `{shown}`; `aliyun configure list` shows them")))
    }

    /// The source that a profile stands for.
    fn source(&self, content: &Content, name: &str, depth: usize) -> Result<Box<dyn Source>, CredentialsError> {
        let entry = self.entry(content, name)?;
        let wrong = |e: ConfigError| self.bad(e.to_string());
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let make = |provider: &Provider| config::source(provider, &self.around).map_err(wrong);
        match entry.mode.as_str() {
            "AK" | "" => Ok(Box::new(Fixed::new(self, entry, false)?)),
            "StsToken" => Ok(Box::new(Fixed::new(self, entry, true)?)),
            "EcsRamRole" => make(&Provider::EcsRole { role: some(&entry.ram_role_name), hardened_only: false }),
            "OIDC" => make(&Provider::Oidc {
                provider_arn: some(&entry.oidc_provider_arn),
                token_file: some(&entry.oidc_token_file).map(PathBuf::from),
                role: entry.role(),
            }),
            "RamRoleArn" => self.assume(Box::new(Fixed::new(self, entry, false)?), entry),
            "ChainableRamRoleArn" if depth < MAX_CHAIN => {
                self.assume(self.source(content, &entry.source_profile, depth + 1)?, entry)
            }
            "ChainableRamRoleArn" => Err(self.bad(format!("more than {MAX_CHAIN} profiles refer to each other"))),
            other => Err(self.bad(format!(
                "profiles of mode `{}` are not supported; use AK, StsToken, RamRoleArn, ChainableRamRoleArn, EcsRamRole or OIDC",
                crate::scrub::plain(other, 40)
            ))),
        }
    }

    fn assume(&self, with: Box<dyn Source>, entry: &Entry) -> Result<Box<dyn Source>, CredentialsError> {
        let role = entry.role();
        if role.role_arn.is_none() {
            return Err(self.bad("the profile has no ram_role_arn; set it with `aliyun configure`".to_owned()));
        }
        let made = sts::AssumeRole::new(&self.around, with, &role).map_err(|e| self.bad(e.to_string()))?;
        Ok(Box::new(made))
    }
}

impl Entry {
    fn role(&self) -> Role {
        let some = |text: &String| (!text.is_empty()).then(|| text.clone());
        Role {
            role_arn: some(&self.ram_role_arn),
            session_name: some(&self.ram_session_name).or_else(|| some(&self.role_session_name)),
            external_id: some(&self.external_id),
            policy: some(&self.policy),
            duration_secs: (self.expired_seconds > 0).then_some(self.expired_seconds),
        }
    }
}

impl Source for Profile {
    fn fetch(&self) -> Result<Keys, CredentialsError> {
        let text = read_guarded(&self.path)?;
        let content: Content = serde_json::from_slice(&text).map_err(|e| self.bad(misshapen(&e)))?;
        let chosen = self.name.clone().or_else(|| self.around.environment.get("ALIBABA_CLOUD_PROFILE"));
        let name = chosen.unwrap_or_else(|| content.current.clone());
        self.source(&content, &name, 1)?.fetch()
    }
}

/// Keys that stand in the file.
struct Fixed {
    around: Surroundings,
    id: Secret,
    secret: Secret,
    token: Option<Secret>,
}

impl Fixed {
    fn new(profile: &Profile, entry: &Entry, with_token: bool) -> Result<Self, CredentialsError> {
        let name = crate::scrub::plain(&entry.name, 80);
        let must = |value: &Option<Secret>, field: &str| {
            let missing =
                || profile.bad(format!("the profile `{name}` has no {field}; set it with `aliyun configure`"));
            value.clone().filter(|v| !v.is_empty()).ok_or_else(missing)
        };
        Ok(Self {
            around: profile.around.clone(),
            id: must(&entry.access_key_id, "access_key_id")?,
            secret: must(&entry.access_key_secret, "access_key_secret")?,
            token: with_token.then(|| must(&entry.sts_token, "sts_token")).transpose()?,
        })
    }
}

impl Source for Fixed {
    fn fetch(&self) -> Result<Keys, CredentialsError> {
        Ok(Keys {
            id: self.id.clone(),
            secret: self.secret.clone(),
            token: self.token.clone(),
            obtained_ms: self.around.clock.now_ms(),
            expires_ms: None,
        })
    }
}
