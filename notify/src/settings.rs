//! What each kind of channel allows, and what of it a configuration asks for.
//! It must never let a configuration loosen a channel's own limit.

use crate::config::{ChannelConfig, Mode};
use crate::outbox::{Limit, Pauses, Recovery, Settings};

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60_000;
const HOUR: i64 = 3_600_000;

/// A kind of channel: its own limits, and the defaults of what can be asked for.
struct Kind {
    own: &'static [(usize, i64)],
    per_minute: u32,
    collect_secs: u32,
    batch: usize,
}

fn kind(config: &ChannelConfig) -> Kind {
    let (own, per_minute, collect_secs, batch): (&[(usize, i64)], _, _, _) = match config {
        ChannelConfig::Webhook(_) => (&[], 600, 1, 100),
        // Less than what is allowed: others may post through the same robot, and ten minutes of silence are its punishment.
        ChannelConfig::Dingtalk(_) | ChannelConfig::Wecom(_) => (&[(20, MINUTE)], 15, 10, 2_000),
        ChannelConfig::Feishu(_) => (&[(100, MINUTE), (5, SECOND)], 60, 10, 2_000),
        ChannelConfig::Slack(_) => (&[(1, SECOND)], 30, 10, 2_000),
        ChannelConfig::Alertmanager(_) => (&[], 600, 1, 200),
        ChannelConfig::Email(_) => (&[], 10, 60, 2_000),
    };
    Kind { own, per_minute, collect_secs, batch }
}

/// What a channel's outbox goes by.
pub(crate) fn of(config: &ChannelConfig) -> Settings {
    let (kind, delivery) = (kind(config), config.delivery());
    let per_minute = delivery.max_per_minute.unwrap_or(kind.per_minute).max(1);
    let mut limits: Vec<Limit> =
        kind.own.iter().map(|(count, period_ms)| Limit { count: *count, period_ms: *period_ms }).collect();
    limits.push(Limit { count: per_minute as usize, period_ms: MINUTE });
    let lists = matches!(config, ChannelConfig::Webhook(_) | ChannelConfig::Alertmanager(_));
    let mode = if lists { Mode::Digest } else { delivery.mode };
    let recovery = match config {
        ChannelConfig::Alertmanager(c) => Some(Recovery {
            resolve_after_ms: i64::from(c.resolve_after_secs) * SECOND,
            resend_ms: i64::from(c.resend_secs) * SECOND,
        }),
        _ => None,
    };
    Settings {
        filter: config.filter().clone(),
        send_resolved: delivery.send_resolved,
        mode,
        collect_ms: i64::from(delivery.collect_secs.unwrap_or(kind.collect_secs)) * SECOND,
        limits,
        max_age_ms: i64::from(delivery.max_age_hours) * HOUR,
        batch: kind.batch,
        pauses: Pauses { first: SECOND, longest: i64::from(delivery.retry_max_secs).max(1) * SECOND },
        refused: Pauses { first: 5 * MINUTE, longest: HOUR },
        recovery,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_cannot_loosen_a_channels_limit() {
        let url = r#""url":{"type":"environment","variable":"URL"},"delivery":{"max_per_minute":600}"#;
        for (kind, own) in
            [("dingtalk", (20, 60_000)), ("wecom", (20, 60_000)), ("feishu", (5, 1_000)), ("slack", (1, 1_000))]
        {
            let config: ChannelConfig = serde_json::from_str(&format!(r#"{{"type":"{kind}",{url}}}"#)).unwrap();
            let limits = of(&config).limits;
            assert!(limits.contains(&Limit { count: own.0, period_ms: own.1 }), "{kind}: {limits:?}");
        }
    }
}
