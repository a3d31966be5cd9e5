//! Addresses and URLs. An address that is none (`Internal`, a host's name) gives NULL.
//! They must never look anything up, on disk or in the network: there is no geographic database on-premises, so
//! `ip_to_country` and its like give an empty text, and `security_check_ip` gives 0, which means "nothing known".

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::memo::Memo;
use super::scalar::Kind::{Bool, Int, Text};
use super::scalar::{Answer, Function, Row, Value, quoted};

/// Functions whose answer needs a database that is not here.
macro_rules! without_data {
    ($($name:literal)*) => {
        pub(super) const WITHOUT_DATA: &[Function] = &[$(Function {
            name: $name,
            params: &[Text, Text],
            required: 1,
            returns: Text,
            body: |_, _| Ok(Some(Value::Text(String::new()))),
        },)*];
    };
}

without_data! { "ip_to_country" "ip_to_country_code" "ip_to_province" "ip_to_city" "ip_to_provider" "ip_to_geo" }

pub(super) const FUNCTIONS: &[Function] = &[
    Function { name: "ip_to_domain", params: &[Text], required: 1, returns: Text, body: ip_to_domain },
    Function { name: "is_subnet_of", params: &[Text, Text], required: 2, returns: Bool, body: is_subnet_of },
    Function { name: "ip_prefix", params: &[Text, Int], required: 2, returns: Text, body: ip_prefix },
    Function { name: "security_check_ip", params: &[Text], required: 1, returns: Int, body: nothing_known },
    Function { name: "security_check_domain", params: &[Text], required: 1, returns: Int, body: nothing_known },
    Function { name: "security_check_url", params: &[Text], required: 1, returns: Int, body: nothing_known },
];

fn nothing_known(_: &Row<'_>, _: &mut Memo) -> Answer {
    Ok(Some(Value::Int(0)))
}

/// An IPv4 address in IPv6's clothes counts as what it is.
fn address(text: &str) -> Option<IpAddr> {
    text.trim().parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

fn is_intranet(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            // 100.64.0.0/10 is shared address space, which cloud networks use inside.
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || (a == 100 && b & 0xc0 == 64)
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

fn ip_to_domain(row: &Row<'_>, _: &mut Memo) -> Answer {
    let word = |address| if is_intranet(address) { "intranet" } else { "internet" };
    Ok(address(row.text(0)?).map(|address| Value::Text(word(address).to_owned())))
}

/// The network's first address and the length of its prefix.
fn masked(address: IpAddr, bits: u32) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => {
            let host = 32_u32.checked_sub(bits)?;
            let mask = u32::MAX.checked_shl(host).unwrap_or(0);
            Some(Ipv4Addr::from(u32::from(v4) & mask).into())
        }
        IpAddr::V6(v6) => {
            let host = 128_u32.checked_sub(bits)?;
            let mask = u128::MAX.checked_shl(host).unwrap_or(0);
            Some(Ipv6Addr::from(u128::from(v6) & mask).into())
        }
    }
}

fn network(text: &str) -> Option<(IpAddr, u32)> {
    let (first, bits) = text.trim().split_once('/')?;
    let (first, bits) = (address(first)?, bits.parse().ok()?);
    Some((masked(first, bits)?, bits))
}

fn is_subnet_of(row: &Row<'_>, _: &mut Memo) -> Answer {
    let written = row.text(0)?;
    let (first, bits) = network(written)
        .ok_or_else(|| format!("{} is no network; write for example '192.168.0.0/16'", quoted(written)))?;
    let inner = row.text(1)?;
    let (address, narrow) = match (address(inner), network(inner)) {
        (Some(address), _) => (address, 128),
        (None, Some(inner)) => inner,
        (None, None) => return Ok(None),
    };
    let same_family = first.is_ipv4() == address.is_ipv4();
    Ok(Some(Value::Bool(same_family && narrow >= bits && masked(address, bits) == Some(first))))
}

fn ip_prefix(row: &Row<'_>, _: &mut Memo) -> Answer {
    let Some(address) = address(row.text(0)?) else { return Ok(None) };
    let bits = row.int(1)?;
    let first = u32::try_from(bits).ok().and_then(|bits| masked(address, bits));
    let first = first.ok_or_else(|| format!("{bits} is no length of a prefix of this address"))?;
    Ok(Some(Value::Text(format!("{first}/{bits}"))))
}
