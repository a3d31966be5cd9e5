//! Every record of every fixture, as OCSF and as ECS, held against the published schemas.

use innertrail_logstore::{Layout, Value as Stored};
use innertrail_sink::Record;
use innertrail_sink::encode::{ecs, ocsf};
use serde_json::{Value, json};

use crate::fixture_records::{self, made};
use crate::{ecs_schema, ocsf_schema};

type Append = fn(&str, &Layout, &Record, &mut Vec<u8>);

fn written(append: Append, layout: &Layout, record: &Record) -> Value {
    let mut out = b"before".to_vec();
    append("main-trail", layout, record, &mut out);
    serde_json::from_slice(out.strip_prefix(b"before").unwrap()).unwrap()
}

/// Records that no fixture has: nothing at all, hostile texts, moments that no calendar has.
fn odd() -> Vec<Record> {
    fn text(t: &str) -> Stored<'_> {
        Stored::Text(t)
    }
    let columns: Vec<String> = fixture_records::layout().columns.iter().map(|c| c.name.clone()).collect();
    let is_text = |c: &&str| !["__time__", "it_time", "it_offset", "it_redacted", "it_duplicate_keys"].contains(c);
    let texts: Vec<&str> = columns.iter().map(String::as_str).filter(is_text).collect();
    let mut records =
        vec![made(1_000, &[], b"{}"), made(1_001, &[], b"\xff\xfe"), made(1_002, &[], "x".repeat(70_000).as_bytes())];
    for (i, value) in
        ["", "\u{0}\"\\\u{1b}[2J\n", "a;b,c;", "::1", "1.2.3.4", "a.b", "true", ":", "😀"].iter().enumerate()
    {
        let all: Vec<(&str, Stored)> = texts.iter().map(|name| (*name, text(value))).collect();
        records.push(made(2_000 + i as u64, &all, b"{}"));
    }
    for (i, us) in [i64::MIN, i64::MAX, -1, 0].into_iter().enumerate() {
        records.push(made(3_000 + i as u64, &[("it_time", Stored::Timestamp(us)), ("eventId", text("e"))], b"{}"));
    }
    let words: [(&str, &[&str]); 4] = [
        ("it_action", &["read", "write", "admin", "signin", "insight", "unknown"]),
        ("it_outcome", &["success", "failure", "unknown"]),
        ("userIdentity.type", &["root-account", "ram-user", "assumed-role", "system", "cloudsso-user", "new-kind"]),
        ("eventName", &["PutBucket", "PutBucketAcl", "DeleteBucket", "Frobnicate"]),
    ];
    for (name, values) in words {
        for value in values {
            let mut columns = vec![(name, text(value))];
            columns.extend((name != "it_action").then(|| ("it_action", text("write"))));
            records.push(made(4_000, &columns, b"{}"));
        }
    }
    records
}

#[test]
fn every_record_is_valid_ocsf() {
    let (schema, fixtures) = (ocsf_schema::Schema::api_activity(), fixture_records::all());
    assert!(fixtures.records.len() > 100, "only {} records", fixtures.records.len());
    let mut faults = vec![];
    let odd = odd();
    for record in fixtures.records.iter().chain(&odd) {
        let event = written(ocsf::append, &fixtures.layout, record);
        faults.extend(schema.faults(&event).into_iter().map(|fault| format!("{}: {fault}", record.row.seq)));
        assert_eq!(event["unmapped"]["it_seal"], record.mark.as_str());
    }
    assert_eq!(faults, Vec::<String>::new());
}

#[test]
fn every_record_is_valid_ecs() {
    let (schema, fixtures) = (ecs_schema::Schema::published(), fixture_records::all());
    let mut faults = vec![];
    let odd = odd();
    for record in fixtures.records.iter().chain(&odd) {
        let document = written(ecs::append, &fixtures.layout, record);
        faults.extend(schema.faults(&document).into_iter().map(|fault| format!("{}: {fault}", record.row.seq)));
        assert_eq!(document["innertrail"]["it_seal"], record.mark.as_str());
        assert_eq!(document["innertrail"]["it_seq"], record.row.seq);
    }
    assert_eq!(faults, Vec::<String>::new());
}

/// The raw event and every column can be had back from either encoding.
#[test]
fn nothing_of_a_record_is_lost() {
    let fixtures = fixture_records::all();
    for record in &fixtures.records {
        let raw = std::str::from_utf8(record.row.payload()).unwrap();
        let event = written(ocsf::append, &fixtures.layout, record);
        assert_eq!(event["raw_data"], raw);
        let document = written(ecs::append, &fixtures.layout, record);
        assert_eq!(document["event"]["original"], raw);
        for (position, value) in record.row.columns() {
            let name = &fixtures.layout.columns[usize::from(position)].name;
            let value = match value {
                Stored::Text(text) => json!(text),
                Stored::Integer(n) | Stored::Timestamp(n) => json!(n),
            };
            let found = document["innertrail"].get(name).or_else(|| document["aliyun"]["actiontrail"].get(name));
            assert_eq!(found, Some(&value), "{name}");
        }
    }
}

/// A check that cannot fail proves nothing: each of these changes must be found.
#[test]
fn the_schemas_find_what_is_wrong() {
    let fixtures = fixture_records::all();
    let record = fixtures.of("actiontrail/outcome-access-denied");
    let (ocsf, ecs) = (ocsf_schema::Schema::api_activity(), ecs_schema::Schema::published());
    let event = written(ocsf::append, &fixtures.layout, record);
    let document = written(ecs::append, &fixtures.layout, record);
    let change = |of: &Value, pointer: &str, name: &str, value: Option<Value>| {
        let mut changed = of.clone();
        let object = changed.pointer_mut(pointer).unwrap().as_object_mut().unwrap();
        match value {
            Some(value) => object.insert(name.to_owned(), value),
            None => object.remove(name),
        };
        changed
    };
    let found: Vec<String> = [
        change(&event, "", "eventId", Some(json!("x"))),
        change(&event, "", "metadata", None),
        change(&event, "", "time", Some(json!("2026-06-15"))),
        change(&event, "", "activity_id", Some(json!(7))),
        change(&event, "", "status", Some(json!("Success"))),
        change(&event, "", "resources", Some(json!({"name": "x"}))),
        change(&event, "/api", "operation", None),
        change(&event, "/src_endpoint", "ip", Some(json!("Internal"))),
        change(&event, "", "src_endpoint", Some(json!({"vpc_uid": "x"}))),
        change(&event, "/actor/user", "is_root", Some(json!(true))),
        change(&event, "/actor", "user", Some(json!({"type_id": 1}))),
        change(&event, "/metadata", "profiles", Some(json!([]))),
        change(&event, "", "device", Some(json!({}))),
    ]
    .iter()
    .map(|event| ocsf.faults(event).join("; "))
    .collect();
    insta::assert_snapshot!(found.join("\n"), @r##"
/eventId is no attribute
/metadata is required; /cloud is no attribute
/time is no timestamp_t: "2026-06-15"
/activity_id is 7, which is none of its values; type_uid is not of the class and the activity
/status_id is 2, but beside it stands "Success"
/resources is no list
/api/operation is required
/src_endpoint/ip is no address: Internal
/src_endpoint does not have at_least_one of ["ip","uid","name","hostname","svc_name","instance_uid","interface_uid","interface_name","domain"]
/actor/user/is_root is no attribute
/actor/user does not have at_least_one of ["account","name","uid"]
/cloud is no attribute
/device is no attribute
"##);
    let found: Vec<String> = [
        change(&document, "", "eventId", Some(json!("x"))),
        change(&document, "", "@timestamp", Some(json!("yesterday"))),
        change(&document, "", "@timestamp", None),
        change(&document, "", "ecs", None),
        change(&document, "/event", "kind", Some(json!("log"))),
        change(&document, "/event", "category", Some(json!("api"))),
        change(&document, "/event", "type", Some(json!(["indicator"]))),
        change(&document, "/event", "sequence", Some(json!("1"))),
        change(&document, "/source", "ip", Some(json!("Internal"))),
        change(&document, "/source", "hostname", Some(json!("x"))),
    ]
    .iter()
    .map(|document| ecs.faults(document).join("; "))
    .collect();
    insta::assert_snapshot!(found.join("\n"), @r##"
eventId is no field
@timestamp is no "date": "yesterday"
@timestamp is required
ecs.version is required
event.kind is "log", which is none of its values
event.category is no list
event.type "indicator" is not expected with event.category "api"
event.sequence is no "long": "1"
source.ip is no "ip": "Internal"
source.hostname is no field
"##);
}

fn shown(append: Append, case: &str) -> String {
    let fixtures = fixture_records::all();
    let mut event = written(append, &fixtures.layout, fixtures.of(case));
    // Which fixtures come before is not what is shown here.
    for pointer in
        ["/raw_data", "/event/original", "/metadata/sequence", "/event/sequence", "/unmapped", "/innertrail", "/aliyun"]
    {
        if let Some(value) = event.pointer_mut(pointer) {
            *value = json!("…");
        }
    }
    for pointer in ["/metadata/logged_time", "/event/ingested"] {
        assert!(event.pointer_mut(pointer).is_none_or(|value| !value.take().is_null()));
    }
    serde_json::to_string_pretty(&event).unwrap()
}

#[test]
fn an_audit_event_as_ocsf() {
    insta::assert_snapshot!(shown(ocsf::append, "actiontrail/outcome-access-denied"), @r##"
{
  "activity_id": 2,
  "activity_name": "Read",
  "actor": {
    "session": {
      "is_mfa": true
    },
    "user": {
      "account": {
        "uid": "1000000000000001"
      },
      "name": "alice",
      "programmatic_credentials": [
        {
          "type": "Access Key",
          "uid": "LTAI-EXAMPLE-000001"
        }
      ],
      "type": "User",
      "type_id": 1,
      "uid": "200000000000000077"
    }
  },
  "api": {
    "operation": "GetObject",
    "request": {
      "uid": "28C683E12C46CD75FCBE94EC"
    },
    "response": {
      "error": "AccessDenied",
      "error_message": "You have no right to access this object."
    },
    "service": {
      "name": "Oss"
    },
    "version": "2019-05-17"
  },
  "category_name": "Application Activity",
  "category_uid": 6,
  "class_name": "API Activity",
  "class_uid": 6003,
  "cloud": {
    "account": {
      "uid": "1000000000000001"
    },
    "provider": "Alibaba Cloud",
    "region": "cn-hangzhou"
  },
  "dst_endpoint": {
    "hostname": "example-ledger-07.oss-cn-hangzhou-internal.aliyuncs.com"
  },
  "http_request": {
    "user_agent": "aliyun-sdk-python/2.18.4(Linux/6.1.0-28-amd64/x86_64;3.11.9)"
  },
  "metadata": {
    "event_code": "ApiCall",
    "log_name": "innertrail_main-trail",
    "log_provider": "innertrail",
    "log_version": "1",
    "logged_time": null,
    "original_time": "2026-06-15T08:10:50Z",
    "product": {
      "name": "ActionTrail",
      "vendor_name": "Alibaba Cloud"
    },
    "profiles": [
      "cloud"
    ],
    "sequence": "…",
    "tenant_uid": "1000000000000001",
    "uid": "28C683E12C46CD75FCBE94EC",
    "version": "1.8.0"
  },
  "raw_data": "…",
  "raw_data_size": 1650,
  "resources": [
    {
      "name": "example-ledger-07",
      "type": "ACS::OSS::Bucket"
    }
  ],
  "severity": "Low",
  "severity_id": 2,
  "src_endpoint": {
    "ip": "203.0.113.10",
    "vpc_uid": "vpc-example0000000000001"
  },
  "status": "Failure",
  "status_code": "AccessDenied",
  "status_detail": "You have no right to access this object.",
  "status_id": 2,
  "time": 1781511050000,
  "type_name": "API Activity: Read",
  "type_uid": 600302,
  "unmapped": "…"
}
"##);
}

#[test]
fn a_platform_event_as_ocsf() {
    insta::assert_snapshot!(shown(ocsf::append, "platform/penalty-person-abroad"), @r##"
{
  "activity_id": 3,
  "activity_name": "Update",
  "actor": {
    "user": {
      "type": "provider-person",
      "type_id": 99,
      "uid": "RVhBTVBMRS1zdGFmZi1jaXBoZXJ0ZXh0LTAwMDAwMDE="
    }
  },
  "api": {
    "operation": "Set Bucket Quota Limit",
    "service": {
      "name": "OSS"
    }
  },
  "category_name": "Application Activity",
  "category_uid": 6,
  "class_name": "API Activity",
  "class_uid": 6003,
  "cloud": {
    "account": {
      "uid": "1000000000000001"
    },
    "provider": "Alibaba Cloud",
    "region": "cn-hangzhou"
  },
  "message": "requestID: aea7f8fb-eccc-c538-ba6c-3cf2cf5f66fa",
  "metadata": {
    "event_code": "ALIYUN_INITIATED_PENALTY",
    "log_name": "innertrail_main-trail",
    "log_provider": "innertrail",
    "log_version": "1.0.0",
    "logged_time": null,
    "original_time": "2026-06-15T08:17:02Z",
    "product": {
      "name": "Inner-ActionTrail",
      "vendor_name": "Alibaba Cloud"
    },
    "profiles": [
      "cloud"
    ],
    "sequence": "…",
    "uid": "6A112F66-290E-23E8-BF77-C549A8D43A3A",
    "version": "1.8.0"
  },
  "raw_data": "…",
  "raw_data_size": 674,
  "resources": [
    {
      "name": "example-ledger-07",
      "owner": {
        "account": {
          "uid": "1000000000000001"
        }
      },
      "region": "cn-hangzhou",
      "type": "ACS::OSS::Bucket"
    }
  ],
  "severity": "Medium",
  "severity_id": 3,
  "src_endpoint": {
    "location": {
      "country": "SG"
    },
    "name": "provider"
  },
  "status": "Unknown",
  "status_detail": "penalty",
  "status_id": 0,
  "time": 1781511422000,
  "type_name": "API Activity: Update",
  "type_uid": 600303,
  "unmapped": "…"
}
"##);
}

#[test]
fn an_audit_event_as_ecs() {
    insta::assert_snapshot!(shown(ecs::append, "actiontrail/outcome-access-denied"), @r##"
{
  "@timestamp": "2026-06-15T08:10:50Z",
  "aliyun": "…",
  "cloud": {
    "account": {
      "id": "1000000000000001"
    },
    "provider": "alibaba_cloud",
    "region": "cn-hangzhou",
    "service": {
      "name": "Oss"
    }
  },
  "destination": {
    "address": "example-ledger-07.oss-cn-hangzhou-internal.aliyuncs.com",
    "domain": "example-ledger-07.oss-cn-hangzhou-internal.aliyuncs.com"
  },
  "ecs": {
    "version": "8.17.0"
  },
  "error": {
    "code": "AccessDenied",
    "message": "You have no right to access this object."
  },
  "event": {
    "action": "GetObject",
    "category": [
      "api"
    ],
    "code": "ApiCall",
    "dataset": "innertrail.audit",
    "id": "28C683E12C46CD75FCBE94EC",
    "ingested": null,
    "kind": "event",
    "module": "innertrail",
    "original": "…",
    "outcome": "failure",
    "provider": "Oss",
    "reason": "AccessDenied",
    "sequence": "…",
    "type": [
      "access"
    ]
  },
  "innertrail": "…",
  "related": {
    "hosts": [
      "example-ledger-07.oss-cn-hangzhou-internal.aliyuncs.com"
    ],
    "ip": [
      "203.0.113.10"
    ],
    "user": [
      "alice",
      "200000000000000077"
    ]
  },
  "source": {
    "address": "203.0.113.10",
    "ip": "203.0.113.10"
  },
  "user": {
    "id": "200000000000000077",
    "name": "alice"
  },
  "user_agent": {
    "original": "aliyun-sdk-python/2.18.4(Linux/6.1.0-28-amd64/x86_64;3.11.9)"
  }
}
"##);
}

#[test]
fn a_platform_event_as_ecs() {
    insta::assert_snapshot!(shown(ecs::append, "platform/penalty-person-abroad"), @r##"
{
  "@timestamp": "2026-06-15T08:17:02Z",
  "aliyun": "…",
  "cloud": {
    "account": {
      "id": "1000000000000001"
    },
    "provider": "alibaba_cloud",
    "region": "cn-hangzhou",
    "service": {
      "name": "OSS"
    }
  },
  "ecs": {
    "version": "8.17.0"
  },
  "event": {
    "action": "Set Bucket Quota Limit",
    "category": [
      "api"
    ],
    "code": "ALIYUN_INITIATED_PENALTY",
    "dataset": "innertrail.platform",
    "id": "6A112F66-290E-23E8-BF77-C549A8D43A3A",
    "ingested": null,
    "kind": "event",
    "module": "innertrail",
    "original": "…",
    "outcome": "unknown",
    "provider": "OSS",
    "reason": "penalty",
    "sequence": "…",
    "type": [
      "change"
    ]
  },
  "innertrail": "…",
  "message": "requestID: aea7f8fb-eccc-c538-ba6c-3cf2cf5f66fa",
  "related": {
    "user": [
      "RVhBTVBMRS1zdGFmZi1jaXBoZXJ0ZXh0LTAwMDAwMDE="
    ]
  },
  "source": {
    "geo": {
      "country_iso_code": "SG"
    }
  },
  "user": {
    "id": "RVhBTVBMRS1zdGFmZi1jaXBoZXJ0ZXh0LTAwMDAwMDE="
  }
}
"##);
}
