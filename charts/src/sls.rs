//! A pack as the dashboard that Log Service's API gives. It must never hold more than that API's members.

use serde_json::{Value, json};

use crate::pack::{Chart, Pack};

impl Pack {
    /// The dashboard, with words such as `$logstore` in place of names, which are the reader's to fill.
    #[must_use]
    pub fn log_service(&self) -> Value {
        json!({
            "dashboardName": self.dashboard.dashboard_name,
            "displayName": self.dashboard.display_name,
            "description": self.dashboard.description,
            "attribute": {"version": self.version.to_string()},
            "charts": self.charts.iter().map(chart).collect::<Vec<_>>(),
        })
    }
}

fn chart(chart: &Chart) -> Value {
    json!({"title": chart.title, "type": chart.kind, "search": chart.search, "display": chart.display})
}
