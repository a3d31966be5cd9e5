//! What is known of the log agents: the configuration blocks that connect them, and what each way can promise.
//!
//! The blocks are files of `fixtures/agents/`, built in; their first lines are the one place where a promise is written.
//! Nothing here may promise more than was read or tried, and no block may hold `${VAR}`: Vector does not replace it.

pub mod vector;

use serde::Serialize;

/// A way between one agent and innertrail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Seam {
    /// The agent, as the command line names it.
    pub agent: &'static str,
    /// The way, as the command line names it.
    pub seam: &'static str,
    /// From where to where, in words.
    pub about: &'static str,
    /// What arrives.
    pub guarantee: &'static str,
    /// What may be lost, and when.
    pub loses: &'static str,
    /// How this is known: tried, read in the source, or documented.
    pub known: &'static str,
    /// Where the agent's block belongs.
    pub agent_file: &'static str,
    /// The agent's block, with the comments before it.
    pub agent_block: &'static str,
    /// Where innertrail's block belongs.
    pub innertrail_file: &'static str,
    /// Innertrail's block; empty where none is needed.
    pub innertrail_block: &'static str,
    /// The whole file.
    #[serde(skip)]
    pub text: &'static str,
}

/// One file of `fixtures/agents/`: the agent, the way, and the text.
macro_rules! seams {
    ($($agent:literal $seam:literal $ending:literal),* $(,)?) => {
        [$(($agent, $seam, include_str!(concat!("../../../fixtures/agents/", $agent, "/", $seam, ".", $ending)))),*]
    };
}

/// All of them. The first of an agent is the one to take when nothing speaks against it.
const FILES: [(&str, &str, &str); 24] = seams![
    "vector" "vector" "yaml", "vector" "otlp" "yaml", "vector" "spool" "yaml", "vector" "exec" "yaml",
    "vector" "gate" "yaml",
    "fluent-bit" "forward" "yaml", "fluent-bit" "otlp" "yaml", "fluent-bit" "spool" "yaml",
    "otelcol" "otlp" "yaml", "otelcol" "spool" "yaml", "otelcol" "gate" "yaml",
    "alloy" "otlp" "alloy",
    "rsyslog" "spool" "conf", "rsyslog" "improg" "conf", "rsyslog" "mmexternal" "conf", "rsyslog" "omprog" "conf",
    "syslog-ng" "spool" "conf", "syslog-ng" "program" "conf", "syslog-ng" "parser" "conf",
    "loongcollector" "otlp" "yaml", "loongcollector" "spool" "yaml",
    "fluentd" "forward" "conf", "fluentd" "spool" "conf",
    "rotel" "otlp" "env",
];

/// Every way to every agent, in the order of recommendation.
#[must_use]
pub fn seams() -> Vec<Seam> {
    FILES.into_iter().map(|(agent, seam, text)| read(agent, seam, text)).collect()
}

/// Takes a file apart. A missing line is an empty text; a test holds every file to having all of them.
fn read(agent: &'static str, seam: &'static str, text: &'static str) -> Seam {
    let told = |name: &str| text.lines().find_map(|line| comment(line)?.strip_prefix(name)).unwrap_or_default().trim();
    let divider = text.lines().find(|line| comment(line).is_some_and(|c| c.starts_with(DIVIDER))).unwrap_or_default();
    let (agent_block, innertrail_block) = match divider {
        "" => (text, ""),
        line => text.split_once(line).unwrap_or((text, "")),
    };
    let innertrail_file = comment(divider).and_then(|c| c.strip_prefix(DIVIDER)).unwrap_or_default();
    Seam {
        agent,
        seam,
        about: text.lines().next().and_then(comment).unwrap_or_default(),
        guarantee: told("guarantee:"),
        loses: told("loses:"),
        known: told("known:"),
        agent_file: told("agent file:"),
        agent_block,
        innertrail_file: innertrail_file.trim_end_matches('-').trim(),
        innertrail_block: innertrail_block.trim_start_matches('\n'),
        text,
    }
}

/// What stands on the line between the two blocks.
const DIVIDER: &str = "---- innertrail file:";

/// The text of a comment line, in any of the agents' languages.
fn comment(line: &str) -> Option<&str> {
    line.strip_prefix("# ").or_else(|| line.strip_prefix("// "))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_file_says_what_it_promises() {
        let mut names = Vec::new();
        for seam in seams() {
            let name = format!("{}/{}", seam.agent, seam.seam);
            for told in [seam.about, seam.guarantee, seam.loses, seam.known, seam.agent_file, seam.innertrail_file] {
                assert!(!told.is_empty(), "{name} leaves something out");
            }
            assert!(seam.about.contains("innertrail"), "{name}");
            assert!(seam.innertrail_block.is_empty() == seam.innertrail_file.starts_with("none"), "{name}");
            assert!(
                ["tried", "read", "documented", "improg's protocol"].iter().any(|w| seam.known.starts_with(w)),
                "{name}"
            );
            names.push(name);
        }
        let given: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(given.len(), names.len(), "one way is given twice");
    }

    /// Vector 0.57 and later take `${VAR}` literally.
    #[test]
    fn no_block_for_vector_holds_a_variable() {
        for seam in seams().into_iter().filter(|seam| seam.agent == "vector") {
            assert!(!seam.text.contains("${"), "{}", seam.seam);
        }
    }

    /// A file that is not built in would never be printed or tested.
    #[test]
    fn every_file_of_the_folder_is_built_in() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/agents");
        let known = seams();
        for agent in std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap()).filter(|e| e.file_name() != "check") {
            for file in std::fs::read_dir(agent.path()).unwrap() {
                let path = file.unwrap().path();
                let (agent, seam) = (agent.file_name(), path.file_stem().unwrap());
                assert!(known.iter().any(|s| agent == s.agent && seam == s.seam), "{} is not built in", path.display());
            }
        }
    }
}
