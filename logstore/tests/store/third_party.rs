//! What we sign and prove, checked by implementations that are not ours: `openssl` for the signatures, another crate's
//! RFC 6962 for the proofs. It must never use the Logstore's own checks.

use std::path::Path;
use std::process::Command;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use ct_merkle::{ConsistencyProof, InclusionProof, RootHash};
use innertrail_logstore::{Snapshot, Store, Writer};
use sha2_11::{Sha256, digest::Output};

use crate::support::{NOW, event, events, layout, plain, small, unsynced};

const EVENTS: u64 = 700;

/// A store of 700 events, half of them in segments.
fn store(dir: &Path) -> Snapshot {
    let mut writer = Writer::open(dir, "main", layout(), unsynced(small(400)), NOW).unwrap();
    for n in 0..EVENTS / 10 {
        writer.commit(events(n * 10..n * 10 + 10), NOW).unwrap();
    }
    Snapshot::open(dir).unwrap()
}

fn output(hash: &[u8]) -> Output<Sha256> {
    Output::<Sha256>::try_from(hash).unwrap()
}

/// Size and root of a checkpoint, read as tlog-checkpoint says.
fn head(note: &str) -> RootHash<Sha256> {
    let lines: Vec<&str> = note.lines().collect();
    RootHash::new(output(&BASE64_STANDARD.decode(lines[2]).unwrap()), lines[1].parse().unwrap())
}

#[test]
fn another_implementation_of_rfc_6962_accepts_the_proofs_and_refuses_forged_ones() {
    let parent = tempfile::tempdir().unwrap();
    let snapshot = store(&parent.path().join("d"));
    let root = head(&snapshot.checkpoint().unwrap());
    assert_eq!(root.num_leaves(), EVENTS);
    for seq in [0, 1, 255, 256, 399, 400, 699] {
        let proof = snapshot.inclusion_proof(Store::Log, seq).unwrap();
        let hashes: Vec<_> = proof.hashes.iter().map(|hash| output(hash)).collect();
        let proof = InclusionProof::<Sha256>::from_digests(&hashes);
        root.verify_inclusion(&event(seq).into_bytes(), seq, &proof).unwrap();
        assert!(root.verify_inclusion(&event(seq + 1).into_bytes(), seq, &proof).is_err());
        assert!(root.verify_inclusion(&event(seq).into_bytes(), (seq + 1) % EVENTS, &proof).is_err());
    }
    // An older checkpoint, as somebody kept it: the first 120 events in a store of their own have the same tree.
    let older = parent.path().join("older");
    let mut writer = Writer::open(&older, "main", layout(), unsynced(plain()), NOW).unwrap();
    writer.commit(events(0..120), NOW).unwrap();
    let old = head(std::str::from_utf8(writer.checkpoint()).unwrap());
    let hashes = snapshot.consistency_proof(Store::Log, 120, EVENTS).unwrap();
    let hashes: Vec<_> = hashes.iter().map(|hash| output(hash)).collect();
    let proof = ConsistencyProof::<Sha256>::from_digests(&hashes);
    root.verify_consistency(&old, &proof).unwrap();
    let mut forged = hashes;
    forged.swap(0, 1);
    assert!(root.verify_consistency(&old, &ConsistencyProof::<Sha256>::from_digests(&forged)).is_err());
}

/// Text and signature of a note, and the public key, as files that `openssl` takes.
fn take_apart(dir: &Path, note: &str, vkey: &str) {
    let (text, signatures) = note.rsplit_once("\n\n").unwrap();
    let line = signatures.trim_end().strip_prefix("— innertrail/main ").unwrap();
    let signature = BASE64_STANDARD.decode(line).unwrap();
    let key = BASE64_STANDARD.decode(vkey.splitn(3, '+').nth(2).unwrap()).unwrap();
    // The fixed head of an Ed25519 SubjectPublicKeyInfo (RFC 8410), then the 32 bytes of the key.
    let mut der = vec![0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    der.extend_from_slice(&key[1..]);
    std::fs::write(dir.join("text"), format!("{text}\n")).unwrap();
    std::fs::write(dir.join("signature"), &signature[4..]).unwrap();
    std::fs::write(dir.join("key.der"), der).unwrap();
}

fn openssl_accepts(dir: &Path) -> bool {
    let arguments = "pkeyutl -verify -rawin -pubin -keyform DER -inkey key.der -in text -sigfile signature";
    Command::new("openssl").args(arguments.split(' ')).current_dir(dir).output().unwrap().status.success()
}

#[test]
fn plain_openssl_accepts_checkpoint_and_digest_and_refuses_a_changed_one() {
    if !Command::new("openssl").arg("version").output().is_ok_and(|out| out.stdout.starts_with(b"OpenSSL 3")) {
        println!("SKIPPED: no openssl 3 on this machine");
        return;
    }
    let parent = tempfile::tempdir().unwrap();
    let snapshot = store(&parent.path().join("d"));
    let digest = std::fs::read_to_string(parent.path().join("d/seal/digest/00000002.digest")).unwrap();
    for note in [snapshot.checkpoint().unwrap(), digest] {
        take_apart(parent.path(), &note, &snapshot.vkey().unwrap());
        assert!(openssl_accepts(parent.path()), "{note}");
        let text = std::fs::read_to_string(parent.path().join("text")).unwrap();
        std::fs::write(parent.path().join("text"), text.replacen('7', "8", 1)).unwrap();
        assert!(!openssl_accepts(parent.path()));
    }
}
