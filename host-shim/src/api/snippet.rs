//! What `run` says of the API when it starts: where it is, and what to paste into Python, the command line tool and Grafana.
//!
//! It must never print a secret: those are shown once, when a key is made.

use std::net::SocketAddr;

use innertrail_api::Names;
use innertrail_logstore::Store;

use crate::config::Api;

/// What the snippets ask: short to read, and answered whatever there is.
const QUERY: &str = "* | select eventName, count(1) as n group by eventName";

/// Lines for people.
pub(super) fn told(api: &Api, names: &Names, region: &str, address: SocketAddr, keys: usize) -> Vec<String> {
    let scheme = if api.tls.is_some() { "https" } else { "http" };
    let endpoint = endpoint(api, address, scheme);
    let (project, logstore) = (names.project(), names.logstore(Store::Log));
    let region = if region.is_empty() { "cn-hangzhou" } else { region };
    let mut lines = vec![
        format!("the API of Log Service is on {scheme}://{address}, project {project}, Logstore {logstore}, read-only"),
        format!(
            "  Python: from aliyun.log import LogClient; print(LogClient(\"{endpoint}\", \"KEY-ID\", \"SECRET\", auth_version=\"v4\", region=\"{region}\").get_log(\"{project}\", \"{logstore}\", \"1 day ago\", \"now\", query=\"{QUERY}\").get_body())"
        ),
        format!(
            "  CLI: aliyunlog log get_log --project={project} --logstore={logstore} --from_time=\"1 day ago\" --to_time=now --query=\"{QUERY}\" --region-endpoint={endpoint} --access-id=KEY-ID --access-key=SECRET"
        ),
        format!(
            "  Grafana, plugin aliyun-log-service-datasource: Endpoint {endpoint}, Project {project}, LogStore {logstore}, AccessKeyId KEY-ID, AccessKeySecret SECRET"
        ),
    ];
    if api.endpoint.is_none() && api.tls.is_none() && address.ip().is_loopback() {
        lines.push(format!("  without a name for it: set http_proxy=http://{address} for the client, and any name serves as endpoint; with `api.endpoint`, a wildcard name must lead here"));
    }
    if keys == 0 {
        lines.push("  there is no key yet, so every call is refused: innertrail keys add --role reader".to_owned());
    }
    lines
}

/// What a client is to be given: the operator's name with the port that it listens on, unless the name has one.
fn endpoint(api: &Api, address: SocketAddr, scheme: &str) -> String {
    let Some(name) = &api.endpoint else { return format!("{scheme}://logs.example:{}", address.port()) };
    let name = name.trim_end_matches('/');
    let bare = name.split_once("://").map_or(name, |(_, bare)| bare);
    let usual = if scheme == "https" { 443 } else { 80 };
    let port =
        if bare.contains(':') || address.port() == usual { String::new() } else { format!(":{}", address.port()) };
    if bare.len() == name.len() { format!("{scheme}://{bare}{port}") } else { format!("{name}{port}") }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::config::ApiTls;

    #[test]
    fn names_and_ports_as_clients_take_them() {
        let tls = ApiTls { certificate: "a".into(), key: "b".into() };
        let secure = Api { endpoint: Some("logs.example.internal".to_owned()), tls: Some(tls), ..Api::default() };
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        assert_eq!(endpoint(&secure, at(443), "https"), "https://logs.example.internal");
        assert_eq!(endpoint(&secure, at(8443), "https"), "https://logs.example.internal:8443");
        let named = Api { endpoint: Some("http://logs.example:99/".to_owned()), ..Api::default() };
        assert_eq!(endpoint(&named, at(80), "http"), "http://logs.example:99");
        let lines = told(&Api::default(), &Names::new("audit", "main-trail"), "", at(7), 0);
        assert!(lines[0].contains("http://127.0.0.1:7") && lines.last().unwrap().contains("keys add"), "{lines:?}");
        assert!(lines.iter().any(|line| line.contains("http_proxy=http://127.0.0.1:7")), "{lines:?}");
        assert_eq!(told(&secure, &Names::new("audit", "main-trail"), "", at(443), 1).len(), 4);
    }
}
