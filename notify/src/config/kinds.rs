//! The options of each kind of channel.
//!
//! Must never hold a secret.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::pattern;
use super::{Delivery, Filter, Secret};

/// Options of a channel of type `webhook`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookChannel {
    /// Where the address is that is posted to, `https://…`.
    pub url: Secret,

    /// Where the key is that requests are signed with: `X-Innertrail-Signature` is `v1=` and the HMAC-SHA256, in hexadecimal, of
    /// the value of `X-Innertrail-Timestamp`, a dot, and the body. Without a key there is no signature.
    #[serde(default)]
    pub signing_key: Secret,

    /// Where the value of the header `Authorization` is, if the receiver wants one.
    #[serde(default)]
    pub authorization: Secret,

    /// PEM file of further certificate authorities.
    #[serde(default)]
    #[schemars(regex(pattern = pattern::PATH))]
    pub ca_file: Option<PathBuf>,

    /// Which alerts are told.
    #[serde(default)]
    pub filter: Filter,

    /// How they are told.
    #[serde(default)]
    pub delivery: Delivery,
}

/// Options of a channel of type `dingtalk`. A robot with keywords needs `innertrail` among them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DingtalkChannel {
    /// Where the robot's address is: `https://oapi.dingtalk.com/robot/send?access_token=…`.
    pub url: Secret,

    /// Where the robot's secret for signatures is, `SEC…`; none if the robot has no signatures.
    #[serde(default)]
    pub signing_key: Secret,

    /// PEM file of further certificate authorities.
    #[serde(default)]
    #[schemars(regex(pattern = pattern::PATH))]
    pub ca_file: Option<PathBuf>,

    /// Which alerts are told.
    #[serde(default)]
    pub filter: Filter,

    /// How they are told.
    #[serde(default)]
    pub delivery: Delivery,
}

/// Options of a channel of type `feishu`. A bot with keywords needs `innertrail` among them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FeishuChannel {
    /// Where the bot's address is: `https://open.feishu.cn/open-apis/bot/v2/hook/…`, or the same of `open.larksuite.com`.
    pub url: Secret,

    /// Where the bot's secret for signatures is; none if the bot has no signatures.
    #[serde(default)]
    pub signing_key: Secret,

    /// PEM file of further certificate authorities.
    #[serde(default)]
    #[schemars(regex(pattern = pattern::PATH))]
    pub ca_file: Option<PathBuf>,

    /// Which alerts are told.
    #[serde(default)]
    pub filter: Filter,

    /// How they are told.
    #[serde(default)]
    pub delivery: Delivery,
}

/// Options of a channel of type `wecom`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WecomChannel {
    /// Where the robot's address is: `https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=…`.
    pub url: Secret,

    /// PEM file of further certificate authorities.
    #[serde(default)]
    #[schemars(regex(pattern = pattern::PATH))]
    pub ca_file: Option<PathBuf>,

    /// Which alerts are told.
    #[serde(default)]
    pub filter: Filter,

    /// How they are told.
    #[serde(default)]
    pub delivery: Delivery,
}

/// Options of a channel of type `slack`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlackChannel {
    /// Where the webhook's address is: `https://hooks.slack.com/services/…`.
    pub url: Secret,

    /// PEM file of further certificate authorities.
    #[serde(default)]
    #[schemars(regex(pattern = pattern::PATH))]
    pub ca_file: Option<PathBuf>,

    /// Which alerts are told.
    #[serde(default)]
    pub filter: Filter,

    /// How they are told.
    #[serde(default)]
    pub delivery: Delivery,
}

/// Options of a channel of type `alertmanager`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AlertmanagerChannel {
    /// Its address, without `/api/v2/alerts`.
    #[schemars(length(max = 2048), regex(pattern = pattern::URL))]
    pub url: String,

    /// Where the value of the header `Authorization` is, if it wants one.
    #[serde(default)]
    pub authorization: Secret,

    /// Seconds for which an alert counts as firing if no entry will ever say that it is over, as for rules over single records.
    /// Less than the `group_interval` of Alertmanager (5 minutes unless set) and an alert that joins a group may be over before
    /// the group is told of again, and so is never told.
    #[serde(default = "resolve_after")]
    #[schemars(range(min = 60, max = 604_800))]
    pub resolve_after_secs: u32,

    /// Seconds after which firing alerts are sent again. Alertmanager takes an alert for over when it has not come for four times
    /// as long.
    #[serde(default = "resend")]
    #[schemars(range(min = 10, max = 3_600))]
    pub resend_secs: u32,

    /// PEM file of further certificate authorities.
    #[serde(default)]
    #[schemars(regex(pattern = pattern::PATH))]
    pub ca_file: Option<PathBuf>,

    /// Which alerts are told.
    #[serde(default)]
    pub filter: Filter,

    /// How they are told.
    #[serde(default)]
    pub delivery: Delivery,
}

/// Options of a channel of type `email`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EmailChannel {
    /// The mail server; its certificate must have this name.
    #[schemars(length(min = 1, max = 253), regex(pattern = pattern::PATH))]
    pub host: String,

    /// Its port.
    #[serde(default = "submission")]
    #[schemars(range(min = 1, max = 65_535))]
    pub port: u16,

    /// How the connection is encrypted.
    #[serde(default)]
    pub tls: EmailTls,

    /// User, where the server asks for one. Needs `password` and TLS.
    #[serde(default)]
    #[schemars(length(max = 256), regex(pattern = pattern::PATH))]
    pub user: Option<String>,

    /// Where the user's password is.
    #[serde(default)]
    pub password: Secret,

    /// The sender's address, `name@example.com`.
    #[schemars(length(max = 254), regex(pattern = pattern::PATH))]
    pub from: String,

    /// The receivers' addresses. A server that refuses one of them refuses the message.
    #[schemars(length(min = 1, max = 50), inner(length(max = 254), regex(pattern = pattern::PATH)))]
    pub to: Vec<String>,

    /// PEM file of further certificate authorities.
    #[serde(default)]
    #[schemars(regex(pattern = pattern::PATH))]
    pub ca_file: Option<PathBuf>,

    /// Which alerts are told.
    #[serde(default)]
    pub filter: Filter,

    /// How they are told.
    #[serde(default)]
    pub delivery: Delivery,
}

/// How a connection to a mail server is encrypted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EmailTls {
    /// It begins in clear, and nothing but `STARTTLS` is said before it is encrypted. Port 587.
    #[default]
    Starttls,
    /// From the first byte. Port 465.
    Tls,
    /// Not at all: alerts can be read and changed on the way. No password is sent.
    None,
}

fn resolve_after() -> u32 {
    900
}

fn resend() -> u32 {
    60
}

fn submission() -> u16 {
    587
}
