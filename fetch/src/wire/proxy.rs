//! Which proxy a host is reached through: `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy`, in either case.
//!
//! `no_proxy` is read as curl reads it: a name stands for itself and everything below it, with or without a leading dot;
//! `*` is everything; an entry may carry a port, or be an address block such as `10.0.0.0/8`. A proxy's password must
//! never be shown.

use std::net::IpAddr;

use crate::environment::Environment;
use crate::error::ConfigError;
use crate::secret::Secret;

/// The proxies of each scheme, and who is reached without.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rules {
    plain: Option<Secret>,
    secure: Option<Secret>,
    exceptions: Vec<String>,
}

impl Rules {
    /// What the environment says.
    pub(crate) fn from_environment(environment: &Environment) -> Result<Self, ConfigError> {
        let one = |names: &[&'static str]| -> Result<Option<Secret>, ConfigError> {
            let found = names.iter().find_map(|n| environment.get(n).map(|v| (n, v)));
            found.map(|(name, value)| checked(name, value)).transpose()
        };
        let exceptions = ["no_proxy", "NO_PROXY"].iter().find_map(|n| environment.get(n)).unwrap_or_default();
        Ok(Self {
            plain: one(&["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])?,
            secure: one(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])?,
            exceptions: exceptions
                .split([',', ' '])
                .map(|e| e.trim().to_ascii_lowercase())
                .filter(|e| !e.is_empty())
                .collect(),
        })
    }

    /// The proxy for a host, if it has one.
    pub(crate) fn proxy(&self, secure: bool, host: &str, port: u16) -> Option<&Secret> {
        let proxy = if secure { self.secure.as_ref() } else { self.plain.as_ref() }?;
        (!self.exceptions.iter().any(|e| excepts(e, host, port))).then_some(proxy)
    }
}

fn checked(name: &str, value: String) -> Result<Secret, ConfigError> {
    let bad = |why| ConfigError::Proxy { from: name.to_owned(), why };
    match value.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase()) {
        None => {}
        Some(scheme) if scheme == "http" || scheme == "https" => {}
        Some(_) => return Err(bad("only http and https proxies are known")),
    }
    ureq::Proxy::new(&value).map_err(|_| bad("it is no URL"))?;
    Ok(Secret::new(value))
}

fn excepts(entry: &str, host: &str, port: u16) -> bool {
    if entry == "*" {
        return true;
    }
    if let Ok(ip) = host.trim_matches(['[', ']']).parse::<IpAddr>() {
        return within(entry, ip);
    }
    let (name, wanted) = match entry.rsplit_once(':').map(|(n, p)| (n, p.parse::<u16>())) {
        Some((name, Ok(wanted))) => (name, wanted),
        _ => (entry, port),
    };
    let name = name.trim_start_matches('*').trim_start_matches('.');
    let below = host.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    !name.is_empty() && wanted == port && below
}

/// Whether an entry is this address or a block around it.
fn within(entry: &str, ip: IpAddr) -> bool {
    let (base, bits) = entry.split_once('/').map_or((entry, None), |(b, n)| (b, Some(n)));
    let Ok(base) = base.trim_matches(['[', ']']).parse::<IpAddr>() else { return false };
    let bits = match bits.map(str::parse::<u32>) {
        None => return base == ip,
        Some(Ok(bits)) => bits,
        Some(Err(_)) => return false,
    };
    match (base, ip) {
        (IpAddr::V4(b), IpAddr::V4(i)) if bits <= 32 => {
            (b.to_bits() ^ i.to_bits()).checked_shr(32 - bits).unwrap_or(0) == 0
        }
        (IpAddr::V6(b), IpAddr::V6(i)) if bits <= 128 => {
            (b.to_bits() ^ i.to_bits()).checked_shr(128 - bits).unwrap_or(0) == 0
        }
        _ => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn rules(pairs: &[(&str, &str)]) -> Rules {
        Rules::from_environment(&Environment::of(pairs.iter().copied())).unwrap()
    }

    #[test]
    fn each_scheme_has_its_variables_and_lower_case_wins() {
        let r = rules(&[("http_proxy", "http://a:1"), ("HTTP_PROXY", "http://b:1"), ("ALL_PROXY", "c:1")]);
        assert_eq!(r.proxy(false, "x.example", 80).unwrap().expose(), "http://a:1");
        assert_eq!(r.proxy(true, "x.example", 443).unwrap().expose(), "c:1");
        assert!(rules(&[("https_proxy", "http://a:1")]).proxy(false, "x.example", 80).is_none());
    }

    #[test]
    fn exceptions_are_names_below_ports_and_blocks() {
        let r = rules(&[
            ("all_proxy", "http://p:1"),
            (
                "NO_PROXY",
                "localhost, .Internal.example,log.aliyuncs.com,*.w.example,a.example:8080,10.0.0.0/8,::1,fd00::/8",
            ),
        ]);
        let direct = |host: &str, port| r.proxy(true, host, port).is_none();
        for host in
            ["localhost", "a.internal.example", "p.cn-x.log.aliyuncs.com", "x.w.example", "10.1.2.3", "::1", "fd12::1"]
        {
            assert!(direct(host, 443), "{host}");
        }
        for host in ["evil-localhost", "xlog.aliyuncs.com", "11.0.0.1", "::2", "a.example", "example"] {
            assert!(!direct(host, 443), "{host}");
        }
        assert!(direct("a.example", 8080));
        assert!(rules(&[("all_proxy", "p:1"), ("no_proxy", "*")]).proxy(false, "x", 80).is_none());
        assert!(within("0.0.0.0/0", "1.2.3.4".parse().unwrap()));
    }

    #[test]
    fn an_unusable_proxy_is_said_without_its_password() {
        for value in ["socks5://user:hidden-word@p:1", "http://user:hidden-word@p:1:2 x"] {
            let said = Rules::from_environment(&Environment::of([("HTTPS_PROXY", value)])).unwrap_err().to_string();
            assert!(said.contains("HTTPS_PROXY") && !said.contains("hidden-word"), "{said}");
        }
        let good = rules(&[("https_proxy", "http://user:hidden-word@p:1")]);
        assert!(!format!("{good:?}").contains("hidden-word"));
    }
}
