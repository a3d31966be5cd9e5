//! A server with rooms that say what they were asked, and a process that remembers what it was told.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use innertrail_api::attempts::Told;
use innertrail_api::auth::{KeyFile, Keyring};
use innertrail_api::route::Rooms;
use innertrail_api::server::{Options, Server, Site};
use innertrail_api::{Answer, ApiError, Call, Facts, Host, Names, Role, ShardInfo};
use innertrail_logstore::{Layout, Store};
use innertrail_test_cloud::Key;
use innertrail_test_cloud::client::{Answer as Seen, Call as Ask, Signature};

pub(crate) const PROJECT: &str = "audit";
pub(crate) const LS: &str = "/logstores/innertrail_main-trail";
pub(crate) const HOST: &str = "audit.logs.example";

/// Rooms that answer with what they got, and take as long as the query says.
#[derive(Default)]
pub(crate) struct Echo {
    pub(crate) calls: Mutex<Vec<(String, usize)>>,
}

impl Echo {
    fn say(&self, room: &str, call: &Call) -> Result<Answer, ApiError> {
        self.calls.lock().unwrap().push((room.to_owned(), call.body.len()));
        if let Some(ms) = call.parameters.get("sleep").and_then(|ms| ms.parse().ok()) {
            std::thread::sleep(Duration::from_millis(ms));
        }
        if let Some(size) = call.parameters.get("bytes").and_then(|n| n.parse().ok()) {
            return Ok(Answer { body: vec![b'x'; size].into(), ..Answer::empty() });
        }
        let count = self.calls.lock().unwrap().len();
        Answer::json(&serde_json::json!({ "room": room, "count": count, "body": String::from_utf8_lossy(&call.body) }))
    }
}

impl Rooms for Echo {
    fn shards(&self, _: Store) -> Vec<ShardInfo> {
        vec![ShardInfo {
            id: 0,
            status: "readwrite",
            created: 1_767_225_600,
            begin_key: "0".repeat(32),
            end_key: "f".repeat(32),
        }]
    }
    fn cursor(&self, call: &Call, _: Store, _: u32) -> Result<Answer, ApiError> {
        self.say("cursor", call)
    }
    fn cursor_time(&self, call: &Call, _: Store, _: u32) -> Result<Answer, ApiError> {
        self.say("cursor_time", call)
    }
    fn pull(&self, call: &Call, _: Store, _: u32) -> Result<Answer, ApiError> {
        self.say("pull", call)
    }
    fn group_call(&self, call: &Call, _: Store, _: &[String]) -> Result<Answer, ApiError> {
        self.say("group", call)
    }
    fn logs_v3(&self, call: &Call, _: Store) -> Result<Answer, ApiError> {
        if call.body.starts_with(b"insert") {
            return Err(ApiError::new(403, "LogStoreReadOnly", "a statement that is no query"));
        }
        self.say("logs_v3", call)
    }
    fn logs_v1(&self, call: &Call, _: Store) -> Result<Answer, ApiError> {
        self.say("logs_v1", call)
    }
    fn histograms(&self, call: &Call, _: Store) -> Result<Answer, ApiError> {
        self.say("histograms", call)
    }
    fn context(&self, call: &Call, _: Store) -> Result<Answer, ApiError> {
        self.say("context", call)
    }
}

/// Remembers.
pub(crate) struct Process {
    pub(crate) days: Mutex<u32>,
    pub(crate) told: Mutex<Vec<Told>>,
}

impl Host for Process {
    fn facts(&self) -> Result<Facts, ApiError> {
        Ok(Facts {
            region: "cn-hangzhou".to_owned(),
            description: "operation logs".to_owned(),
            created_us: 1_767_225_600_000_000,
            changed_us: 1_767_225_600_000_000,
            retention_days: *self.days.lock().unwrap(),
            layout: Layout::default(),
        })
    }
    fn lengthen(&self, days: u32, _: &Call) -> Result<(), ApiError> {
        *self.days.lock().unwrap() = days;
        Ok(())
    }
    fn refused(&self, told: Told) {
        self.told.lock().unwrap().push(told);
    }
}

pub(crate) fn now_us() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros().try_into().unwrap()
}

/// Who measures the memory of the process has it for itself.
static MACHINE: RwLock<()> = RwLock::new(());

enum Hold {
    Shared(#[allow(dead_code)] RwLockReadGuard<'static, ()>),
    Alone(#[allow(dead_code)] RwLockWriteGuard<'static, ()>),
}

pub(crate) struct Stage {
    pub(crate) server: Server,
    pub(crate) echo: Arc<Echo>,
    pub(crate) process: Arc<Process>,
    pub(crate) file: KeyFile,
    pub(crate) reader: Key,
    pub(crate) consumer: Key,
    pub(crate) administrator: Key,
    _dir: tempfile::TempDir,
    _hold: Hold,
}

/// The key as the other crates' signers have it.
fn key(file: &KeyFile, role: Role) -> Key {
    let made = file.add(role, None, now_us()).unwrap();
    Key { id: made.id.clone(), secret: made.secret.expose().to_owned(), token: None, ..Key::reader() }
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Options)) -> Self {
        Self::holding(Hold::Shared(MACHINE.read().unwrap_or_else(PoisonError::into_inner)), change)
    }

    /// While no other test of this process has a server.
    pub(crate) fn alone(change: impl FnOnce(&mut Options)) -> Self {
        Self::holding(Hold::Alone(MACHINE.write().unwrap_or_else(PoisonError::into_inner)), change)
    }

    fn holding(hold: Hold, change: impl FnOnce(&mut Options)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = KeyFile::of(dir.path());
        let [reader, consumer, administrator] =
            [Role::Reader, Role::Consumer, Role::Administrator].map(|role| key(&file, role));
        let mut options = Options::new("127.0.0.1:0", now_us);
        change(&mut options);
        let mut server = Server::bind(options).unwrap();
        let echo = Arc::new(Echo::default());
        let process = Arc::new(Process { days: Mutex::new(180), told: Mutex::default() });
        let keys = Arc::new(Keyring::of(dir.path()));
        let names = Names::new(PROJECT, "main-trail");
        server.start(Site { names, keys, rooms: echo.clone(), host: process.clone() }).unwrap();
        Self { server, echo, process, file, reader, consumer, administrator, _dir: dir, _hold: hold }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address()
    }

    pub(crate) fn send(&self, ask: &Ask, key: &Key) -> Seen {
        ask.send(self.address(), key).unwrap()
    }

    /// A raw connection.
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    /// Sends text as it is, and gives what comes back before the other side closes.
    pub(crate) fn raw(&self, text: &str) -> String {
        let mut stream = self.connect();
        stream.write_all(text.as_bytes()).unwrap();
        let mut out = Vec::new();
        let _reset = stream.read_to_end(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }
}

pub(crate) fn get(path: &str, query: &str, signature: Signature) -> Ask {
    Ask::get(HOST, path, query, signature)
}

pub(crate) const BOTH: [Signature; 2] = [Signature::Sls1, Signature::Sls4];
