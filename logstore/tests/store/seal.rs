//! The seal: what is signed, what a writer refuses to go on from, and proofs that others can check.

use std::path::Path;

use innertrail_logstore::{Error, SealKey, Snapshot, Store, Writer};
use tlog_tiles::{Hash, check_record, check_tree, record_hash, tree_hash};

use crate::support::{HOUR, NOW, event, events, layout, open, plain, raw, small, unsynced};

fn reopen(dir: &Path) -> Result<Writer, Error> {
    Writer::open(dir, "main", layout(), unsynced(plain()), NOW)
}

/// The tree of the first `n` events, by the definition and not by the way the Logstore keeps it.
fn root(n: u64) -> Hash {
    let leaves: Vec<Hash> = (0..n).map(|id| record_hash(event(id).as_bytes())).collect();
    let mut stored = Vec::new();
    for (i, leaf) in leaves.iter().enumerate() {
        let read = |indexes: &[u64]| Ok(indexes.iter().map(|at| stored[*at as usize]).collect());
        let more = tlog_tiles::stored_hashes_for_record_hash(i as u64, *leaf, &Read(read)).unwrap();
        stored.extend(more);
    }
    tree_hash(n, &Read(|indexes: &[u64]| Ok(indexes.iter().map(|at| stored[*at as usize]).collect()))).unwrap()
}

struct Read<F>(F);

impl<F: Fn(&[u64]) -> Result<Vec<Hash>, tlog_tiles::Error>> tlog_tiles::HashReader for Read<F> {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, tlog_tiles::Error> {
        (self.0)(indexes)
    }
}

#[test]
fn a_checkpoint_is_a_signed_note_over_all_four_trees() {
    let parent = tempfile::tempdir().unwrap();
    let mut writer = open(&parent.path().join("d"));
    let mut txn = events([0, 1, 2]);
    txn.push(Store::Quarantine, &raw(&[0xff]), 1);
    txn.push(Store::Journal, &raw(b"{}"), 0);
    writer.commit(txn, NOW).unwrap();
    let note = String::from_utf8(writer.checkpoint().to_vec()).unwrap();
    // The chain covers the random salt of the log, so that line and the signature differ from run to run.
    let steady: Vec<&str> = note.lines().filter(|l| !l.starts_with("wal ") && !l.starts_with('—')).collect();
    insta::assert_snapshot!(steady.join("\n"), @r"
    innertrail/main
    3
    P72SemAjw96ic+p+dER/K6pDxWN2RZy5RVffZESuv3Y=
    quarantine 1 But9amnuGeX733SQGNPSq/oEvL0TZdsxLrhtxxaTibg=
    passthrough 0 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=
    journal 1 KKOhj2zWQGsIbp/9ofm4oT289EsPPzLLkDGhH9BTrPk=
    time 1794524400000000
    ");
    assert_eq!(steady[2], root(3).to_string());
    let verifiers = signed_note::VerifierList::new(vec![Box::new(
        signed_note::StandardVerifier::new(&Snapshot::open(&parent.path().join("d")).unwrap().vkey().unwrap()).unwrap(),
    )]);
    signed_note::Note::from_bytes(note.as_bytes()).unwrap().verify(&verifiers).unwrap();
    assert_eq!(Snapshot::open(&parent.path().join("d")).unwrap().checkpoint().unwrap(), note);
}

#[test]
fn proofs_hold_for_every_record_in_segments_and_tail_and_between_all_sizes() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("d");
    let mut writer = Writer::open(&dir, "main", layout(), unsynced(small(300)), NOW).unwrap();
    for n in 0..70 {
        writer.commit(events(n * 10..n * 10 + 10), NOW).unwrap();
    }
    let snapshot = Snapshot::open(&dir).unwrap();
    assert!(snapshot.tail_from(Store::Log) > 500 && snapshot.tail_from(Store::Log) < 700);
    let whole = root(700);
    for seq in (0..700).step_by(7).chain([255, 256, 511, 512, 699]) {
        let proof = snapshot.inclusion_proof(Store::Log, seq).unwrap();
        assert!(proof.checkpoint.contains(&whole.to_string()));
        let path = proof.hashes.into_iter().map(Hash).collect();
        check_record(&path, 700, whole, seq, record_hash(event(seq).as_bytes())).unwrap();
        assert!(check_record(&path, 700, whole, seq, record_hash(b"another")).is_err());
    }
    for from in [1, 2, 255, 256, 257, 511, 512, 600, 699] {
        let proof = snapshot.consistency_proof(Store::Log, from, 700).unwrap();
        check_tree(&proof.into_iter().map(Hash).collect(), 700, whole, from, root(from)).unwrap();
    }
    assert!(matches!(snapshot.inclusion_proof(Store::Log, 700), Err(Error::Proof(_))));
    assert!(matches!(snapshot.consistency_proof(Store::Log, 5, 701), Err(Error::Proof(_))));
}

/// Changes one byte of the first event in the log and makes the checksums fit again, as an attacker would.
fn forge(wal: &Path, from: &[u8], to: &[u8]) {
    let mut bytes = std::fs::read(wal).unwrap();
    let at = bytes.windows(from.len()).position(|w| w == from).unwrap();
    bytes[at..at + to.len()].copy_from_slice(to);
    // One frame: header of 128 bytes at 32, its checksum over all but itself at 32 + 124.
    let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes[32..32 + 124]), &bytes[160..]);
    bytes[156..160].copy_from_slice(&crc.to_le_bytes());
    std::fs::write(wal, bytes).unwrap();
}

#[test]
fn an_event_changed_in_the_log_with_its_checksum_is_refused() {
    for (from, to) in [(&b"event-000001"[..], &b"event-000009"[..]), (b"DeleteBucket", b"CreateBucket")] {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("d");
        let mut writer = open(&dir);
        writer.commit(events([1, 2]), NOW).unwrap();
        drop(writer);
        forge(&dir.join("wal/00000001.wal"), from, to);
        let error = reopen(&dir).unwrap_err().to_string();
        assert!(error.contains("does not match the checkpoint that was signed with it"), "{error}");
    }
}

#[test]
fn a_log_cut_below_its_checkpoint_is_refused_and_not_taken_for_a_torn_write() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("d");
    let wal = dir.join("wal/00000001.wal");
    let mut writer = open(&dir);
    writer.commit(events([1]), NOW).unwrap();
    let one = std::fs::metadata(&wal).unwrap().len();
    // A second later: this commit's checkpoint goes to its file.
    writer.commit(events([2]), NOW + 1_000_000).unwrap();
    drop(writer);
    let whole = std::fs::read(&wal).unwrap();
    for cut in [one, one + 50] {
        std::fs::write(&wal, &whole[..cut as usize]).unwrap();
        let error = reopen(&dir).unwrap_err();
        assert!(matches!(error, Error::Truncated { store: Store::Log, signed: 2, found: 1, .. }), "{error}");
    }
    std::fs::write(&wal, &whole).unwrap();
    reopen(&dir).unwrap();
}

#[test]
fn only_the_key_that_signed_goes_on_signing() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("d");
    drop(open(&dir));
    let mut options = plain();
    options.key = SealKey::new("main", [8; 32]).unwrap();
    let error = Writer::open(&dir, "main", layout(), options, NOW).unwrap_err().to_string();
    assert!(error.contains("it is not the one that"), "{error}");
}

#[test]
fn each_hour_has_its_own_digest_and_each_digest_names_the_one_before() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("d");
    let mut writer = open(&dir);
    for hour in 0..3 {
        writer.commit(events([2 * hour, 2 * hour + 1]), NOW + hour as i64 * HOUR).unwrap();
    }
    drop(writer);
    let texts: Vec<String> =
        (1..=3).map(|n| std::fs::read_to_string(dir.join(format!("seal/digest/{n:08}.digest"))).unwrap()).collect();
    assert!(!dir.join("seal/digest/00000004.digest").exists());
    for (n, text) in texts.iter().enumerate() {
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!((lines[0], lines[1]), ("innertrail/main/digest", (n + 1).to_string().as_str()));
        let before = n.checked_sub(1).map_or_else(|| "0".repeat(64), |n| sha256(texts[n].as_bytes()));
        assert_eq!(lines[2], before);
        assert_eq!(lines[4], format!("log {} {}", 2 * n, root(2 * n as u64)));
        for named in lines.iter().filter_map(|l| l.split_once("  ")) {
            assert_eq!(named.0, sha256(&std::fs::read(dir.join(named.1)).unwrap()), "{}", named.1);
        }
    }
    assert_eq!(texts[2].lines().filter(|l| l.contains("  ")).count(), 3, "a segment, its index and its leaf file");
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}
