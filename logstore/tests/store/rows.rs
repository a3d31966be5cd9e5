//! Rows are not trusted: every malformed one is named, and no bytes at all can cause a panic.

use innertrail_logstore::row::{RowBuilder, RowRef};
use innertrail_logstore::{Error, Store, Transaction};
use proptest::prelude::*;

use crate::support::{NOW, layout, open, row};

fn fault(bytes: &[u8]) -> String {
    match RowRef::parse(bytes).and_then(|r| r.check(&layout(), Store::Log)) {
        Ok(()) => "ok".to_owned(),
        Err(e) => e.to_string(),
    }
}

fn with(build: impl Fn(&mut RowBuilder)) -> Vec<u8> {
    let mut builder = RowBuilder::new();
    builder.begin("{\"ö\":1}".as_bytes());
    build(&mut builder);
    builder.finish().to_vec()
}

#[test]
fn every_fault_has_its_message() {
    let mut flags = row(1);
    flags[2] = 1;
    let mut long_payload = row(1);
    long_payload[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
    let mut many_slots = row(1);
    many_slots[..2].copy_from_slice(&u16::MAX.to_le_bytes());
    let all = [
        fault(&row(1)),
        fault(b""),
        fault(&row(1)[..20]),
        fault(&flags),
        fault(&long_payload),
        fault(&many_slots),
        fault(&with(|b| b.text(4, "x"))),
        fault(&with(|b| {
            b.text(1, "x");
            b.text(1, "y");
        })),
        fault(&with(|b| b.slice(1, 5, 4))),
        fault(&with(|b| b.slice(1, u32::MAX, 1))),
        fault(&with(|b| b.slice(1, 0, 1 << 24))),
        fault(&with(|b| b.text(2, "seven77"))),
        fault(&with(|b| b.slice(1, 3, 2))),
        fault(&with(|b| b.slice(1, 2, 2))),
    ];
    insta::assert_snapshot!(all.join("\n"), @r"
    ok
    the row is 0 bytes long but needs at least 8
    the row is 20 bytes long but needs at least 99
    unknown flags 0x0001; this version defines none
    the row is 116 bytes long but needs at least 4294967327
    the row is 116 bytes long but needs at least 524355
    a slot names column 4, but the layout has 4
    two slots name column 1
    the slot of column 1 covers 5+4, outside the row's 8 bytes
    the slot of column 1 covers 4294967295+1, outside the row's 8 bytes
    the slot of column 1 covers 4294967295+0, outside the row's 8 bytes
    column 2 is a number and needs 8 bytes, its slot has 7
    the text of column 1 is not valid UTF-8
    ok
    ");
}

proptest! {
    #[test]
    fn what_is_built_is_what_is_read(payload in ".{0,200}", name in "[a-zà-ü]{0,20}", number in any::<i64>()) {
        let mut builder = RowBuilder::new();
        builder.begin(payload.as_bytes());
        builder.text(1, &name);
        builder.integer(2, number);
        let bytes = builder.finish();
        let row = RowRef::parse(bytes).unwrap();
        row.check(&layout(), Store::Log).unwrap();
        prop_assert_eq!(row.payload(), payload.as_bytes());
        prop_assert_eq!(row.column(0), None);
        prop_assert_eq!(row.column(1), Some(name.as_bytes()));
        prop_assert_eq!(row.column(2), Some(&number.to_le_bytes()[..]));
    }

    #[test]
    fn any_bytes_are_refused_or_readable(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
        if let Ok(row) = RowRef::parse(&bytes) {
            let _ = row.check(&layout(), Store::Log);
            for slot in row.slots() {
                let _ = row.bytes(slot);
            }
        }
    }
}

#[test]
fn damaged_rows_never_reach_the_log_and_never_panic() {
    let parent = tempfile::tempdir().unwrap();
    let mut writer = open(&parent.path().join("d"));
    let good = row(3);
    let (mut refused, mut taken) = (0, 0);
    for at in 0..good.len() {
        for flip in [0x01, 0x80] {
            let mut bytes = good.clone();
            bytes[at] ^= flip;
            let mut txn = Transaction::default();
            txn.push(Store::Log, &bytes, 1);
            match writer.commit(txn, NOW) {
                Ok(_) => taken += 1,
                Err(Error::Row(e)) => {
                    assert_eq!(e.index, 0);
                    refused += 1;
                }
                Err(e) => panic!("{e}"),
            }
        }
    }
    assert!(refused > 50 && taken > 50, "{refused} refused, {taken} taken");
    writer.seal_tail(NOW).unwrap();
}
