//! What one record costs in each encoding and each protocol's request, microseconds of this process.
//! `cargo bench -p innertrail-sink --bench encodings`; the records are an audit event of 1.6 KB over and over.

use std::hint::black_box;
use std::time::{Duration, Instant};

use innertrail_logstore::{Column, Encoding, Kind, Layout, StoredRow, Value};
use innertrail_sink::encode::{ecs, ocsf};
use innertrail_sink::{Batch, Record, Sender, forward, otlp};

const RECORDS: usize = 2_000;

fn main() {
    let (layout, record) = sample();
    let records: Vec<Record> = (0..RECORDS as u64).map(|seq| numbered(&record, seq)).collect();
    let batch = Batch { trail: "main-trail", layout: &layout, records: &records };
    println!("{} bytes of event, {} columns", record.row.payload().len(), record.row.columns().count());
    let mut out = Vec::new();
    measure("ocsf", || each(&records, &mut out, |r, out| ocsf::append("main-trail", &layout, r, out)));
    measure("ecs", || each(&records, &mut out, |r, out| ecs::append("main-trail", &layout, r, out)));
    for (name, encoding) in
        [("otlp protobuf, length", otlp::Encoding::Protobuf), ("otlp json, length", otlp::Encoding::Json)]
    {
        let sender = of_otlp(encoding, false);
        measure(name, || lengths(&sender, &batch));
    }
    let forward = forward::Forward::new(forward::ForwardConfig::of("127.0.0.1:1")).expect("the address is one");
    measure("forward, length", || lengths(&forward, &batch));
    // Nobody listens on port 1: what is measured is the request, and a connection that is refused once a batch.
    for (name, encoding, gzip) in [
        ("otlp protobuf", otlp::Encoding::Protobuf, false),
        ("otlp protobuf, gzip", otlp::Encoding::Protobuf, true),
        ("otlp json", otlp::Encoding::Json, false),
        ("otlp json, gzip", otlp::Encoding::Json, true),
    ] {
        let mut sender = of_otlp(encoding, gzip);
        measure(name, || usize::from(sender.send(&batch).is_err()));
    }
    let mut config = forward::ForwardConfig::of("127.0.0.1:1");
    config.gzip = true;
    let mut sender = forward::Forward::new(config).expect("the address is one");
    // It connects once the message is whole, so this too is the request.
    measure("forward, gzip", || usize::from(sender.send(&batch).is_err()));
}

fn of_otlp(encoding: otlp::Encoding, gzip: bool) -> otlp::Otlp {
    let mut config = otlp::OtlpConfig::of("http://127.0.0.1:1");
    (config.encoding, config.gzip) = (encoding, gzip);
    otlp::Otlp::new(&config).expect("the address is one")
}

fn each(records: &[Record], out: &mut Vec<u8>, mut append: impl FnMut(&Record, &mut Vec<u8>)) -> usize {
    out.clear();
    records.iter().for_each(|record| append(record, out));
    out.len() / records.len()
}

fn lengths(sender: &dyn Sender, batch: &Batch<'_>) -> usize {
    (0..batch.records.len()).map(|at| sender.encoded_len(batch, at)).sum::<usize>() / batch.records.len()
}

/// The best of seven rounds.
fn measure(name: &str, mut round: impl FnMut() -> usize) {
    let mut best = Duration::MAX;
    let mut told = 0;
    for _ in 0..7 {
        let started = Instant::now();
        told = black_box(round());
        best = best.min(started.elapsed());
    }
    let us = best.as_secs_f64() * 1e6 / RECORDS as f64;
    println!("{name:<24} {us:>7.2} us a record   {told}");
}

fn sample() -> (Layout, Record) {
    let payload = format!(
        r#"{{"eventId":"28C683E12C46CD75FCBE94EC","requestParameters":{{"filler":"{}"}}}}"#,
        "name=value;".repeat(140)
    );
    let texts = [
        ("eventId", "28C683E12C46CD75FCBE94EC"),
        ("eventTime", "2026-06-15T08:10:50Z"),
        ("eventName", "GetObject"),
        ("eventType", "ApiCall"),
        ("eventVersion", "1"),
        ("eventCategory", "Data"),
        ("eventRW", "Read"),
        ("eventSource", "example-ledger-07.oss-cn-hangzhou-internal.aliyuncs.com"),
        ("serviceName", "Oss"),
        ("acsRegion", "cn-hangzhou"),
        ("apiVersion", "2019-05-17"),
        ("requestId", "28C683E12C46CD75FCBE94EC"),
        ("sourceIpAddress", "203.0.113.10"),
        ("vpcId", "vpc-example0000000000001"),
        ("userAgent", "aliyun-sdk-python/2.18.4(Linux/6.1.0-28-amd64/x86_64;3.11.9)"),
        ("errorCode", "AccessDenied"),
        ("errorMessage", "You have no right to access this object."),
        ("isGlobal", "false"),
        ("resourceType", "ACS::OSS::Bucket"),
        ("resourceName", "example-ledger-07"),
        ("recipientAccountId", "1000000000000001"),
        ("userIdentity.type", "ram-user"),
        ("userIdentity.principalId", "200000000000000077"),
        ("userIdentity.accountId", "1000000000000001"),
        ("userIdentity.accessKeyId", "LTAI-EXAMPLE-000001"),
        ("userIdentity.userName", "alice"),
        ("it_family", "audit"),
        ("it_actor", "ram-user:alice"),
        ("it_action", "read"),
        ("it_resource", "example-ledger-07"),
        ("it_outcome", "failure"),
        ("it_reason", "AccessDenied"),
        ("it_origin", "audit:object.gz"),
    ];
    let mut columns: Vec<Column> =
        texts.iter().map(|(name, _)| Column::new(name, Kind::Text, Encoding::Plain)).collect();
    columns.push(Column::new("it_time", Kind::Timestamp, Encoding::Delta));
    let mut values: Vec<(u8, Value)> = (0_u8..).zip(&texts).map(|(at, (_, value))| (at, Value::Text(value))).collect();
    values.push((texts.len() as u8, Value::Timestamp(1_781_511_050_000_000)));
    let row = StoredRow::new(0, 1_794_524_400_000_000, &values, payload.as_bytes());
    (Layout { columns, key: Some(0) }, Record::new(row, String::new()))
}

fn numbered(record: &Record, seq: u64) -> Record {
    let mut record = record.clone();
    record.row.seq = seq;
    record.mark = format!("v1.{seq}.{:064x}", seq.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    record
}
