//! Which requests may come in at all. It must never let a page of another site, or a name that somebody points at this address, use what
//! this console shows.
//!
//! A browser sends the name that stands in its address bar as `Host`. A page that has its own name resolve to this address (DNS rebinding)
//! cannot help sending that name, so only names that are known, and addresses, which nobody can rebind, are answered.

use std::net::IpAddr;

use hyper::header::{HOST, HeaderMap, ORIGIN};

use crate::Problem;

/// The header by which a browser says where a request comes from.
const SITE: &str = "sec-fetch-site";

/// Names that this console goes by, in lower case and without a port.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names(Vec<String>);

impl Names {
    /// `localhost`, every address, and these.
    pub(crate) fn new(names: &[String]) -> Self {
        Self(names.iter().map(|name| name.to_ascii_lowercase()).collect())
    }

    /// The request's own name, if it is one of these.
    pub(crate) fn host<'a>(&self, headers: &'a HeaderMap) -> Result<&'a str, Problem> {
        let mut all = headers.get_all(HOST).iter();
        let refused = || {
            let message = "this console does not go by the name in the Host header; use its address, or name it under `console.names`";
            Problem::new(421, "host", message)
        };
        let (Some(host), None) = (all.next(), all.next()) else { return Err(refused()) };
        let host = host.to_str().map_err(|_| refused())?;
        let name = bare(host).to_ascii_lowercase();
        let is_address = name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
        if is_address || name == "localhost" || self.0.contains(&name) { Ok(host) } else { Err(refused()) }
    }
}

/// Without its port. The colons of an IPv6 address without brackets are its own.
fn bare(host: &str) -> &str {
    let Some((name, port)) = host.rsplit_once(':') else { return host };
    let address = name.contains(':') && !name.ends_with(']');
    if address || !port.chars().all(|c| c.is_ascii_digit()) { host } else { name }
}

/// Whether a call comes from this console's own pages, from an address bar, or from no browser at all.
///
/// # Errors
/// 403 for one that another site's page makes.
pub(crate) fn own(headers: &HeaderMap, host: &str, secure: bool, changes: bool) -> Result<(), Problem> {
    let refused = || Problem::new(403, "other_site", "a page of another site may not ask this console");
    match headers.get(SITE).map(|site| site.as_bytes()) {
        None | Some(b"same-origin") => {}
        Some(b"none") if !changes => {}
        Some(_) => return Err(refused()),
    }
    match headers.get(ORIGIN).map(|origin| origin.as_bytes()) {
        None => Ok(()),
        Some(origin) if is(origin, "https", host) || (!secure && is(origin, "http", host)) => Ok(()),
        Some(_) => Err(refused()),
    }
}

/// Whether the page that asks came by TLS, from this server or from what stands in front of it.
pub(crate) fn by_tls(headers: &HeaderMap) -> bool {
    headers.get(ORIGIN).is_some_and(|origin| origin.as_bytes().starts_with(b"https://"))
}

fn is(origin: &[u8], scheme: &str, host: &str) -> bool {
    origin.eq_ignore_ascii_case(format!("{scheme}://{host}").as_bytes())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(n, v)| (n.parse().unwrap(), HeaderValue::from_static(v))).collect()
    }

    /// The story: a page at evil.example has its name resolve to 127.0.0.1, and its script reads the trail as its own origin.
    #[test]
    fn a_name_that_leads_here_without_being_ours_is_not_answered() {
        let names = Names::new(&["Audit.example.internal".to_owned()]);
        let takes = |host| names.host(&headers(&[("host", host)])).is_ok();
        for good in
            ["127.0.0.1:8687", "localhost", "LOCALHOST:1", "[::1]:8687", "192.0.2.7", "audit.example.internal:443"]
        {
            assert!(takes(good), "{good}");
        }
        for bad in
            ["evil.example", "evil.example:8687", "127.0.0.1.evil.example", "localhost.evil.example:80", "", "::x:1"]
        {
            assert!(!takes(bad), "{bad}");
        }
        assert!(names.host(&HeaderMap::new()).is_err());
        let mut two = headers(&[("host", "localhost")]);
        two.append(HOST, HeaderValue::from_static("evil.example"));
        assert_eq!(names.host(&two).unwrap_err().status, 421);
    }

    #[test]
    fn other_sites_ask_nothing_and_change_nothing() {
        let host = "127.0.0.1:8687";
        let asks = |pairs: &[(&'static str, &'static str)], changes| own(&headers(pairs), host, false, changes).is_ok();
        assert!(asks(&[], true) && asks(&[], false));
        assert!(asks(&[("sec-fetch-site", "none")], false) && !asks(&[("sec-fetch-site", "none")], true));
        assert!(asks(&[("sec-fetch-site", "same-origin"), ("origin", "http://127.0.0.1:8687")], true));
        for site in ["cross-site", "same-site", "odd"] {
            assert!(!asks(&[("sec-fetch-site", site)], false), "{site}");
        }
        // Something in front may do TLS.
        assert!(asks(&[("origin", "https://127.0.0.1:8687")], true));
        assert!(own(&headers(&[("origin", "http://127.0.0.1:8687")]), host, true, true).is_err());
        for origin in ["null", "http://evil.example", "https://evil.example", "http://127.0.0.1:8688"] {
            assert!(own(&headers(&[("origin", origin)]), host, false, true).is_err(), "{origin}");
        }
    }
}
