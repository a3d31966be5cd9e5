//! Credentials from environment variables, and the default chain.

use std::path::PathBuf;

use super::config::{self, Provider, Role};
use super::{CredentialsError, Keys, Source, Surroundings, profile};
use crate::error::ConfigError;
use crate::secret::Secret;

/// Environment variables, looked up again each minute and after a refusal.
pub(super) struct Variables {
    around: Surroundings,
    id: String,
    secret: String,
    token: String,
}

impl Variables {
    pub(super) fn new(around: &Surroundings, id: &str, secret: &str, token: &str) -> Self {
        Self { around: around.clone(), id: id.to_owned(), secret: secret.to_owned(), token: token.to_owned() }
    }
}

impl Source for Variables {
    fn fetch(&self) -> Result<Keys, CredentialsError> {
        let must = |name: &str| {
            let remedy = "set it, or choose another provider of credentials";
            let missing = || CredentialsError::Variable { variable: name.to_owned(), remedy };
            self.around.environment.get(name).map(Secret::new).ok_or_else(missing)
        };
        Ok(Keys {
            id: must(&self.id)?,
            secret: must(&self.secret)?,
            token: self.around.environment.get(&self.token).map(Secret::new),
            obtained_ms: self.around.clock.now_ms(),
            expires_ms: None,
        })
    }
}

/// The first provider that is set up decides; it is not passed over because it fails.
///
/// The official SDKs go on to the next one on any error. A mistyped file would then silently become the instance's role,
/// with other rights; an audit pipe must rather stop and say so.
pub(super) struct Chain {
    sources: Vec<(Link, Box<dyn Source>)>,
    around: Surroundings,
}

enum Link {
    Environment,
    Oidc,
    Profile(PathBuf),
    Ecs,
}

impl Chain {
    pub(super) fn new(around: &Surroundings) -> Result<Self, ConfigError> {
        let make = |provider: &Provider| config::source(provider, around);
        let mut sources = vec![
            (Link::Environment, make(&Provider::environment())?),
            (Link::Oidc, make(&Provider::Oidc { provider_arn: None, token_file: None, role: Role::default() })?),
        ];
        if let Some(path) = profile::default_path(&around.environment)
            && !around.environment.is_true("ALIBABA_CLOUD_CLI_PROFILE_DISABLED")
        {
            let source = make(&Provider::Profile { path: Some(path.clone()), name: None })?;
            sources.push((Link::Profile(path), source));
        }
        if !around.environment.is_true("ALIBABA_CLOUD_ECS_METADATA_DISABLED") {
            let role = around.environment.get("ALIBABA_CLOUD_ECS_METADATA");
            let hardened_only = around.environment.is_true("ALIBABA_CLOUD_IMDSV1_DISABLED");
            sources.push((Link::Ecs, make(&Provider::EcsRole { role, hardened_only })?));
        }
        Ok(Self { sources, around: around.clone() })
    }

    fn is_set_up(&self, link: &Link) -> bool {
        let set = |name: &str| self.around.environment.get(name).is_some();
        match link {
            Link::Environment => set("ALIBABA_CLOUD_ACCESS_KEY_ID") || set("ALIBABA_CLOUD_ACCESS_KEY_SECRET"),
            Link::Oidc => {
                set("ALIBABA_CLOUD_OIDC_TOKEN_FILE")
                    && set("ALIBABA_CLOUD_ROLE_ARN")
                    && set("ALIBABA_CLOUD_OIDC_PROVIDER_ARN")
            }
            Link::Profile(path) => path.exists(),
            Link::Ecs => true,
        }
    }
}

impl Source for Chain {
    fn fetch(&self) -> Result<Keys, CredentialsError> {
        let Some((link, source)) = self.sources.iter().find(|(link, _)| self.is_set_up(link)) else {
            let why = "no variables, no OIDC token, no profile, and the metadata service is switched off; \
                       set ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET, or name a provider";
            return Err(CredentialsError::Chain(why.to_owned()));
        };
        source.fetch().map_err(|error| match link {
            Link::Ecs => CredentialsError::Chain(format!(
                "no variables, no OIDC token, no profile; and as for the role of an ECS instance, {error}"
            )),
            _ => error,
        })
    }
}
