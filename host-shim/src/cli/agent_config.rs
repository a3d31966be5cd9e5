//! `innertrail agent-config`: the configuration blocks that connect an agent, and what each way can promise.
//!
//! Prints what is built in; it reads no file and asks nothing.

use std::fmt::Write as _;
use std::io;

use anyhow::anyhow;

use super::args::{AgentConfigArgs, BlockPart, Format};
use super::{Failure, Outcome, print};
use crate::agents::{Seam, seams};
use crate::config::nearest;

pub(super) fn run(args: &AgentConfigArgs) -> Outcome {
    let seams = seams();
    if args.list {
        let of = |seam: &&Seam| args.agent.as_deref().is_none_or(|agent| agent == seam.agent);
        return list(args.format, &seams.iter().filter(of).collect::<Vec<_>>());
    }
    let seam = find(&seams, args.agent.as_deref().unwrap_or_default(), args.seam.as_deref())?;
    match (args.format, args.part) {
        (Format::Json, _) => print(&serde_json::to_string_pretty(seam).map_err(io::Error::from)?),
        (Format::Text, None) => print(seam.text),
        (Format::Text, Some(BlockPart::Agent)) => print(seam.agent_block),
        (Format::Text, Some(BlockPart::Innertrail)) if seam.innertrail_block.is_empty() => {
            print(&format!("# {}\n", seam.innertrail_file))
        }
        (Format::Text, Some(BlockPart::Innertrail)) => print(seam.innertrail_block),
    }
}

/// The way that was asked for, or the agent's first.
fn find<'a>(seams: &'a [Seam], agent: &str, wanted: Option<&str>) -> Result<&'a Seam, Failure> {
    let of: Vec<&Seam> = seams.iter().filter(|seam| seam.agent == agent).collect();
    let Some(wanted) = wanted else {
        return of.first().copied().ok_or_else(|| Failure::Usage(anyhow!("there is no agent `{agent}`; see --list")));
    };
    of.iter().copied().find(|seam| seam.seam == wanted).ok_or_else(|| {
        let names: Vec<&str> = of.iter().map(|seam| seam.seam).collect();
        let hint = nearest(wanted, names.iter().copied()).map_or_else(String::new, |n| format!("did you mean `{n}`? "));
        Failure::Usage(anyhow!("--seam: {agent} has no way of that name; {hint}it has {}", names.join(", ")))
    })
}

fn list(format: Format, seams: &[&Seam]) -> Outcome {
    if format == Format::Json {
        let rows: Vec<serde_json::Value> = seams
            .iter()
            .map(|s| {
                serde_json::json!({ "agent": s.agent, "seam": s.seam, "about": s.about, "guarantee": s.guarantee,
                    "loses": s.loses, "known": s.known })
            })
            .collect();
        return print(&serde_json::to_string_pretty(&rows).map_err(io::Error::from)?);
    }
    let width = |of: fn(&Seam) -> &str| seams.iter().map(|s| of(s).len()).max().unwrap_or(0) + 2;
    let (a, s, g) = (width(|s| s.agent), width(|s| s.seam), width(|s| s.guarantee));
    let mut text = format!("{:a$}{:s$}{:g$}KNOWN\n", "AGENT", "SEAM", "GUARANTEE");
    for seam in seams {
        let _ = writeln!(text, "{:a$}{:s$}{:g$}{}", seam.agent, seam.seam, seam.guarantee, seam.known);
        let _ = writeln!(text, "{:a$}{:s$}loses: {}", "", "", seam.loses);
    }
    print(&text)
}
