//! What would write, and the one answer to it. A call that is not named here as harmless is refused: a client must not be able
//! to tell what is not known from what is not allowed.
//!
//! The answer must never be a 5xx, a quota, or hold the word that clients take for "try again", so nothing that a client sent
//! may stand in it.

use hyper::Method;
use innertrail_logstore::Store;

use crate::{ApiError, Names};

/// The code of every refused write.
pub const CODE: &str = "LogStoreReadOnly";

/// A way of writing, or of changing what may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Surface {
    /// Records sent to a Logstore.
    PutLogs,
    /// Records sent by a browser, without a key.
    Tracking,
    /// Records to be deleted.
    DeleteLogs,
    /// Records to be changed.
    UpdateLogs,
    /// A new Logstore.
    CreateLogStore,
    /// No Logstore any more.
    DeleteLogStore,
    /// A Logstore changed in a way that is not its retention made longer by an administrator.
    UpdateLogStore,
    /// Shards split, merged or deleted.
    Shards,
    /// The index changed: it follows the columns.
    Index,
    /// The project changed or deleted.
    Project,
    /// Metrics written.
    Prometheus,
    /// Objects written.
    Objects,
    /// A job made or changed, alerts too: it could write into a Logstore.
    Jobs,
    /// A dashboard or a chart made, changed or deleted: those that there are come with innertrail.
    Dashboards,
    /// The same of a saved search.
    SavedSearches,
    /// SQL that is carried out later.
    AsyncSql,
    /// A statement that is no query.
    Sql,
    /// What tells a machine's agent what to send.
    AgentConfig,
    /// Anything else that is not known to be a read.
    Other,
}

impl Surface {
    /// Every surface.
    pub const ALL: [Self; 19] = [
        Self::PutLogs,
        Self::Tracking,
        Self::DeleteLogs,
        Self::UpdateLogs,
        Self::CreateLogStore,
        Self::DeleteLogStore,
        Self::UpdateLogStore,
        Self::Shards,
        Self::Index,
        Self::Project,
        Self::Prometheus,
        Self::Objects,
        Self::Jobs,
        Self::Dashboards,
        Self::SavedSearches,
        Self::AsyncSql,
        Self::Sql,
        Self::AgentConfig,
        Self::Other,
    ];

    /// Its word, for the journal and the metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::PutLogs => "put_logs",
            Self::Tracking => "tracking",
            Self::DeleteLogs => "delete_logs",
            Self::UpdateLogs => "update_logs",
            Self::CreateLogStore => "create_logstore",
            Self::DeleteLogStore => "delete_logstore",
            Self::UpdateLogStore => "update_logstore",
            Self::Shards => "shards",
            Self::Index => "index",
            Self::Project => "project",
            Self::Prometheus => "prometheus",
            Self::Objects => "objects",
            Self::Jobs => "jobs",
            Self::Dashboards => "dashboards",
            Self::SavedSearches => "saved_searches",
            Self::AsyncSql => "async_sql",
            Self::Sql => "sql",
            Self::AgentConfig => "agent_config",
            Self::Other => "other",
        }
    }

    /// The refusal. `store` is the Logstore that it was addressed to, if it is one of ours.
    #[must_use]
    pub fn refusal(self, names: &Names, store: Option<Store>) -> ApiError {
        let logstore = names.logstore(store.unwrap_or(Store::Log));
        let message = format!(
            "{} is refused: Logstore {logstore} of project {} is read-only. It holds what its own trail delivered, sealed, and no \
             client can write, change or delete it; nothing was changed",
            self.name(),
            names.project()
        );
        ApiError::new(403, CODE, message)
    }
}

/// Whether a refusal is one of a write.
#[must_use]
pub fn is_refusal(error: &ApiError) -> bool {
    error.code == CODE
}

/// Whether a request needs no key to be refused: tracking is anonymous by design, and a GET of it writes.
#[must_use]
pub fn is_tracking(path: &[String]) -> bool {
    matches!(path, [logstores, _, track] if logstores == "logstores" && matches!(track.as_str(), "track" | "track.gif" | "track_ua.gif"))
}

/// What a request would write, by method and path alone; none if it is served, or is a read that there is not.
#[must_use]
pub fn surface(method: &Method, path: &[String]) -> Option<Surface> {
    if is_tracking(path) {
        return Some(Surface::Tracking);
    }
    let parts: Vec<&str> = path.iter().map(String::as_str).collect();
    if matches!(*method, Method::GET | Method::HEAD) || is_served(method, &parts) {
        return None;
    }
    Some(match (method, parts.as_slice()) {
        (_, ["logstores", _, rest @ ..]) => of_logstore(method, rest),
        (_, ["logstores"]) => Surface::CreateLogStore,
        (_, [] | ["projects" | "project", ..]) => Surface::Project,
        (_, ["prometheus", ..]) => Surface::Prometheus,
        (_, ["jobs" | "jobschedules" | "scheduledsqls", ..]) => Surface::Jobs,
        (_, ["dashboards", ..]) => Surface::Dashboards,
        (_, ["savedsearches", ..]) => Surface::SavedSearches,
        (_, ["asyncsql", ..]) => Surface::AsyncSql,
        (_, ["configs" | "pipelineconfigs" | "machinegroups" | "ilogtail", ..]) => Surface::AgentConfig,
        _ => Surface::Other,
    })
}

fn of_logstore(method: &Method, rest: &[&str]) -> Surface {
    match rest {
        [] if *method == Method::DELETE => Surface::DeleteLogStore,
        [] if *method == Method::PUT => Surface::UpdateLogStore,
        [] if *method == Method::POST => Surface::PutLogs,
        ["shards", "lb" | "route", ..] => Surface::PutLogs,
        ["shards", ..] => Surface::Shards,
        ["deletelogs" | "deletelogtasks", ..] => Surface::DeleteLogs,
        ["updatelogs" | "modification", ..] => Surface::UpdateLogs,
        ["index", ..] => Surface::Index,
        ["objects", ..] => Surface::Objects,
        _ => Surface::Other,
    }
}

/// Calls with another method than GET that are carried out: searches, consumer groups, a longer retention.
fn is_served(method: &Method, parts: &[&str]) -> bool {
    match parts {
        ["logstores", _] => *method == Method::PUT,
        ["logstores", _, "logs"] => *method == Method::POST,
        ["logstores", _, "consumergroups"] => *method == Method::POST,
        ["logstores", _, "consumergroups", _] => matches!(*method, Method::POST | Method::PUT | Method::DELETE),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(method: &str, path: &str) -> Option<Surface> {
        let path: Vec<String> = path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
        surface(&Method::from_bytes(method.as_bytes()).unwrap_or_default(), &path)
    }

    #[test]
    fn every_surface_that_is_known() {
        use Surface as S;
        for (method, path, expected) in [
            ("POST", "logstores/a/shards/lb", S::PutLogs),
            ("POST", "logstores/a/shards/route", S::PutLogs),
            ("POST", "logstores/a", S::PutLogs),
            ("GET", "logstores/a/track", S::Tracking),
            ("GET", "logstores/a/track.gif", S::Tracking),
            ("GET", "logstores/a/track_ua.gif", S::Tracking),
            ("HEAD", "logstores/a/track_ua.gif", S::Tracking),
            ("POST", "logstores/a/track", S::Tracking),
            ("POST", "logstores/a/deletelogtasks", S::DeleteLogs),
            ("POST", "logstores/a/deletelogs", S::DeleteLogs),
            ("POST", "logstores/a/updatelogs", S::UpdateLogs),
            ("PUT", "logstores/a/modification", S::UpdateLogs),
            ("POST", "logstores", S::CreateLogStore),
            ("DELETE", "logstores/a", S::DeleteLogStore),
            ("POST", "logstores/a/shards/0", S::Shards),
            ("DELETE", "logstores/a/shards/0", S::Shards),
            ("POST", "logstores/a/index", S::Index),
            ("PUT", "logstores/a/index", S::Index),
            ("DELETE", "logstores/a/index", S::Index),
            ("PUT", "logstores/a/objects/x", S::Objects),
            ("PUT", "logstores/a/encryption", S::Other),
            ("PUT", "logstores/a/meteringmode", S::Other),
            ("POST", "logstores/a/substores/x", S::Other),
            ("PUT", "logstores/a/processor", S::Other),
            ("DELETE", "", S::Project),
            ("PUT", "", S::Project),
            ("POST", "", S::Project),
            ("POST", "prometheus/p/a/api/v1/write", S::Prometheus),
            ("POST", "asyncsql", S::AsyncSql),
            ("POST", "jobs", S::Jobs),
            ("POST", "configs", S::AgentConfig),
            ("PUT", "pipelineconfigs/x", S::AgentConfig),
            ("POST", "machinegroups", S::AgentConfig),
            ("PUT", "jobs/x", S::Jobs),
            ("POST", "dashboards", S::Dashboards),
            ("PUT", "dashboards/x", S::Dashboards),
            ("DELETE", "dashboards/x/charts/y", S::Dashboards),
            ("POST", "savedsearches", S::SavedSearches),
            ("DELETE", "savedsearches/x", S::SavedSearches),
            ("PATCH", "logstores/a/consumergroups/g", S::Other),
            ("BREW", "whatever/there/is", S::Other),
            ("DELETE", "logstores/a/consumergroups", S::Other),
            ("POST", "logstores/a/consumergroups/g/more", S::Other),
            ("PUT", "logstores/a/logs", S::Other),
            ("OPTIONS", "logstores/a", S::Other),
        ] {
            assert_eq!(of(method, path), Some(expected), "{method} {path}");
        }
    }

    #[test]
    fn what_is_served_and_what_only_reads_is_not_refused() {
        for (method, path) in [
            ("GET", ""),
            ("GET", "logstores/a/shards/0"),
            ("HEAD", "what/ever"),
            ("PUT", "logstores/a"),
            ("POST", "logstores/a/logs"),
            ("POST", "logstores/a/consumergroups"),
            ("PUT", "logstores/a/consumergroups/g"),
            ("DELETE", "logstores/a/consumergroups/g"),
            ("POST", "logstores/a/consumergroups/g"),
        ] {
            assert_eq!(of(method, path), None, "{method} {path}");
        }
    }

    /// Clients sleep and repeat on these words, wherever they find them.
    #[test]
    fn no_refusal_holds_a_word_that_means_try_again() {
        let names = Names::new("audit", "main-trail");
        for surface in Surface::ALL {
            let told = surface.refusal(&names, None);
            assert_eq!((told.status, told.code), (403, CODE));
            for word in ["unauthorized", "invalidaccesskeyid", "securitytoken", "quota", "servererror"] {
                assert!(!told.message.to_ascii_lowercase().contains(word), "{word}: {}", told.message);
            }
        }
        let mut words: Vec<_> = Surface::ALL.iter().map(|surface| surface.name()).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Surface::ALL.len());
    }
}
