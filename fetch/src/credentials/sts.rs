//! Temporary credentials from the Security Token Service: `AssumeRole` and `AssumeRoleWithOIDC`.
//!
//! What the service says in an error is scrubbed of every credential before it goes anywhere.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde::Deserialize;

use super::config::Role;
use super::{CredentialsError, Keys, Source, Surroundings};
use crate::error::ConfigError;
use crate::scrub::Scrub;
use crate::secret::Secret;
use crate::sign::acs3;
use crate::wire::{Answer, Body, Exchange, Target, Wire, WireConfig};
use crate::{clock, encode, endpoint, files};

const VERSION: &str = "2015-04-01";
const FORM: &str = "application/x-www-form-urlencoded";
/// No answer is longer, bytes.
const MAX_ANSWER: u64 = 256 << 10;
/// No OIDC token is longer, bytes.
const MAX_TOKEN: u64 = 64 << 10;

/// A service that gives credentials, and the connections to it.
pub(super) struct Service {
    name: &'static str,
    base: String,
    authority: String,
    target: Target,
    config: WireConfig,
    wire: OnceLock<Wire>,
}

impl Service {
    pub(super) fn new(name: &'static str, target: Target, authority: String, config: &WireConfig) -> Self {
        Self { name, base: target.base.clone(), authority, target, config: config.clone(), wire: OnceLock::new() }
    }

    fn sts(around: &Surroundings) -> Result<Self, ConfigError> {
        let (secure, host, port) = endpoint::split(&around.config.sts_endpoint)?;
        let authority = port.map_or_else(|| host.clone(), |p| format!("{host}:{p}"));
        let target = Target {
            base: format!("{}://{authority}", if secure { "https" } else { "http" }),
            secure,
            port: port.unwrap_or(if secure { 443 } else { 80 }),
            host,
            address: around.config.sts_address.clone(),
            direct: false,
        };
        Ok(Self::new("the Security Token Service", target, authority, &around.config.wire))
    }

    pub(super) fn bad(&self, why: impl Into<String>) -> CredentialsError {
        CredentialsError::Service { service: self.name, why: why.into() }
    }

    /// The connections, made at the first use: most chains never ask most of their services.
    fn wire(&self, around: &Surroundings) -> Result<&Wire, CredentialsError> {
        if let Some(wire) = self.wire.get() {
            return Ok(wire);
        }
        let made = Wire::new(&self.config, &around.environment, std::slice::from_ref(&self.target), 1)
            .map_err(|e| self.bad(e.to_string()))?;
        Ok(self.wire.get_or_init(|| made))
    }

    pub(super) fn send(
        &self,
        around: &Surroundings,
        method: &str,
        target: &str,
        headers: &[(String, String)],
        body: &[u8],
    ) -> Result<Answer, CredentialsError> {
        let (base, authority) = (&self.base, &self.authority);
        let exchange =
            Exchange { method, base, authority, target, headers, body: Body::Bytes(body), max_body: MAX_ANSWER };
        self.wire(around)?.send(&exchange).map_err(|e| self.bad(e.why))
    }

    /// One RPC call by POST, signed if there are keys.
    fn call(
        &self,
        around: &Surroundings,
        action: &str,
        form: &[(&str, &str)],
        keys: Option<&Keys>,
    ) -> Result<Answer, CredentialsError> {
        let body = zeroize::Zeroizing::new(encode::query(form, false));
        let seconds = around.clock.now_ms() / 1000;
        if let Some(keys) = keys {
            let nonce = nonce(self)?;
            let call = acs3::Call {
                method: "POST",
                host: &self.authority,
                action,
                version: VERSION,
                query: &[],
                content_type: FORM,
                nonce: &nonce,
            };
            let headers = acs3::sign(&call, body.as_bytes(), keys, seconds);
            return self.send(around, "POST", "/", &headers, body.as_bytes());
        }
        let query =
            [("Action", action), ("Format", "JSON"), ("Timestamp", &clock::rfc3339(seconds)), ("Version", VERSION)];
        let headers = [("content-type".to_owned(), FORM.to_owned())];
        self.send(around, "POST", &format!("/?{}", encode::query(&query, false)), &headers, body.as_bytes())
    }

    /// The keys in an answer.
    fn keys(&self, around: &Surroundings, answer: &Answer, scrub: &Scrub) -> Result<Keys, CredentialsError> {
        if answer.status != 200 {
            return Err(self.refused(answer, scrub));
        }
        let given: Given = serde_json::from_slice(&answer.body)
            .map_err(|_| self.bad("its answer holds no credentials; is the endpoint the right one?"))?;
        let expires_ms = clock::parse_rfc3339(&given.credentials.expiration)
            .ok_or_else(|| self.bad("the expiry of the credentials is no time"))?;
        Ok(Keys {
            id: given.credentials.access_key_id,
            secret: given.credentials.access_key_secret,
            token: Some(given.credentials.security_token),
            obtained_ms: around.clock.now_ms(),
            expires_ms: Some(expires_ms),
        })
    }

    fn refused(&self, answer: &Answer, scrub: &Scrub) -> CredentialsError {
        let status = answer.status;
        match serde_json::from_slice::<Refusal>(&answer.body) {
            Ok(refusal) => {
                let (code, message) = (scrub.text(&refusal.code, 80), scrub.text(&refusal.message, 240));
                self.bad(format!("status {status}, {code}: {message}"))
            }
            Err(_) => self.bad(format!("status {status} without a reason")),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Given {
    credentials: GivenKeys,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GivenKeys {
    access_key_id: Secret,
    access_key_secret: Secret,
    security_token: Secret,
    expiration: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Refusal {
    code: String,
    #[serde(default)]
    message: String,
}

fn nonce(service: &Service) -> Result<String, CredentialsError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|e| service.bad(format!("the system gives no randomness: {e}")))?;
    Ok(encode::hex(&bytes))
}

/// The role and its session as form fields.
struct Session {
    arn: Option<String>,
    name: String,
    external_id: Option<String>,
    policy: Option<String>,
    seconds: String,
}

impl Session {
    fn new(role: &Role) -> Self {
        Self {
            arn: role.role_arn.clone(),
            name: role.session_name.clone().unwrap_or_else(|| "innertrail".to_owned()),
            external_id: role.external_id.clone(),
            policy: role.policy.clone(),
            seconds: role.duration_secs.unwrap_or(3600).to_string(),
        }
    }

    fn form<'a>(&'a self, arn: &'a str) -> Vec<(&'a str, &'a str)> {
        let mut form =
            vec![("DurationSeconds", self.seconds.as_str()), ("RoleArn", arn), ("RoleSessionName", self.name.as_str())];
        form.extend(self.external_id.as_deref().map(|e| ("ExternalId", e)));
        form.extend(self.policy.as_deref().map(|p| ("Policy", p)));
        form
    }
}

/// A role assumed with other credentials.
pub(super) struct AssumeRole {
    around: Surroundings,
    service: Service,
    with: Box<dyn Source>,
    session: Session,
}

impl AssumeRole {
    pub(super) fn new(around: &Surroundings, with: Box<dyn Source>, role: &Role) -> Result<Self, ConfigError> {
        let session = Session::new(role);
        Ok(Self { around: around.clone(), service: Service::sts(around)?, with, session })
    }
}

impl Source for AssumeRole {
    fn fetch(&self) -> Result<Keys, CredentialsError> {
        let with = self.with.fetch()?;
        let arn = self.session.arn.as_deref().unwrap_or_default();
        let form = self.session.form(arn);
        let answer = self.service.call(&self.around, "AssumeRole", &form, Some(&with))?;
        self.service.keys(&self.around, &answer, &Scrub::of(&with))
    }
}

/// A role for an OIDC token. The token's file is read at each fetch: it is rotated by whoever writes it.
pub(super) struct Oidc {
    around: Surroundings,
    service: Service,
    provider_arn: Option<String>,
    token_file: Option<PathBuf>,
    session: Session,
}

impl Oidc {
    pub(super) fn new(
        around: &Surroundings,
        provider_arn: Option<&str>,
        token_file: Option<&Path>,
        role: &Role,
    ) -> Result<Self, ConfigError> {
        let mut session = Session::new(role);
        if role.session_name.is_none()
            && let Some(name) = around.environment.get("ALIBABA_CLOUD_ROLE_SESSION_NAME")
        {
            session.name = name;
        }
        Ok(Self {
            around: around.clone(),
            service: Service::sts(around)?,
            provider_arn: provider_arn.map(str::to_owned),
            token_file: token_file.map(Path::to_owned),
            session,
        })
    }

    fn or_variable(&self, given: Option<String>, name: &str) -> Result<String, CredentialsError> {
        let remedy = "set it (ACK sets it in pods of a service account with a role), or configure it";
        let missing = || CredentialsError::Variable { variable: name.to_owned(), remedy };
        given.or_else(|| self.around.environment.get(name)).ok_or_else(missing)
    }

    fn token(&self) -> Result<Secret, CredentialsError> {
        let given = self.token_file.as_ref().map(|p| p.to_string_lossy().into_owned());
        let path = PathBuf::from(self.or_variable(given, "ALIBABA_CLOUD_OIDC_TOKEN_FILE")?);
        let bad = |why: String| CredentialsError::File { path: path.clone(), why };
        let text = files::read(&path, MAX_TOKEN).map_err(|e| bad(e.to_string()))?;
        let text = std::str::from_utf8(&text).map_err(|_| bad("it is no OIDC token: not UTF-8".to_owned()))?.trim();
        if text.is_empty() {
            return Err(bad("it is empty; whoever rotates it has not written it yet".to_owned()));
        }
        Ok(Secret::new(text.to_owned()))
    }
}

impl Source for Oidc {
    fn fetch(&self) -> Result<Keys, CredentialsError> {
        let provider = self.or_variable(self.provider_arn.clone(), "ALIBABA_CLOUD_OIDC_PROVIDER_ARN")?;
        let arn = self.or_variable(self.session.arn.clone(), "ALIBABA_CLOUD_ROLE_ARN")?;
        let token = self.token()?;
        let mut form = self.session.form(&arn);
        form.extend([("OIDCProviderArn", provider.as_str()), ("OIDCToken", token.expose())]);
        let answer = self.service.call(&self.around, "AssumeRoleWithOIDC", &form, None)?;
        self.service.keys(&self.around, &answer, &Scrub::values([token.expose()]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_says_only_what_was_configured() {
        let session = Session::new(&Role { external_id: Some("e&1".to_owned()), ..Role::default() });
        assert_eq!(
            encode::query(&session.form("acs:ram::1:role/r"), false),
            "DurationSeconds=3600&RoleArn=acs%3Aram%3A%3A1%3Arole%2Fr&RoleSessionName=innertrail&ExternalId=e%261"
        );
    }
}
