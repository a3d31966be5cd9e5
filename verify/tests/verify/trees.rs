//! Trees and proofs against the published vectors and the definition of RFC 6962; keys against their text form.

use innertrail_verify::VerifierKey;
use innertrail_verify::tree::{Edge, Hash, consistent, leaf_hash, node_hash, sha256};

use crate::support::seal_key;

fn hex(hash: &[u8]) -> String {
    hash.iter().map(|b| format!("{b:02x}")).collect()
}

/// The reference leaves of the Certificate Transparency implementation, and the roots of the first 1 to 8 of them.
const LEAVES: [&[u8]; 8] = [
    b"",
    b"\x00",
    b"\x10",
    b"\x20\x21",
    b"\x30\x31",
    b"\x40\x41\x42\x43",
    b"\x50\x51\x52\x53\x54\x55\x56\x57",
    b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
];
const ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

#[test]
fn roots_are_those_of_the_published_vectors() {
    let mut edge = Edge::default();
    for n in 0..=8 {
        assert_eq!(hex(&edge.root()), ROOTS[n], "size {n}");
        let again = Edge::new(n as u64, &edge.hashes().collect::<Vec<_>>()).unwrap();
        assert_eq!(again, edge);
        if n < 8 {
            edge.push(leaf_hash(LEAVES[n]), |_, _, _| {});
        }
    }
    assert!(Edge::new(3, &[[0; 32]]).is_none() && Edge::new(0, &[[0; 32]]).is_none());
}

fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => sha256(b""),
        [one] => *one,
        more => {
            let (left, right) = more.split_at(more.len().next_power_of_two() / 2);
            node_hash(&root(left), &root(right))
        }
    }
}

/// PROOF and SUBPROOF of RFC 6962, section 2.1.2.
fn proof(m: usize, leaves: &[Hash], whole: bool) -> Vec<Hash> {
    if m == leaves.len() {
        return if whole { Vec::new() } else { vec![root(leaves)] };
    }
    let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
    if m <= left.len() {
        [proof(m, left, whole), vec![root(right)]].concat()
    } else {
        [proof(m - left.len(), right, false), vec![root(left)]].concat()
    }
}

#[test]
fn consistency_proofs_hold_for_all_pairs_and_for_nothing_else() {
    let leaves: Vec<Hash> = (0..33u8).map(|n| leaf_hash(&[n])).collect();
    let other = leaf_hash(b"other");
    for n in 1..=leaves.len() {
        for m in 1..=n {
            let (old, new) = (root(&leaves[..m]), root(&leaves[..n]));
            let mut path = proof(m, &leaves[..n], true);
            assert!(consistent((m as u64, &old), (n as u64, &new), &path), "{m} to {n}");
            assert!(!consistent((m as u64, &other), (n as u64, &new), &path));
            assert!(!consistent((m as u64, &old), (n as u64, &other), &path));
            assert!(m == n || !consistent((n as u64, &new), (m as u64, &old), &path));
            for i in 0..path.len() {
                let kept = std::mem::replace(&mut path[i], other);
                assert!(!consistent((m as u64, &old), (n as u64, &new), &path), "{m} to {n}, hash {i}");
                path[i] = kept;
            }
            path.push(other);
            assert!(!consistent((m as u64, &old), (n as u64, &new), &path));
        }
    }
    let new = root(&leaves);
    assert!(consistent((0, &sha256(b"")), (33, &new), &[]));
    assert!(!consistent((0, &other), (33, &new), &[]));
    assert!(!consistent((u64::MAX, &other), (u64::MAX, &new), &[]));
    assert!(!consistent((1, &other), (u64::MAX, &new), &[other; 70]));
}

#[test]
fn entries_of_tiles_are_the_roots_of_their_blocks() {
    let leaves: Vec<Hash> = (0..600u32).map(|n| leaf_hash(&n.to_le_bytes())).collect();
    let (mut edge, mut entries) = (Edge::default(), Vec::new());
    for leaf in &leaves {
        edge.push(*leaf, |level, index, hash| entries.push((level, index, hash)));
    }
    assert_eq!(entries, [(1, 0, root(&leaves[..256])), (1, 1, root(&leaves[256..512]))]);
}

#[test]
fn a_verifier_key_is_read_strictly() {
    let text = seal_key().vkey().to_owned();
    let key = VerifierKey::parse(&format!(" {text}\n")).unwrap();
    assert_eq!((key.text(), key.name()), (text.clone(), "innertrail/main"));
    for (i, byte) in text.bytes().enumerate() {
        let mut changed = text.clone().into_bytes();
        changed[i] = if byte == b'x' { b'y' } else { b'x' };
        assert!(VerifierKey::parse(&String::from_utf8(changed).unwrap()).is_err(), "character {i}");
    }
    for bad in ["", "+", "a+b", "a+00000000+", "innertrail/main+zzzzzzzz+AQ==", "\u{7f}+00000000+AQ=="] {
        assert!(VerifierKey::parse(bad).is_err(), "{bad:?}");
    }
}
