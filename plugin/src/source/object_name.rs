//! The promises in an ActionTrail object's name: how many events, how many bytes, which MD5.
//!
//! `Actiontrail_<region>_<YYYYMMDDHHMMSS>_1002_<event count>_<file size>_<md5>.gz`, as the vendor's page on storage
//! paths gives it. Whether size and MD5 are those of the file or of its content is not stated, so both are tried.
//! A name of another form promises nothing and must never be an error.

/// What a name promises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promise {
    /// Events.
    pub count: u64,
    /// Bytes.
    pub size: u64,
    /// MD5, 32 hex digits.
    pub md5: [u8; 16],
}

/// Reads the promises of a path's last part.
pub fn parse(path: &str) -> Option<Promise> {
    let name = path.rsplit(['/', '\\']).next()?;
    let stem = name.strip_prefix("Actiontrail_")?;
    let stem = stem.strip_suffix(".gz").unwrap_or(stem);
    let mut parts = stem.rsplit('_');
    let md5 = hex16(parts.next()?)?;
    let size = parts.next()?.parse().ok()?;
    let count = parts.next()?.parse().ok()?;
    let _format = parts.next()?;
    let time = parts.next()?;
    let _region = parts.next()?;
    let is_time = time.len() == 14 && time.bytes().all(|b| b.is_ascii_digit());
    is_time.then_some(Promise { count, size, md5 })
}

fn hex16(text: &str) -> Option<[u8; 16]> {
    if text.len() != 32 {
        return None;
    }
    let mut out = [0; 16];
    for (byte, pair) in out.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_names_of_the_form_and_no_others() {
        let name = "p/AliyunLogs/Actiontrail/cn-hangzhou/2026/11/23/Actiontrail_cn-hangzhou_20261123081500_1002_4_1146_000102030405060708090a0b0c0d0e0F.gz";
        let promise = parse(name);
        assert_eq!(
            promise,
            Some(Promise { count: 4, size: 1146, md5: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15] })
        );
        assert_eq!(parse("1000000000000001_actiontrail_cn-hangzhou_20261123.json.gz"), None);
        assert_eq!(parse("Actiontrail_cn-hangzhou_2026_1002_4_1146_00.gz"), None);
        assert_eq!(parse(""), None);
    }
}
