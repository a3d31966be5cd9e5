//! Columns appended by a newer component, and everything else about a layout that is refused.

use innertrail_logstore::row::RowBuilder;
use innertrail_logstore::{Column, Encoding, Error, Kind, Snapshot, Store, Transaction, Value, Writer};

use crate::support::{CountdownDisk, NOW, events, expected, layout, open, plain, unsynced};

#[test]
fn appended_columns_are_null_in_older_rows() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("d");
    let mut writer = open(&dir);
    writer.commit(events([1]), NOW).unwrap();
    writer.seal_tail(NOW).unwrap();
    writer.commit(events([2]), NOW).unwrap();
    drop(writer);

    let mut newer = layout();
    newer.columns.push(Column::new("region", Kind::Text, Encoding::Dictionary));
    let mut writer = Writer::open(&dir, "main", newer.clone(), plain(), NOW).unwrap();
    let mut builder = RowBuilder::new();
    builder.begin(b"{}");
    builder.text(4, "cn-hangzhou");
    let mut txn = Transaction::default();
    txn.push(Store::Log, builder.finish(), 2);
    writer.commit(txn, NOW).unwrap();
    for sealed in [false, true] {
        if sealed {
            writer.seal_tail(NOW).unwrap();
        }
        let snapshot = Snapshot::open(&dir).unwrap();
        assert_eq!(snapshot.layout(), &newer);
        let rows = snapshot.scan_rows(Store::Log, 0, 10).unwrap();
        assert_eq!(rows[..2], [expected(1, 0, NOW), expected(2, 1, NOW)]);
        assert_eq!(rows[2].columns().collect::<Vec<_>>(), [(4, Value::Text("cn-hangzhou"))]);
    }
    drop(writer);
    let older = Writer::open(&dir, "main", layout(), plain(), NOW).unwrap_err().to_string();
    assert!(older.contains("column 4 `region` is stored but the component no longer has it"), "{older}");
}

#[test]
fn moved_retyped_or_badly_named_columns_are_refused() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("d");
    drop(open(&dir));
    let refuse = |change: &dyn Fn(&mut innertrail_logstore::Layout)| {
        let mut changed = layout();
        change(&mut changed);
        match Writer::open(&dir, "main", changed, plain(), NOW) {
            Err(Error::Layout(why)) => why,
            other => panic!("{:?}", other.map(|_| ())),
        }
    };
    let all = [
        refuse(&|l| l.columns.swap(1, 2)),
        refuse(&|l| l.columns[2].kind = Kind::Text),
        refuse(&|l| l.key = Some(1)),
        refuse(&|l| l.key = Some(9)),
        refuse(&|l| l.key = Some(2)),
        refuse(&|l| l.columns[1].name = "it_seq".into()),
        refuse(&|l| l.columns[1].name = "size".into()),
        refuse(&|l| l.columns[1].name = String::new()),
    ];
    insta::assert_snapshot!(all.join("\n"), @r"
    column 1 is stored as `eventName` (Text) but the component says `size` (Integer); new columns go at the end
    column 2 is stored as `size` (Integer) but the component says `size` (Text); new columns go at the end
    the event id moved from column Some(0) to Some(1)
    the key names a column that does not exist
    the key column `size` is not text
    column 1 is named `it_seq`, which the Logstore keeps for itself
    two columns are named `size`
    column 1 needs a name of 1 to 128 printable bytes
    ");
    // Hints may change at any time.
    let mut hints = layout();
    hints.columns[1].encoding = Encoding::Plain;
    Writer::open(&dir, "main", hints, plain(), NOW).unwrap();
}

/// The story: a crash between the new format.json and the state that goes with it left a layout that no digest named
/// once the next start had tidied up, and the start after that refused the directory.
#[test]
fn a_crash_at_any_operation_of_a_new_layout_never_locks_the_directory() {
    let mut wider = layout();
    wider.columns.push(Column::new("added", Kind::Text, Encoding::Plain));
    for at in 0.. {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("d");
        let mut writer = Writer::open(&dir, "main", layout(), unsynced(plain()), NOW).unwrap();
        writer.commit(events([1, 2]), NOW).unwrap();
        drop(writer);
        let (disk, _) = CountdownDisk::new(at, std::io::ErrorKind::Other);
        let mut options = plain();
        options.disk = disk;
        let whole = Writer::open(&dir, "main", wider.clone(), options, NOW).is_ok();
        for _ in 0..2 {
            let writer = Writer::open(&dir, "main", wider.clone(), unsynced(plain()), NOW);
            let writer = writer.unwrap_or_else(|e| panic!("after operation {at}: {e}"));
            assert_eq!((writer.state().next(Store::Log), writer.layout()), (2, &wider), "after operation {at}");
        }
        if whole {
            assert!(at > 20, "{at} operations");
            return;
        }
    }
}
