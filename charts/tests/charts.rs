//! Packs, copies and exports: what is built in, what is refused, and that a copy stays its user's.
//! It must never run a query: the executable's tests do.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use innertrail_charts::{Behind, InstallError, Kind, Pack, Shelf, Store, builtin};
use insta::assert_snapshot;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

fn small() -> Value {
    json!({
        "pack": "small",
        "version": 3,
        "dashboard": {"dashboardName": "my-small", "displayName": "Small", "description": "One number and a trend."},
        "charts": [
            {
                "title": "all",
                "type": "number",
                "search": {"logstore": "$logstore", "topic": "", "query": "* | select count(1) as pv", "start": "-86400s", "end": "now"},
                "display": {"xAxis": [], "yAxis": ["pv"], "xPos": 0, "yPos": 0, "width": 4, "height": 4, "displayName": "All"},
                "clickhouse": "SELECT count() AS pv FROM $log WHERE $__timeFilter(it_time)"
            },
            {
                "title": "trend",
                "type": "bar",
                "search": {"logstore": "$logstore", "topic": "", "start": "-86400s", "end": "now",
                    "query": "* | select date_format(__time__ - __time__ % 3600, '%Y-%m-%d %H:00') as hour, it_reason, count(1) as pv group by hour, it_reason order by hour"},
                "display": {"xAxis": ["hour"], "yAxis": ["pv"], "xPos": 4, "yPos": 0, "width": 20, "height": 8, "displayName": "Trend"},
                "time": {"column": "hour", "seconds": 3600},
                "series": "it_reason",
                "clickhouse": "SELECT formatDateTime(toStartOfHour(it_time, 'UTC'), '%Y-%m-%d %H:00', 'UTC') AS hour, it_reason, count() AS pv FROM $log WHERE $__timeFilter(it_time) AND it_family = 'audit' GROUP BY hour, it_reason ORDER BY hour"
            }
        ]
    })
}

fn text(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap()
}

fn parsed(value: &Value) -> Pack {
    Pack::parse("small.json", &text(value)).unwrap()
}

fn file(name: &str, value: &Value) -> (String, String) {
    (format!("{name}.json"), text(value))
}

/// Somebody may compare what a release brings with what the one before brought. With a change, the number grows and the new hash
/// stands here.
#[test]
fn a_change_of_a_pack_raises_its_version() {
    let told = |pack: &Pack| Sha256::digest(pack.text()).iter().take(8).map(|b| format!("{b:02x}")).collect::<String>();
    let found: Vec<String> =
        builtin().iter().map(|pack| format!("{} {} {}", pack.pack, pack.version, told(pack))).collect();
    assert_snapshot!(found.join("\n"), @r"
    oss-audit 2 43a8b86f2a3e1113
    platform-access 1 7bdc2abb77757e81
    custody 2 5e60c66c530988fe
    ");
}

#[test]
fn packs_hold_what_was_promised_and_their_names_are_unique() {
    let packs = builtin();
    assert_eq!(
        packs.iter().map(|pack| pack.pack.as_str()).collect::<Vec<_>>(),
        ["oss-audit", "platform-access", "custody"]
    );
    let names: BTreeSet<&str> = packs.iter().map(|pack| pack.dashboard.dashboard_name.as_str()).collect();
    assert_eq!(names.len(), packs.len());
    let has = |pack: &Pack, titles: &[&str]| {
        for title in titles {
            assert!(pack.charts.iter().any(|chart| chart.title == *title), "{title} in {}", pack.pack);
        }
    };
    has(
        &packs[0],
        &["pv", "uv", "sources", "trend", "top-users", "top-buckets", "top-sources", "failures", "failure-reasons"],
    );
    has(&packs[1], &["pv", "uv", "trend", "reasons", "who", "countries", "regions", "notified", "top-buckets"]);
    for pack in packs {
        // No two charts of a dashboard lie on each other.
        let mut cells = BTreeSet::new();
        for chart in &pack.charts {
            let at = &chart.display;
            for x in at.x_pos..at.x_pos + at.width {
                for y in at.y_pos..at.y_pos + at.height {
                    assert!(cells.insert((x, y)), "{} of {} lies on another one at {x}, {y}", chart.title, pack.pack);
                }
            }
        }
    }
}

#[test]
fn what_is_no_pack_is_named_with_its_place() {
    let with = |pointer: &str, value: Value| {
        let mut pack = small();
        *pack.pointer_mut(pointer).unwrap() = value;
        Pack::parse("my packs/small.json", &text(&pack)).unwrap_err().to_string()
    };
    let mut told = vec![
        with("/pack", json!("Small")),
        with("/version", json!(0)),
        with("/version", json!(-1)),
        with("/charts", json!([])),
        with("/charts/1/title", json!("all")),
        with("/charts/0/type", json!("flow")),
        with("/charts/0/search/logstore", json!("other")),
        with("/charts/0/search/query", json!("a or | select count(1) as pv")),
        with("/charts/0/search/query", json!("* | delete from log")),
        with("/charts/0/search/query", json!("pv")),
        with("/charts/0/search/start", json!("yesterday")),
        with("/charts/0/search/topic", json!("x")),
        with("/charts/0/display/yAxis", json!(["uv"])),
        with("/charts/0/display/yAxis", json!([])),
        with("/charts/0/display/width", json!(25)),
        with("/charts/0/display/xPos", json!(u32::MAX)),
        with("/charts/0/display/displayName", json!("\u{1b}[31mred")),
        with("/charts/1/time/seconds", json!(60)),
        with("/charts/1/time/column", json!("day")),
        with("/charts/0/clickhouse", json!("DROP TABLE log")),
        with("/charts/0/clickhouse", json!("SELECT 1 AS pv FROM $log WHERE $__timeFilter(it_time); DROP TABLE log")),
        with(
            "/charts/0/clickhouse",
            json!("SELECT 1 AS pv FROM $log WHERE $__timeFilter(it_time) UNION ALL SELECT 1 FROM url('http://x')"),
        ),
        with(
            "/charts/0/clickhouse",
            json!("SELECT (SELECT 1 FROM system.users) AS pv FROM $log WHERE $__timeFilter(it_time)"),
        ),
        with("/charts/1/clickhouse", json!("SELECT 1 AS pv FROM $log WHERE $__timeFilter(it_time)")),
        Pack::parse("a\u{202e}b\n.json", "{\"pack\": \"\u{1b}x\", \"colour\": 1}").unwrap_err().to_string(),
        Pack::parse("empty.json", "").unwrap_err().to_string(),
    ];
    told.push(Pack::parse("large.json", &" ".repeat(innertrail_charts::MAX_BYTES + 1)).unwrap_err().to_string());
    assert_snapshot!(told.join("\n"), @r#"
    my packs/small.json:1:1: "Small" is no name: 2 to 63 small letters, digits and hyphens, a letter first and no hyphen last
    my packs/small.json:1:1: version is 0; the first one is 1
    my packs/small.json:63:15: invalid value: integer `-1`, expected u32
    my packs/small.json:1:1: the pack has 0 charts; it has 1 to 100
    my packs/small.json:1:1: there are two charts "all"
    my packs/small.json:24:20: unknown variant `flow`, expected one of `number`, `line`, `bar`, `pie`, `table`
    my packs/small.json:18:27: unknown variant `other`, expected one of `$logstore`, `$journal`, `$quarantine`
    my packs/small.json:26:4: chart "all": search error at line 1, column 6: expected a search term, found the end
    my packs/small.json:26:4: chart "all": the query has no `| select …`
    my packs/small.json:26:4: chart "all": the query has no `| select …`
    my packs/small.json:26:4: chart "all": start "yesterday" and end "now": write for example "-604800s" and "now"
    my packs/small.json:26:4: chart "all": topic is not empty; search for `__topic__` in the query
    my packs/small.json:26:4: chart "all": the query has no column "uv"
    my packs/small.json:24:4: chart "all": 0 columns on the x axis and 0 on the y axis are not those of its type: number 0 and 1, line and bar 1 and some with `time`, pie 1 and 1, table 0 and some
    my packs/small.json:26:4: chart "all": it does not fit the grid of 24 columns: xPos 0, yPos 0, 25 by 4
    my packs/small.json:26:4: chart "all": it does not fit the grid of 24 columns: xPos 4294967295, yPos 0, 4 by 4
    my packs/small.json:26:4: chart "all": displayName holds a control character
    my packs/small.json:56:3: chart "trend": `time` names the column of the x axis and has 3600 or 86400 seconds
    my packs/small.json:56:3: chart "trend": `time` names the column of the x axis and has 3600 or 86400 seconds
    my packs/small.json:26:4: chart "all": clickhouse: write one `SELECT … FROM $log WHERE $__timeFilter(column) …` without another `$` or a `;`
    my packs/small.json:26:4: chart "all": clickhouse: write one `SELECT … FROM $log WHERE $__timeFilter(column) …` without another `$` or a `;`
    my packs/small.json:26:4: chart "all": clickhouse: `UNION` would read from elsewhere; ask one table
    my packs/small.json:26:4: chart "all": clickhouse: there is more than one FROM; ask one table
    my packs/small.json:56:3: chart "trend": clickhouse: there is no `formatDateTime(toStartOfHour(it_time, 'UTC'), '%Y-%m-%d %H:00', 'UTC') AS hour`
    a\u{202e}b\n.json:1:11: control character (\\u0000-\\u001F) found while parsing a string
    empty.json:1:1: EOF while parsing a value
    large.json:1:1: the file has 1048577 bytes, a pack at most 1048576
    "#);
}

#[test]
fn a_newer_pack_takes_the_older_ones_place_and_leaves_copies_alone() {
    let oss = &builtin()[0];
    let copy = oss.copy("my-oss").unwrap();
    let mut newer = serde_json::to_value(oss).unwrap();
    newer["version"] = json!(oss.version + 1);
    newer["charts"].as_array_mut().unwrap().truncate(3);
    let copies = [("my-oss.json".to_owned(), copy.text())];
    let before = Shelf::of(&[], &copies);
    assert_eq!(before.behind(), []);
    assert_eq!(before.may_install(&parsed(&newer)), Ok(()));
    let after = Shelf::of(&[file("oss-audit", &newer)], &copies);
    assert_eq!(after.faults(), []);
    assert_eq!(after.find("oss-audit").unwrap().charts.len(), 3);
    assert_eq!(after.find("my-oss"), Some(&copy));
    let (from, now) = (oss.version, oss.version + 1);
    assert_eq!(after.behind(), [Behind { copy: "my-oss", pack: "oss-audit", from, now }]);
    // An older one that was installed before the program was updated does not come back.
    let mut older = newer.clone();
    older["version"] = json!(1);
    assert_eq!(Shelf::of(&[file("oss-audit", &older)], &[]).find("oss-audit"), Some(oss));
    let not_newer = |given| InstallError::NotNewer { pack: "oss-audit".to_owned(), there: now, given };
    assert_eq!(after.may_install(&parsed(&newer)), Err(not_newer(now)));
    assert_eq!(after.may_install(&parsed(&older)), Err(not_newer(1)));
}

#[test]
fn names_are_taken_once() {
    let shelf = Shelf::of(&[], &[file("small", &small())]);
    let mut pack = small();
    assert_eq!(shelf.may_install(&parsed(&pack)), Err(InstallError::CopysName { name: "small".to_owned() }));
    // Another name, but the dashboard's is taken.
    pack["pack"] = json!("other");
    assert_eq!(shelf.may_install(&parsed(&pack)), Err(InstallError::CopysName { name: "small".to_owned() }));
    pack["copied_from"] = json!({"pack": "oss-audit", "version": 1});
    assert_eq!(shelf.may_install(&parsed(&pack)), Err(InstallError::IsCopy { of: "oss-audit".to_owned() }));
    let twice =
        Shelf::of(&[], &[file("one", &small()), file("two", &small()), ("bad.json".to_owned(), "[".to_owned())]);
    assert_eq!(twice.copies().len(), 1);
    let faults: Vec<String> = twice.faults().iter().map(ToString::to_string).collect();
    assert_snapshot!(faults.join("\n"), @r"
    two.json:1:1: small has this name, or this dashboardName, already
    bad.json:1:1: EOF while parsing a list
    ");
    assert!(builtin()[0].copy("../x").is_err());
    // A copy keeps its name when a newer program brings a pack that has it.
    let mut mine = small();
    mine["pack"] = json!("custody");
    let kept = Shelf::of(&[], &[file("custody", &mine)]);
    assert_eq!(kept.find("custody").unwrap().dashboard.display_name, "Small");
    assert_eq!((kept.packs().len(), kept.faults().len()), (2, 1));
    assert_eq!(kept.taken_by(&builtin()[0].copy("innertrail-oss-audit").unwrap()).unwrap().pack, "oss-audit");
}

#[test]
fn what_is_written_reads_as_the_same() {
    for pack in builtin().iter().chain([&builtin()[1].copy("my-copy").unwrap()]) {
        assert_eq!(Pack::parse("x.json", &pack.text()).as_ref(), Ok(pack));
    }
}

#[test]
fn exports_hold_what_the_plugins_read() {
    let pack = parsed(&small());
    let clickhouse = pack.grafana_clickhouse("innertrail.");
    let targets = |dashboard: &Value| {
        let panels = dashboard["panels"].as_array().unwrap().clone();
        panels
            .iter()
            .map(|panel| text(&json!({"at": panel["gridPos"], "type": panel["type"], "target": panel["targets"][0]})))
            .collect::<Vec<_>>()
            .join("\n")
    };
    assert_snapshot!(targets(&clickhouse), @r#"
    {
      "at": {
        "h": 4,
        "w": 4,
        "x": 0,
        "y": 0
      },
      "target": {
        "datasource": {
          "type": "grafana-clickhouse-datasource",
          "uid": "${DS}"
        },
        "editorType": "sql",
        "format": 1,
        "queryType": "table",
        "rawSql": "SELECT count() AS pv FROM innertrail.log WHERE $__timeFilter(it_time)",
        "refId": "A"
      },
      "type": "stat"
    }
    {
      "at": {
        "h": 8,
        "w": 20,
        "x": 4,
        "y": 0
      },
      "target": {
        "datasource": {
          "type": "grafana-clickhouse-datasource",
          "uid": "${DS}"
        },
        "editorType": "sql",
        "format": 0,
        "queryType": "timeseries",
        "rawSql": "SELECT toStartOfHour(it_time, 'UTC') AS hour, it_reason, count() AS pv FROM innertrail.log WHERE $__timeFilter(it_time) AND it_family = 'audit' GROUP BY hour, it_reason ORDER BY hour",
        "refId": "A"
      },
      "type": "timeseries"
    }
    "#);
    let sls = pack.grafana_log_service(&|store| format!("innertrail_main-{}", store.folder()));
    assert_snapshot!(targets(&sls), @r#"
    {
      "at": {
        "h": 4,
        "w": 4,
        "x": 0,
        "y": 0
      },
      "target": {
        "currentPage": 1,
        "datasource": {
          "type": "aliyun-log-service-datasource",
          "uid": "${DS}"
        },
        "logsPerPage": 100,
        "logstore": "innertrail_main-log",
        "query": "* | select count(1) as pv",
        "refId": "A",
        "totalLogs": 100,
        "type": "logstore",
        "xcol": "stat",
        "ycol": "pv"
      },
      "type": "stat"
    }
    {
      "at": {
        "h": 8,
        "w": 20,
        "x": 4,
        "y": 0
      },
      "target": {
        "currentPage": 1,
        "datasource": {
          "type": "aliyun-log-service-datasource",
          "uid": "${DS}"
        },
        "logsPerPage": 100,
        "logstore": "innertrail_main-log",
        "query": "* | select __time__ - __time__ % 3600 as hour, it_reason, count(1) as pv group by hour, it_reason order by hour",
        "refId": "A",
        "totalLogs": 100,
        "type": "logstore",
        "xcol": "hour",
        "ycol": "it_reason#:#pv"
      },
      "type": "timeseries"
    }
    "#);
    assert_eq!(sls["__inputs"][0]["pluginId"], "aliyun-log-service-datasource");
    assert_eq!(pack.log_service()["charts"][1].get("clickhouse"), None);
}

/// What is left of our own words in an export would be sent to somebody's server as it stands.
#[test]
fn exports_have_no_word_of_ours_left() {
    for pack in builtin() {
        let clickhouse = pack.grafana_clickhouse("");
        let sls = pack.grafana_log_service(&|store| format!("store-{}", store.folder()));
        for (dashboard, macros) in [(&clickhouse, true), (&sls, false)] {
            for panel in dashboard["panels"].as_array().unwrap() {
                let target = &panel["targets"][0];
                let query = target["rawSql"].as_str().or(target["query"].as_str()).unwrap();
                assert_eq!(query.contains("$__timeFilter(it_"), macros, "{query}");
                assert!(!query.replace("$__timeFilter", "").contains('$') || query.contains("'$."), "{query}");
                assert!(!query.contains("date_format(") && !query.contains("formatDateTime("), "{query}");
            }
        }
        for chart in &pack.charts {
            assert!(chart.kind != Kind::Line || chart.time.is_some());
            let over = chart.clickhouse_over("t");
            assert!(
                over.contains("FROM t WHERE 1") && !over.contains('$') || chart.search.logstore != Store::Log,
                "{over}"
            );
        }
    }
}
