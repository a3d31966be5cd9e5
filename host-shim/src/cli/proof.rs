//! `innertrail proof`: that one event is in the dedicated Logstore, as a text that others can check.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use innertrail_logstore::{Proof, Snapshot, Store};
use innertrail_query::terminal_safe;

use super::args::ProofArgs;
use super::{Failure, Outcome, print};

pub(super) fn run(args: &ProofArgs) -> Outcome {
    let dir = &args.data.data_dir;
    let snapshot = Snapshot::open(dir).map_err(|e| Failure::Usage(e.into()))?;
    let runtime = |e: innertrail_logstore::Error| Failure::Runtime(e.into());
    let Some(row) = snapshot.find_by_key(Store::Log, &args.event_id).map_err(runtime)? else {
        let (id, dir) = (terminal_safe(&args.event_id), dir.display());
        return Err(Failure::Runtime(anyhow::anyhow!("no event {id} in the dedicated Logstore of {dir}")));
    };
    print(&text(&snapshot.inclusion_proof(Store::Log, row.seq).map_err(runtime)?))
}

/// The proof after c2sp.org/tlog-proof@v1.
fn text(proof: &Proof) -> String {
    let hashes: String = proof.hashes.iter().map(|hash| format!("{}\n", BASE64_STANDARD.encode(hash))).collect();
    format!("c2sp.org/tlog-proof@v1\nindex {}\n{hashes}\n{}", proof.index, proof.checkpoint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_has_the_form_of_the_specification() {
        let proof = Proof { index: 7, hashes: vec![[0; 32], [255; 32]], checkpoint: "note\n".to_owned() };
        insta::assert_snapshot!(text(&proof), @r"
        c2sp.org/tlog-proof@v1
        index 7
        AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
        //////////////////////////////////////////8=

        note
        ");
    }
}
