//! The program `cloud-double`: says where it listens, takes commands on a port and on its input, ends with its input.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};

use innertrail_test_cloud::Key;
use innertrail_test_cloud::client::{Call, Signature};
use serde_json::{Value, json};

use super::{BUCKET, LOGSTORE, OSS, PROJECT, SLS};

fn post(address: SocketAddr, command: &Value) -> (String, Value) {
    let mut stream = TcpStream::connect(address).unwrap();
    let body = command.to_string();
    let head = format!("POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), serde_json::from_str(body).unwrap())
}

#[test]
fn the_program_is_led_by_commands_and_ends_with_its_input() {
    let mut child =
        Command::new(env!("CARGO_BIN_EXE_cloud-double")).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut input, mut lines) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()).lines());
    let told: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    let address = |name: &str| told[name].as_str().unwrap().parse::<SocketAddr>().unwrap();
    let control = |command: Value| post(address("control"), &command).1;
    let done = json!({ "done": true });
    let place = json!({ "project": PROJECT, "logstore": LOGSTORE });
    let with = |name: &str, more: Value| {
        let mut command = place.clone();
        command["do"] = json!(name);
        more.as_object().unwrap().iter().for_each(|(key, value)| command[key] = value.clone());
        command
    };
    assert_eq!(control(with("logstore", json!({ "region": "cn-hangzhou", "shards": 2 }))), done);
    assert_eq!(control(with("fill", json!({ "load": { "events": 300, "seed": 3 } }))), done);
    assert_eq!(control(with("arrive", json!({ "events": 2, "seed": 3 }))).as_array().unwrap().len(), 2);
    let ids = control(with("ids", json!({})));
    assert_eq!(ids["0"].as_array().unwrap().len() + ids["1"].as_array().unwrap().len(), 302);
    assert_eq!(control(json!({ "do": "bucket", "bucket": BUCKET, "region": "cn-hangzhou" })), done);
    let load = json!({ "events": 90, "per_object": 30, "regions": 1 });
    assert_eq!(control(json!({ "do": "fill_bucket", "bucket": BUCKET, "load": load })), json!({ "objects": 3 }));
    let flawed = control(json!({ "do": "add_next", "bucket": BUCKET, "events": 3, "flaw": "md5" }));
    assert!(flawed["key"].as_str().unwrap().contains("_1002_3_"));

    let entries = json!([{ "on": "GetProject", "fault": { "kind": "too_many", "retry_after": 2 } }]);
    assert_eq!(control(json!({ "do": "plan", "server": "sls", "entries": entries })), json!({ "pending": 1 }));
    let call = Call::get(SLS, "/", "", Signature::Sls4);
    let statuses: Vec<u16> = (0..2).map(|_| call.send(address("sls"), &Key::reader()).unwrap().status).collect();
    assert_eq!(statuses, [429, 200]);
    let listing = Call::get(OSS, "/", "list-type=2", Signature::Oss4).send(address("oss"), &Key::reader()).unwrap();
    assert_eq!(listing.text().matches("<Key>").count(), 4);

    writeln!(input, "{}", json!({ "do": "report" })).unwrap();
    let report: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(report["sls"]["fired"], json!({ "too_many": 1 }));
    assert_eq!(
        (&report["sls"]["requests"]["GetProject"], &report["oss"]["requests"]["ListObjects"]),
        (&json!(2), &json!(1))
    );
    let (status, answer) = post(address("control"), &json!({ "do": "dance" }));
    assert!(status.contains("400") && answer["error"].as_str().unwrap().contains("dance"), "{status} {answer}");

    drop(input);
    assert!(child.wait().unwrap().success());
    assert!(TcpStream::connect(address("sls")).is_err());
}
