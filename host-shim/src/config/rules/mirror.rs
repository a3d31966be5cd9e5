//! Rules of the mirror. Must never let it write where a source of the same file reads.

use super::{Broken, unreachable};
use crate::config::{Config, Mirror, Source};
use crate::fetch::cloud::Plan;
use crate::policy;

pub(super) fn broken(config: &Config) -> Vec<Broken> {
    let Some(mirror) = &config.mirror else { return Vec::new() };
    let mut out: Vec<Broken> = config.sources.iter().filter_map(|(name, source)| meets(mirror, name, source)).collect();
    let at = |option: &str| format!("mirror.{option}");
    if mirror.root().split('/').any(|part| part == "." || part == "..") || mirror.prefix.contains("//") {
        out.push(Broken {
            at: at("prefix"),
            operands: vec![at("prefix")],
            message: "`mirror.prefix` has a part that is empty, `.` or `..`, which tools that copy from a bucket take for folders"
                .to_owned(),
            help: "write names between single slashes, such as `innertrail/main`",
        });
    }
    if let Err(error) = Plan::of_mirror(mirror) {
        out.push(unreachable(at, "mirror", &error));
    }
    out
}

/// Whether the mirror would write among the objects of a source. Names of buckets are the same for everybody.
fn meets(mirror: &Mirror, name: &str, source: &Source) -> Option<Broken> {
    let Source::Oss(oss) = source else { return None };
    let (ours, theirs) = (mirror.root(), policy::root(&oss.prefix));
    let same = oss.prefix.trim_matches('/') == mirror.prefix.trim_matches('/');
    let meet = same || ours.starts_with(&theirs) || theirs.starts_with(&ours);
    (mirror.bucket == oss.bucket && meet).then(|| Broken {
        at: "mirror.prefix".to_owned(),
        operands: vec!["mirror".to_owned(), format!("sources.{name}.bucket"), format!("sources.{name}.prefix")],
        message: format!("the mirror would write into the bucket and below the prefix that source `{name}` reads"),
        help: "give the mirror a bucket of its own, or a prefix that neither holds the source's nor lies in it",
    })
}
