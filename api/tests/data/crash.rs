//! The process is stopped at each operation on the disk that a group's change consists of. What was answered must be there
//! afterwards; what was not may be there or not, and nothing in between.

use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use hyper::Method;
use innertrail_api::{Data, DataOptions};
use innertrail_logstore::Store;
use innertrail_logstore::durable::{Act, Disk, DiskFile, OsDisk, Part, Step};

use crate::support::*;

/// A disk that stops after so many operations, and does nothing ever after; the write it stops at is half done.
#[derive(Debug, Clone)]
struct StopDisk {
    left: Arc<AtomicI64>,
    steps: Arc<Mutex<Vec<Step>>>,
}

impl StopDisk {
    fn new(operations: i64) -> Self {
        Self { left: Arc::new(AtomicI64::new(operations)), steps: Arc::default() }
    }

    fn spend(&self, part: Part, act: Act) -> io::Result<()> {
        let step = Step { part, act };
        assert!(step.is_listed(), "{step}");
        self.steps.lock().unwrap().push(step);
        if self.left.fetch_sub(1, Ordering::SeqCst) > 0 { Ok(()) } else { Err(io::Error::other("stopped")) }
    }
}

struct StopFile {
    disk: StopDisk,
    part: Part,
    file: Box<dyn DiskFile>,
}

impl Write for StopFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Err(e) = self.disk.spend(self.part, Act::Write) {
            self.file.write_all(&bytes[..bytes.len() / 2])?;
            return Err(e);
        }
        self.file.write_all(bytes).map(|()| bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl DiskFile for StopFile {
    fn sync(&mut self) -> io::Result<()> {
        self.disk.spend(self.part, Act::Sync)
    }
    fn seal(&mut self) -> io::Result<()> {
        panic!("a group is never sealed")
    }
}

impl Disk for StopDisk {
    fn create_dir(&self, part: Part, path: &Path) -> io::Result<bool> {
        self.spend(part, Act::CreateDir)?;
        OsDisk::default().create_dir(part, path)
    }
    fn create(&self, part: Part, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.spend(part, Act::Create)?;
        let file = OsDisk::default().create(part, path)?;
        Ok(Box::new(StopFile { disk: self.clone(), part, file }))
    }
    fn rename(&self, part: Part, from: &Path, to: &Path) -> io::Result<()> {
        self.spend(part, Act::Rename)?;
        OsDisk::default().rename(part, from, to)
    }
    fn remove(&self, part: Part, path: &Path) -> io::Result<()> {
        self.spend(part, Act::Remove)?;
        OsDisk::default().remove(part, path)
    }
    fn remove_dir(&self, part: Part, path: &Path) -> io::Result<()> {
        self.spend(part, Act::RemoveDir)?;
        OsDisk::default().remove_dir(part, path)
    }
    fn sync_dir(&self, part: Part, _path: &Path) -> io::Result<()> {
        self.spend(part, Act::SyncDir)
    }
}

fn send(data: &Data, method: Method, parameters: &[(&str, &str)], body: &str, rest: &[&str]) -> Result<String, u16> {
    let rest: Vec<String> = rest.iter().map(|part| (*part).to_owned()).collect();
    let answer = data.group_call(&call(method, parameters, body), Store::Log, &rest);
    answer.map(|answer| String::from_utf8(answer.body.to_vec()).unwrap()).map_err(|e| e.status)
}

fn create(data: &Data) -> Result<String, u16> {
    send(data, Method::POST, &[], r#"{"consumerGroup":"g","timeout":40,"order":true}"#, &[])
}

fn checkpoint(data: &Data, cursor: &str) -> Result<String, u16> {
    let parameters = [("type", "checkpoint"), ("consumer", "a"), ("forceSuccess", "True")];
    send(data, Method::POST, &parameters, &format!(r#"{{"shard":0,"checkpoint":"{cursor}"}}"#), &["g"])
}

/// The checkpoint of shard 0; `None` without a group.
fn stored(data: &Data) -> Option<String> {
    let list: serde_json::Value = serde_json::from_str(&send(data, Method::GET, &[], "", &["g"]).ok()?).unwrap();
    Some(list[0]["checkpoint"].as_str().unwrap().to_owned())
}

fn serve(rig: &Rig, disk: &StopDisk) -> Result<Data, innertrail_api::DataError> {
    let options = DataOptions {
        notify: Some(rig.notify.clone()),
        block: Some(8),
        disk: Arc::new(disk.clone()),
        ..DataOptions::default()
    };
    Data::open(&rig.dir(), options)
}

#[test]
fn a_stop_at_any_operation_leaves_the_old_group_or_the_new_one() {
    let (mut at, mut stops) = (0, 0);
    loop {
        let mut rig = Rig::new();
        rig.audits(0..8);
        let disk = StopDisk::new(at);
        let (mut made, mut said, mut deleted) = (None, String::new(), None);
        let mut asked = vec![String::new()];
        if let Ok(data) = serve(&rig, &disk) {
            let cursors = [cursor(&data, Store::Log, 0, "begin"), cursor(&data, Store::Log, 0, "end")];
            made = Some(create(&data).is_ok());
            for cursor in cursors {
                asked.push(cursor.clone());
                if checkpoint(&data, &cursor).is_ok() {
                    said = cursor;
                }
            }
            deleted = Some(send(&data, Method::DELETE, &[], "", &["g"]).is_ok());
        }
        let over = disk.left.load(Ordering::SeqCst) >= 0;
        // The next life, with a sound disk.
        let data = rig.data();
        let found = stored(&data);
        match deleted {
            Some(true) => assert_eq!(found, None, "stopped at {at}"),
            _ => match found {
                None => assert!(made != Some(true) || disk.steps.lock().unwrap().iter().any(|s| s.act == Act::Remove)),
                Some(found) => {
                    // What was answered, or what was asked for next.
                    let least = asked.iter().position(|cursor| *cursor == said).unwrap();
                    assert!(asked[least..].contains(&found), "stopped at {at}: {found} of {asked:?}, answered {said}");
                }
            },
        }
        if found_group_is_usable(&data) {
            stops += 1;
        }
        assert!(!files(&rig.dir().join("consumers/sls/log")).iter().any(|name| name.ends_with(".tmp")));
        if over {
            break;
        }
        at += 1;
    }
    assert!(at > 30 && stops == at + 1, "{stops} of {at}");
}

fn found_group_is_usable(data: &Data) -> bool {
    let _exists_or_not = create(data);
    checkpoint(data, &cursor(data, Store::Log, 0, "end")).is_ok()
        && stored(data) == Some(cursor(data, Store::Log, 0, "end"))
        && send(data, Method::DELETE, &[], "", &["g"]).is_ok()
}

/// A disk that is full refuses checkpoints, and the group stands where it stood. Space comes back, and so does the group.
#[test]
fn a_failed_checkpoint_changes_nothing_and_the_next_one_does() {
    let mut rig = Rig::new();
    rig.audits(0..8);
    let disk = StopDisk::new(i64::MAX);
    let data = serve(&rig, &disk).unwrap();
    create(&data).unwrap();
    let (begin, end) = (cursor(&data, Store::Log, 0, "begin"), cursor(&data, Store::Log, 0, "end"));
    checkpoint(&data, &begin).unwrap();
    disk.left.store(0, Ordering::SeqCst);
    assert_eq!(checkpoint(&data, &end), Err(500));
    assert_eq!(stored(&data), Some(begin));
    disk.left.store(i64::MAX, Ordering::SeqCst);
    checkpoint(&data, &end).unwrap();
    assert_eq!(stored(&data), Some(end));
}
