//! Prometheus' own Alertmanager, where `INNERTRAIL_ALERTMANAGER` names it: alerts arrive, are grouped, and end.

use std::convert::Infallible;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use innertrail_notify::{Alert, Channel};
use serde_json::Value;

use crate::http_double::{Double, Reply};
use crate::support::{Given, alert, config};

/// Ends with the test, by its own process id.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

fn now_ms() -> i64 {
    i64::try_from(SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn start(program: &str, dir: &Path, hook: &str) -> (Running, u16) {
    let file = dir.join("alertmanager.yml");
    let text = format!(
        "route:\n  receiver: hook\n  group_by: [alertname]\n  group_wait: 1s\n  group_interval: 1s\n  repeat_interval: 1h\n\
         receivers:\n- name: hook\n  webhook_configs:\n  - url: {hook}\n    send_resolved: true\n"
    );
    std::fs::write(&file, text).unwrap();
    let port = free_port();
    let child = Command::new(program)
        .arg(format!("--config.file={}", file.display()))
        .arg(format!("--storage.path={}", dir.join("data").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .arg("--cluster.listen-address=")
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(dir.join("log")).unwrap())
        .spawn()
        .unwrap();
    (Running(child), port)
}

/// Steps until it holds, for at most so long.
fn until(channel: &mut Channel, what: &str, seconds: u64, log: &Path, holds: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(seconds);
    while !holds() {
        let said = std::fs::read_to_string(log).unwrap_or_default();
        assert!(Instant::now() < end, "{what}: {:?}\n{said}", channel.report(now_ms()));
        channel.step(&now_ms, &mut |_| Ok::<(), Infallible>(())).unwrap();
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn alerts_arrive_are_grouped_and_end() {
    let Ok(program) = std::env::var("INNERTRAIL_ALERTMANAGER") else {
        println!("SKIPPED: INNERTRAIL_ALERTMANAGER names no Alertmanager");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let groups: Arc<Mutex<Vec<Value>>> = Arc::default();
    let list = groups.clone();
    let hook = Double::start(move |seen| {
        list.lock().unwrap().push(seen.json());
        Reply::ok("{}")
    });
    let (running, port) = start(&program, dir.path(), &hook.url("/hook"));
    let log = dir.path().join("log");
    let json = format!(
        r#"{{"type":"alertmanager","url":"http://127.0.0.1:{port}","resend_secs":10,"delivery":{{"retry_max_secs":1}}}}"#
    );
    let mut channel = Channel::new("am", &config(&json), None, Box::new(Given(vec![])), now_ms()).unwrap();
    let at =
        |alert: Alert| Alert { time_us: now_ms() * 1000, link: Some("https://console.example/a".to_owned()), ..alert };
    let scheduled = |position, fired| Alert {
        alert: "feedfeedfeedfeed".to_owned(),
        title: "Many denials".to_owned(),
        query: Some("q".to_owned()),
        fired,
        ..alert(position)
    };
    for alert in [alert(1), alert(2), scheduled(3, true)] {
        channel.feed(at(alert), now_ms());
    }
    let has = |name: &str, status: &str, count: usize| {
        groups.lock().unwrap().iter().any(|g| {
            g["groupLabels"]["alertname"] == name
                && g["status"] == status
                && g["alerts"].as_array().is_some_and(|a| a.len() == count && a.iter().all(|a| a["status"] == status))
        })
    };
    // It takes a moment until it listens: what is sent before is tried again.
    until(&mut channel, "fired, two in one group", 40, &log, || {
        has("Bucket made public", "firing", 2) && has("Many denials", "firing", 1)
    });
    assert_eq!(channel.position(), Some(3));
    let group =
        groups.lock().unwrap().iter().find(|g| g["groupLabels"]["alertname"] == "Many denials").cloned().unwrap();
    let one = &group["alerts"][0];
    assert_eq!((one["labels"]["severity"].as_str(), one["labels"]["trail"].as_str()), (Some("high"), Some("my-trail")));
    assert_eq!(one["generatorURL"], "https://console.example/a");
    assert!(
        !one.to_string().contains("<!channel>")
            && one["annotations"]["actor"].as_str().is_some_and(|a| a.contains("alice"))
    );

    // Firing alerts come again, and Alertmanager knows them as the same.
    let sent = channel.report(now_ms()).sent;
    let report = |channel: &Channel| channel.report(now_ms()).sent;
    let end = Instant::now() + Duration::from_secs(25);
    while report(&channel) == sent {
        assert!(Instant::now() < end, "nothing is sent again");
        channel.step(&now_ms, &mut |_| Ok::<(), Infallible>(())).unwrap();
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(!has("Many denials", "firing", 2), "one alert, not two");

    channel.feed(at(scheduled(4, false)), now_ms());
    until(&mut channel, "resolved", 40, &log, || has("Many denials", "resolved", 1));
    assert!(!has("Bucket made public", "resolved", 2), "the others fire on");
    assert_eq!((channel.position(), channel.report(now_ms()).firing), (Some(4), 2));
    hook.check();
    drop(running);
}
