//! What ActionTrail itself says of a trail: whether it logs, and how many events it delivered where.
//!
//! It must never ask for more than these two calls; both read. Their names, parameters and fields are those of the
//! published models of version 2020-07-06.

use serde::Deserialize;

use super::{Client, Shared, attempt};
use crate::clock;
use crate::request::{Failure, Fault, Request, Response, Signer};

const VERSION: &str = "2020-07-06";
/// No answer is longer, bytes: a month of hours has 720 points.
const MAX_ANSWER: u32 = 1 << 20;
/// Points of one question at most: what is not documented is kept small.
const POINTS: i64 = 1000;

/// What of a trail's delivery is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Delivery {
    /// Events that reached Log Service.
    SlsSuccess,
    /// Events that did not.
    SlsFail,
    /// Events that reached OSS.
    OssSuccess,
    /// Events that did not.
    OssFail,
}

impl Delivery {
    /// The name of the metric.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SlsSuccess => "delivery_sls_success_count",
            Self::SlsFail => "delivery_sls_fail_count",
            Self::OssSuccess => "delivery_oss_success_count",
            Self::OssFail => "delivery_oss_fail_count",
        }
    }
}

/// `GetTrailStatus`. Every text is the service's: hostile where it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct TrailStatus {
    /// Whether the trail records.
    pub is_logging: Option<bool>,
    /// When objects were last delivered to the bucket.
    pub latest_delivery_time: Option<String>,
    /// What went wrong with the last delivery to the bucket.
    pub latest_delivery_error: Option<String>,
    /// When logs were last delivered to Log Service.
    pub latest_delivery_log_service_time: Option<String>,
    /// What went wrong with the last delivery to Log Service.
    pub latest_delivery_log_service_error: Option<String>,
    /// Whether the bucket can be used.
    pub oss_bucket_status: Option<bool>,
    /// Whether the Logstore can be used.
    pub sls_log_store_status: Option<bool>,
    /// When it was stopped last.
    pub stop_logging_time: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Metrics {
    metric_list: Vec<Point>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Point {
    #[serde(default)]
    count: u64,
}

impl Client {
    /// The status of a trail.
    ///
    /// # Errors
    /// Why there is no answer, or what the service answered instead.
    pub fn trail_status(&self, endpoint: &str, trail: &str) -> Result<TrailStatus, Failure> {
        let request = call(endpoint, "GetTrailStatus", vec![("Name".to_owned(), trail.to_owned())]);
        self.read(&request)
    }

    /// How many events were delivered from `from_s` until before `to_s` (seconds since the Unix epoch), counted in periods
    /// of an hour: both are to be whole hours.
    ///
    /// # Errors
    /// As [`Client::trail_status`].
    pub fn delivered(
        &self,
        endpoint: &str,
        trail: &str,
        what: Delivery,
        from_s: i64,
        to_s: i64,
    ) -> Result<u64, Failure> {
        const HOUR: i64 = 3600;
        let (mut from, mut sum) = (from_s, 0u64);
        while from < to_s {
            let to = to_s.min(from.saturating_add(POINTS * HOUR));
            let query = [
                ("TrailName", trail),
                ("MetricName", what.as_str()),
                ("Period", "3600"),
                ("StartTime", &clock::rfc3339(from)),
                ("EndTime", &clock::rfc3339(to)),
            ];
            let query = query.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            let found: Metrics = self.read(&call(endpoint, "DescribeTrailDeliveryMetricData", query))?;
            sum = found.metric_list.iter().fold(sum, |sum, point| sum.saturating_add(point.count));
            from = to;
        }
        Ok(sum)
    }

    fn read<T: serde::de::DeserializeOwned>(&self, request: &Request) -> Result<T, Failure> {
        let shared: &Shared = &self.shared;
        let response = attempt::perform_unchecked(shared, request)?;
        let failed = |why: String| attempt::failure(shared, request, Fault::Protocol, &why);
        if response.status != 200 {
            return Err(failed(refusal(&response)));
        }
        let bad =
            |e| failed(format!("the answer is not what ActionTrail documents: {e}; is the endpoint the right one?"));
        serde_json::from_slice(&response.body).map_err(bad)
    }
}

fn call(endpoint: &str, action: &str, query: Vec<(String, String)>) -> Request {
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    Request {
        id: 0,
        endpoint: endpoint.to_owned(),
        signer: Signer::Acs3,
        method: "GET".to_owned(),
        path: "/".to_owned(),
        query,
        headers: vec![header("x-acs-action", action), header("x-acs-version", VERSION)],
        body: vec![],
        max_body: MAX_ANSWER,
        retries: true,
    }
}

fn refusal(response: &Response) -> String {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Refusal {
        code: String,
        #[serde(default)]
        message: String,
    }
    let status = response.status;
    match serde_json::from_slice::<Refusal>(&response.body) {
        Ok(Refusal { code, message }) => {
            let (code, message) = (crate::scrub::plain(&code, 80), crate::scrub::plain(&message, 240));
            format!("status {status}, {code}: {message}")
        }
        Err(_) => format!("status {status} without a reason"),
    }
}
