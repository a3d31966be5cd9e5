//! A request before anybody is known to have sent it: method, host, path, parameters, headers. All of it is hostile, and
//! nothing here may believe, log or repeat any of it.

use hyper::http::request::Parts;
use hyper::{HeaderMap, Method};
use percent_encoding::percent_decode_str;

use crate::{ApiError, Parameters};

/// Most parts of a path.
const MOST_PARTS: usize = 16;
/// Most parameters.
const MOST_PARAMETERS: usize = 64;

/// The head of a request.
#[derive(Debug, Clone)]
pub struct Head {
    /// Method.
    pub method: Method,
    /// First label of the host: the project, if the client knows its name.
    pub label: String,
    /// The path as it was sent, without scheme and host.
    pub raw_path: String,
    /// The same, decoded.
    pub decoded_path: String,
    /// The path's parts, decoded each, without empty ones at the ends.
    pub path: Vec<String>,
    /// The query's parameters, decoded.
    pub parameters: Parameters,
    /// Headers as they came.
    pub headers: HeaderMap,
}

impl Head {
    /// Reads a request's head. A target in absolute form, which a client sends to a proxy, is as good as a path.
    ///
    /// # Errors
    /// 400 `MissingHost`; `ParameterInvalid` for a path or query that is no UTF-8 or has too many parts.
    pub fn read(parts: &Parts) -> Result<Self, ApiError> {
        let host = match parts.headers.get(hyper::header::HOST) {
            Some(host) => host.to_str().ok(),
            None => parts.uri.authority().map(|authority| authority.as_str()),
        };
        let host = host.filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| ApiError::new(400, "MissingHost", "Host does not exist in http header"))?;
        let raw_path = match parts.uri.path() {
            "" => "/",
            path => path,
        };
        Ok(Self {
            method: parts.method.clone(),
            label: label(host),
            raw_path: raw_path.to_owned(),
            decoded_path: decoded(raw_path, "path")?,
            path: split(raw_path)?,
            parameters: parameters(parts.uri.query().unwrap_or_default())?,
            headers: parts.headers.clone(),
        })
    }
}

/// `audit` of `audit.logs.example:8080`, in lower case. Of an address in brackets it is nothing.
fn label(host: &str) -> String {
    let name = host.rsplit_once('@').map_or(host, |(_, name)| name);
    let end = name.find(['.', ':']).unwrap_or(name.len());
    let label = &name[..end];
    if label.starts_with('[') { String::new() } else { label.to_ascii_lowercase() }
}

fn decoded(text: &str, what: &str) -> Result<String, ApiError> {
    let text = percent_decode_str(text).decode_utf8();
    text.map(std::borrow::Cow::into_owned).map_err(|_| ApiError::parameter(format!("the {what} is no UTF-8")))
}

fn split(path: &str) -> Result<Vec<String>, ApiError> {
    let path = path.trim_matches('/');
    if path.is_empty() {
        return Ok(Vec::new());
    }
    if path.split('/').count() > MOST_PARTS {
        return Err(ApiError::parameter(format!("the path has more than {MOST_PARTS} parts")));
    }
    path.split('/').map(|part| decoded(part, "path")).collect()
}

fn parameters(query: &str) -> Result<Parameters, ApiError> {
    let pairs = || query.split('&').filter(|pair| !pair.is_empty());
    if pairs().count() > MOST_PARAMETERS {
        return Err(ApiError::parameter(format!("there are more than {MOST_PARAMETERS} parameters")));
    }
    let read = |pair: &str| -> Result<(String, String), ApiError> {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let plain = |text: &str| decoded(&text.replace('+', " "), "query");
        Ok((plain(name)?, plain(value)?))
    };
    pairs().map(read).collect::<Result<Vec<_>, _>>().map(Parameters::new)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use hyper::Request;

    use super::*;

    fn read(target: &str, host: Option<&str>) -> Result<Head, ApiError> {
        let mut request = Request::builder().uri(target);
        if let Some(host) = host {
            request = request.header("host", host);
        }
        Head::read(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn the_project_is_the_hosts_first_label() {
        for (host, label) in [
            ("audit.logs.example", "audit"),
            ("Audit.logs.example:8080", "audit"),
            ("audit.127.0.0.1", "audit"),
            ("audit:80", "audit"),
            ("127.0.0.1:18080", "127"),
            ("[::1]:80", ""),
            ("user@audit.x", "audit"),
        ] {
            assert_eq!(read("/", Some(host)).unwrap().label, label, "{host}");
        }
        assert_eq!(read("/", None).unwrap_err().code, "MissingHost");
        assert_eq!(read("/", Some("")).unwrap_err().code, "MissingHost");
    }

    /// Clients that were given a proxy send the whole address; the Host header is what they sign.
    #[test]
    fn absolute_targets_are_paths() {
        let head = read("http://audit.logs.example:8080/logstores/a%20b?x=1", Some("audit.logs.example")).unwrap();
        assert_eq!((head.raw_path.as_str(), head.decoded_path.as_str()), ("/logstores/a%20b", "/logstores/a b"));
        assert_eq!((head.path, head.label), (vec!["logstores".to_owned(), "a b".to_owned()], "audit".to_owned()));
        assert_eq!(read("http://other.logs.example", None).unwrap().label, "other");
        assert_eq!(read("http://other.logs.example", None).unwrap().raw_path, "/");
    }

    #[test]
    fn parameters_are_decoded_and_may_be_empty() {
        let head = read("/logstores/a?query=a+b%2B%26c&&x&y=&=z&query=2", Some("p.x")).unwrap();
        let pairs: Vec<_> = head.parameters.iter().collect();
        assert_eq!(pairs, [("query", "a b+&c"), ("x", ""), ("y", ""), ("", "z"), ("query", "2")]);
    }

    #[test]
    fn what_has_no_form_is_said() {
        for bad in ["/%ff", "/?a=%c3%28", &format!("/{}", "a/".repeat(17)), &format!("/?{}", "a&".repeat(65))] {
            assert_eq!(read(bad, Some("p.x")).unwrap_err().status, 400, "{bad}");
        }
        assert_eq!(read("//a//b/%2F/", Some("p.x")).unwrap().path, ["a", "", "b", "/"]);
    }
}
