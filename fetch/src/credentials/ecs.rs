//! Credentials of the role of an ECS instance, from the metadata service.
//!
//! The hardened protocol (a token first) is used; the older one only where the service knows no tokens, and never if
//! `hardened_only` is set. The service is never asked through a proxy.

use serde::Deserialize;

use super::sts::Service;
use super::{CredentialsError, Keys, Source, Surroundings};
use crate::clock;
use crate::error::ConfigError;
use crate::scrub;
use crate::secret::Secret;
use crate::wire::{Answer, Target};

const TOKEN: &str = "/latest/api/token";
const ROLES: &str = "/latest/meta-data/ram/security-credentials/";
/// How long a metadata token lasts, seconds; it is fetched anew for each renewal, so a short life does.
const TOKEN_LIFE: &str = "60";

/// The metadata service.
pub(super) struct Metadata {
    around: Surroundings,
    service: Service,
    role: Option<String>,
    hardened_only: bool,
}

/// The service's field names.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Content {
    #[serde(default)]
    code: String,
    access_key_id: Secret,
    access_key_secret: Secret,
    security_token: Secret,
    expiration: String,
}

impl Metadata {
    pub(super) fn new(around: &Surroundings, role: Option<&str>, hardened_only: bool) -> Result<Self, ConfigError> {
        let address = around.config.metadata_address.clone();
        let (host, port) = address.rsplit_once(':').unwrap_or((&address, "80"));
        let authority = if port == "80" { host.to_owned() } else { address.clone() };
        let target = Target {
            base: format!("http://{authority}"),
            secure: false,
            host: host.to_owned(),
            port: port.parse().unwrap_or(80),
            address: None,
            direct: true,
        };
        let service = Service::new("the ECS metadata service", target, authority, &around.config.wire);
        let role = role.filter(|r| !r.is_empty()).map(str::to_owned);
        Ok(Self { around: around.clone(), service, role, hardened_only })
    }

    fn bad(&self, why: impl Into<String>) -> CredentialsError {
        self.service.bad(why)
    }

    fn ask(&self, method: &str, path: &str, headers: &[(String, String)]) -> Result<Answer, CredentialsError> {
        self.service.send(&self.around, method, path, headers, b"").map_err(|e| {
            let CredentialsError::Service { why, .. } = e else { return e };
            self.bad(format!("{why}; is this an ECS instance with a RAM role, and may this process reach it?"))
        })
    }

    /// The header that carries a metadata token, if the service gives one.
    fn token(&self) -> Result<Vec<(String, String)>, CredentialsError> {
        let life = [("x-aliyun-ecs-metadata-token-ttl-seconds".to_owned(), TOKEN_LIFE.to_owned())];
        let answer = self.ask("PUT", TOKEN, &life)?;
        let token = String::from_utf8(answer.body).ok().filter(|t| t.bytes().all(|b| b.is_ascii_graphic()));
        match (answer.status, token) {
            (200, Some(token)) if !token.is_empty() => Ok(vec![("x-aliyun-ecs-metadata-token".to_owned(), token)]),
            (status, _) if self.hardened_only => {
                Err(self.bad(format!("status {status} instead of a token, and the older protocol is switched off")))
            }
            _ => Ok(vec![]),
        }
    }

    fn role(&self, token: &[(String, String)]) -> Result<String, CredentialsError> {
        if let Some(role) = &self.role {
            return Ok(role.clone());
        }
        let answer = self.ask("GET", ROLES, token)?;
        if answer.status != 200 {
            return Err(self.bad(format!("status {} for its roles; attach a RAM role to the instance", answer.status)));
        }
        let text = String::from_utf8_lossy(&answer.body).trim().to_owned();
        let fits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        fits.then_some(text).ok_or_else(|| self.bad("it names no role; attach one RAM role to the instance"))
    }
}

impl Source for Metadata {
    fn fetch(&self) -> Result<Keys, CredentialsError> {
        let token = self.token()?;
        let role = self.role(&token)?;
        let answer = self.ask("GET", &format!("{ROLES}{role}"), &token)?;
        let shown = scrub::plain(&role, 80);
        if answer.status != 200 {
            let status = answer.status;
            return Err(self.bad(format!("status {status} for the role `{shown}`; is it the instance's?")));
        }
        let content: Content = serde_json::from_slice(&answer.body)
            .map_err(|_| self.bad(format!("what it says about the role `{shown}` holds no credentials")))?;
        if content.code != "Success" {
            let code = scrub::plain(&content.code, 80);
            return Err(self.bad(format!("code `{code}` for the role `{shown}`; check the role's trust policy")));
        }
        let expires_ms = clock::parse_rfc3339(&content.expiration)
            .ok_or_else(|| self.bad("the expiry of the credentials is no time"))?;
        Ok(Keys {
            id: content.access_key_id,
            secret: content.access_key_secret,
            token: Some(content.security_token),
            obtained_ms: self.around.clock.now_ms(),
            expires_ms: Some(expires_ms),
        })
    }
}
