//! Rules of `alerts:`. Must never open a folder: what is in it is found when the rules are loaded.

use super::Broken;
use crate::config::Config;

pub(super) fn broken(config: &Config) -> Option<Broken> {
    let alerts = config.alerts.as_ref()?;
    (!alerts.pack && alerts.rules.is_empty()).then(|| Broken {
        at: "alerts.pack".to_owned(),
        operands: vec!["alerts.pack".to_owned(), "alerts.rules".to_owned()],
        message: "`alerts.pack: false` without `alerts.rules`: there is no rule to evaluate".to_owned(),
        help: "name a folder under `rules:`, or remove `alerts:`",
    })
}
