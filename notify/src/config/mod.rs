//! The options of channels: where alerts are told, which ones, and how many at a time. The host has them under
//! `alerts.channels.<name>`.
//!
//! Must never hold a secret: addresses of robots and webhooks are secrets too, and are named by reference.

mod delivery;
mod kinds;
mod secret;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use delivery::{AlertStore, Delivery, Filter, Mode};
pub use kinds::{
    AlertmanagerChannel, DingtalkChannel, EmailChannel, EmailTls, FeishuChannel, SlackChannel, WebhookChannel,
    WecomChannel,
};
pub use secret::{Secret, SecretFile, SecretVariable};

/// The forms of texts; each is one of the host's patterns, which checks them before this crate sees a value.
pub(crate) mod pattern {
    pub(crate) const PATH: &str = "^[^\\u0000-\\u001f\\u007f]+$";
    pub(crate) const URL: &str = "^https?://[^@\\s\\u0000-\\u001f\\u007f]+$";
    pub(crate) const VARIABLE: &str = "^[A-Z_][A-Z0-9_]*$";
}

/// A channel: where alerts are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ChannelConfig {
    /// JSON, posted to any address, signed.
    Webhook(WebhookChannel),
    /// A robot in a DingTalk group.
    Dingtalk(DingtalkChannel),
    /// A custom bot in a Feishu or Lark group.
    Feishu(FeishuChannel),
    /// A robot in a WeCom group.
    Wecom(WecomChannel),
    /// An incoming webhook of Slack.
    Slack(SlackChannel),
    /// Prometheus' Alertmanager, version 2 of its API.
    Alertmanager(AlertmanagerChannel),
    /// E-mail over SMTP.
    Email(EmailChannel),
}

impl ChannelConfig {
    /// What its `type` says.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Webhook(_) => "webhook",
            Self::Dingtalk(_) => "dingtalk",
            Self::Feishu(_) => "feishu",
            Self::Wecom(_) => "wecom",
            Self::Slack(_) => "slack",
            Self::Alertmanager(_) => "alertmanager",
            Self::Email(_) => "email",
        }
    }

    /// Which alerts it is told.
    #[must_use]
    pub fn filter(&self) -> &Filter {
        match self {
            Self::Webhook(c) => &c.filter,
            Self::Dingtalk(c) => &c.filter,
            Self::Feishu(c) => &c.filter,
            Self::Wecom(c) => &c.filter,
            Self::Slack(c) => &c.filter,
            Self::Alertmanager(c) => &c.filter,
            Self::Email(c) => &c.filter,
        }
    }

    /// How it is told.
    #[must_use]
    pub fn delivery(&self) -> &Delivery {
        match self {
            Self::Webhook(c) => &c.delivery,
            Self::Dingtalk(c) => &c.delivery,
            Self::Feishu(c) => &c.delivery,
            Self::Wecom(c) => &c.delivery,
            Self::Slack(c) => &c.delivery,
            Self::Alertmanager(c) => &c.delivery,
            Self::Email(c) => &c.delivery,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<ChannelConfig, String> {
        serde_json::from_str(json).map_err(|e| e.to_string())
    }

    #[test]
    fn unknown_options_are_refused_and_little_is_needed() {
        let url = r#""url":{"type":"environment","variable":"URL"}"#;
        for kind in ["webhook", "dingtalk", "feishu", "wecom", "slack"] {
            let channel = read(&format!(r#"{{"type":"{kind}",{url}}}"#)).unwrap();
            assert_eq!(channel.kind(), kind);
            assert!(channel.delivery().send_resolved && channel.filter().min_level == crate::Level::Informational);
            let unknown = read(&format!(r#"{{"type":"{kind}",{url},"urls":1}}"#)).unwrap_err();
            assert!(unknown.contains("unknown field `urls`"), "{unknown}");
        }
        assert!(read(r#"{"type":"alertmanager","url":"http://h:9093"}"#).is_ok());
        let mail = r#"{"type":"email","host":"h","from":"a@b.example","to":["c@d.example"]}"#;
        let ChannelConfig::Email(mail) = read(mail).unwrap() else { panic!() };
        assert_eq!((mail.tls, mail.port), (EmailTls::Starttls, 587));
        assert!(read(r#"{"type":"slack","url":"https://hooks"}"#).is_err(), "a secret is never in the configuration");
    }

    #[test]
    fn the_schema_is_stable() {
        insta::assert_json_snapshot!(schemars::schema_for!(ChannelConfig));
    }
}
