//! Does each sink deliver? One whose receiver is away loses nothing until retention drops what waits.

use super::super::evidence::Evidence;
use super::super::{Ailment, Finding};
use crate::lifecycle::day::told;

/// Longest wait without a word where the configuration tells nobody, seconds.
const LONG_S: u32 = 300;

pub(super) fn look(evidence: &Evidence) -> Vec<Finding> {
    let mut found = Vec::new();
    for delivery in &evidence.deliveries {
        let mut say = |ailment, what| found.push(Finding::new("sinks", &delivery.name, ailment, what));
        let after = delivery.waiting_alert_secs.filter(|secs| *secs > 0).unwrap_or(LONG_S);
        let long = |since_us: &i64| evidence.now_us.saturating_sub(*since_us) >= i64::from(after) * 1_000_000;
        let waits_us = delivery.waits_us.filter(long);
        let Some(said) = &delivery.said else {
            if let Some(waits_us) = waits_us {
                say(Ailment::SinkBehind, format!("a record waits since {}, and no run is known", told(waits_us)));
            }
            continue;
        };
        let what = format!("{}; at record {}, {} behind", said.told(), said.position, said.behind);
        match (said.state.as_str(), waits_us) {
            ("failed", _) => say(Ailment::SinkWaiting, what),
            ("waiting" | "held", _) if said.behind > 0 => say(Ailment::SinkWaiting, what),
            ("running" | "starting" | "caught_up", Some(since)) => {
                say(Ailment::SinkWaiting, format!("{what}; nothing was delivered since {}", told(since)));
            }
            (_, Some(since)) => say(Ailment::SinkBehind, format!("{what}; a record waits since {}", told(since))),
            _ => {}
        }
    }
    found
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::super::deliveries::Delivery;
    use super::super::super::evidence::Local;
    use super::*;
    use crate::sink::note::Said;

    const NOW: i64 = 1_795_392_000_000_000; // 2026-11-23T00:00:00Z

    fn found(state: Option<&str>, behind: u64, waited_s: Option<i64>, secs: u32) -> Vec<(Ailment, String)> {
        let since_us = NOW - 7_200_000_000;
        let said = state.map(|state| Said { state: state.to_owned(), since_us, behind, ..Said::default() });
        let delivery = Delivery {
            name: "sink siem".to_owned(),
            protocol: "otlp",
            promise: "",
            said,
            waits_us: waited_s.map(|s| NOW - s * 1_000_000),
            waiting_alert_secs: Some(secs),
        };
        let (sources, local) = (Vec::new(), Local::default());
        let evidence = Evidence { now_us: NOW, sources, trail: None, local, deliveries: vec![delivery] };
        look(&evidence).into_iter().map(|finding| (finding.ailment, finding.what)).collect()
    }

    #[test]
    fn a_sink_that_waits_is_a_problem_and_one_that_nobody_runs_a_risk() {
        let ailments = |state, behind, waited, secs| {
            found(state, behind, waited, secs).into_iter().map(|(ailment, _)| ailment).collect::<Vec<_>>()
        };
        assert_eq!(ailments(Some("waiting"), 3, Some(2), 300), [Ailment::SinkWaiting]);
        assert_eq!(ailments(Some("held"), 3, None, 300), [Ailment::SinkWaiting]);
        assert_eq!(ailments(Some("failed"), 0, None, 300), [Ailment::SinkWaiting]);
        assert_eq!(ailments(Some("running"), 3, Some(301), 300), [Ailment::SinkWaiting], "it hears no answer");
        assert_eq!(ailments(Some("stopped"), 3, Some(301), 300), [Ailment::SinkBehind]);
        assert_eq!(ailments(None, 0, Some(301), 0), [Ailment::SinkBehind]);
        for well in [("running", 3, Some(299)), ("caught_up", 0, None), ("stopped", 0, None), ("stopped", 3, Some(20))]
        {
            assert_eq!(ailments(Some(well.0), well.1, well.2, 300), [], "{well:?}");
        }
        let (_, what) = found(Some("waiting"), 3, Some(2), 300).remove(0);
        assert_eq!(what, "waiting since 2026-11-22T22:00:00Z; at record 0, 3 behind");
    }
}
