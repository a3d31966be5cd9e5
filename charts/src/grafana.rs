//! A pack as a dashboard of Grafana: over ClickHouse and the segments, or over Log Service's API.
//! It must never name a data source of anybody: the one to use is a variable that Grafana asks for at import.
//!
//! Members of panels and targets are those that Grafana and the two plugins read: `grafana-clickhouse-datasource` 4 takes
//! `rawSql` with the format 1 (table) or 0 (time series); `aliyun-log-service-datasource` takes `query` with `xcol`
//! (`stat`, `pie`, empty for a table, else a column of seconds) and `ycol` (columns; `group#:#value` for a line each).

use serde_json::{Value, json};

use crate::pack::{Chart, Kind, Pack, Store};

impl Pack {
    /// A dashboard over tables of ClickHouse; `prefix` stands before `log`, `journal` and `quarantine`, such as `innertrail.`.
    #[must_use]
    pub fn grafana_clickhouse(&self, prefix: &str) -> Value {
        let target = |chart: &Chart| {
            let table = format!("{}{}", prefix, chart.search.logstore.folder());
            let (format, kind) = if chart.time.is_some() { (0, "timeseries") } else { (1, "table") };
            json!({"editorType": "sql", "format": format, "queryType": kind, "rawSql": chart.to_clickhouse(&table)})
        };
        self.grafana("grafana-clickhouse-datasource", "ClickHouse", &target)
    }

    /// A dashboard over Log Service's API; `logstore` says what a store is called there.
    #[must_use]
    pub fn grafana_log_service(&self, logstore: &dyn Fn(Store) -> String) -> Value {
        let target = |chart: &Chart| {
            let (x, y) = columns(chart);
            let query = match &chart.time {
                Some(time) => chart.search.query.replace(&time.as_text(), &time.as_seconds()),
                None => chart.search.query.clone(),
            };
            let logstore = logstore(chart.search.logstore);
            json!({"type": "logstore", "logstore": logstore, "query": query, "xcol": x, "ycol": y,
                "logsPerPage": 100, "currentPage": 1, "totalLogs": 100})
        };
        self.grafana("aliyun-log-service-datasource", "Log Service", &target)
    }

    fn grafana(&self, plugin: &str, name: &str, target: &dyn Fn(&Chart) -> Value) -> Value {
        let source = json!({"type": plugin, "uid": "${DS}"});
        let panels: Vec<Value> =
            self.charts.iter().zip(1_u32..).map(|(chart, id)| panel(chart, id, &source, target(chart))).collect();
        let start = self.charts.first().map_or("-604800s", |chart| chart.search.start.as_str());
        json!({
            "__inputs": [{"name": "DS", "label": name, "type": "datasource", "pluginId": plugin, "pluginName": name}],
            "uid": format!("innertrail-{}", self.pack).chars().take(40).collect::<String>(),
            "title": self.dashboard.display_name,
            "description": self.dashboard.description,
            "tags": ["innertrail", format!("{}-{}", self.pack, self.version)],
            "schemaVersion": 39,
            "version": self.version,
            "editable": true,
            "timezone": "utc",
            "time": {"from": format!("now{start}"), "to": "now"},
            "panels": panels,
        })
    }
}

/// What the plugin of Log Service draws.
fn columns(chart: &Chart) -> (String, String) {
    let x = chart.display.x_axis.first().cloned().unwrap_or_default();
    let y = chart.display.y_axis.join(",");
    match (chart.kind, &chart.series) {
        (Kind::Number, _) => ("stat".to_owned(), y),
        (Kind::Pie, _) => ("pie".to_owned(), format!("{x},{y}")),
        (Kind::Table, _) => (String::new(), y),
        (Kind::Line | Kind::Bar, Some(series)) => (x, format!("{series}#:#{y}")),
        (Kind::Line | Kind::Bar, None) => (x, y),
    }
}

fn panel(chart: &Chart, id: u32, source: &Value, mut target: Value) -> Value {
    let (kind, custom, options) = match chart.kind {
        Kind::Number => ("stat", json!({}), json!({"reduceOptions": {"calcs": ["lastNotNull"], "values": false}})),
        Kind::Line => ("timeseries", json!({"drawStyle": "line"}), json!({"legend": {"showLegend": true}})),
        Kind::Bar => (
            "timeseries",
            json!({"drawStyle": "bars", "fillOpacity": 80, "stacking": {"mode": "normal"}}),
            json!({"legend": {"showLegend": true}}),
        ),
        Kind::Pie => ("piechart", json!({}), json!({"pieType": "donut", "reduceOptions": {"values": true}})),
        Kind::Table => ("table", json!({}), json!({"showHeader": true})),
    };
    if let Some(members) = target.as_object_mut() {
        members.insert("refId".to_owned(), "A".into());
        members.insert("datasource".to_owned(), source.clone());
    }
    let at = &chart.display;
    json!({
        "id": id,
        "type": kind,
        "title": at.display_name,
        "datasource": source,
        "gridPos": {"x": at.x_pos, "y": at.y_pos, "w": at.width, "h": at.height},
        "fieldConfig": {"defaults": {"custom": custom}, "overrides": []},
        "options": options,
        "targets": [target],
    })
}
