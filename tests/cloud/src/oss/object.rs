//! Objects over the wire: whole, in ranges, on conditions. A range that cannot be served gives the whole object, unless the
//! client asks for the standard behaviour: that is how OSS does it.

use std::ops::Range;

use super::Inner;
use super::bucket::Object;
use crate::clock::{http_date, iso_date};
use crate::front::Refusal;
use crate::http::{Reply, Request};

/// What a Range header asks of an object of some length.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Whole,
    Part(Range<usize>),
    Impossible,
}

fn asked(header: Option<&str>, length: usize) -> Asked {
    let Some(header) = header else { return Asked::Whole };
    let Some((first, last)) = header.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Asked::Impossible;
    };
    match (first.parse::<usize>(), last.parse::<usize>()) {
        (Ok(first), Ok(last)) if first <= last && first < length => Asked::Part(first..length.min(last + 1)),
        (Ok(first), Err(_)) if last.is_empty() && first < length => Asked::Part(first..length),
        (Err(_), Ok(tail)) if first.is_empty() && tail > 0 && length > 0 => {
            Asked::Part(length.saturating_sub(tail)..length)
        }
        _ => Asked::Impossible,
    }
}

/// The key in a path.
fn key(request: &Request) -> &str {
    request.path.strip_prefix('/').unwrap_or(&request.path)
}

fn no_key() -> Refusal {
    Refusal::new(404, "NoSuchKey", "The specified key does not exist.")
}

impl Inner {
    pub(super) fn get_object(&self, request: &Request, bucket: &str) -> Result<Reply, Refusal> {
        self.with_bucket(bucket, |bucket| {
            let object = bucket.objects.get(key(request)).ok_or_else(no_key)?;
            if let Some(reply) = conditions(request, object)? {
                return Ok(reply);
            }
            let length = object.bytes.len();
            let standard = request.header("x-oss-range-behavior") == Some("standard");
            let reply = described(Reply::new(200), object).with_shared(std::sync::Arc::clone(&object.bytes));
            match asked(request.header("range"), length) {
                Asked::Part(range) => {
                    let content = format!("bytes {}-{}/{length}", range.start, range.end - 1);
                    let mut reply = reply.with_header("Content-Range", content);
                    (reply.status, reply.range) = (206, range);
                    Ok(reply)
                }
                Asked::Impossible if standard => {
                    Err(Refusal::new(416, "InvalidRange", "The requested range cannot be satisfied."))
                }
                Asked::Whole | Asked::Impossible => Ok(reply),
            }
        })
    }

    pub(super) fn put_object(&self, request: &Request, bucket: &str) -> Result<Reply, Refusal> {
        let key = key(request).to_owned();
        if key.len() > 1023 {
            return Err(Refusal::new(400, "InvalidObjectName", "The specified object is not valid."));
        }
        let forbidden = match request.header("x-oss-forbid-overwrite") {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => return Err(Refusal::new(400, "InvalidArgument", "x-oss-forbid-overwrite is true or false.")),
        };
        let object = Object::new(request.body.clone(), self.front.clock.now_ms(), Vec::new());
        // Rights were looked at before: the body comes last.
        if request.header("content-md5").is_some_and(|sent| sent != object.md5) {
            let message = "The Content-MD5 you specified did not match what we received.";
            return Err(Refusal::new(400, "InvalidDigest", message));
        }
        let reply = Reply::new(200)
            .with_header("ETag", object.etag.clone())
            .with_header("Content-MD5", object.md5.clone())
            .with_header("x-oss-hash-crc64ecma", object.crc64.to_string());
        self.with_bucket(bucket, |bucket| {
            if bucket.objects.contains_key(&key) {
                if forbidden {
                    let message = "The object you specified already exists and can not be overwritten.";
                    return Err(Refusal::new(409, "FileAlreadyExists", message));
                }
                bucket.refuse_if_locked()?;
                bucket.overwritten += 1;
            }
            bucket.uploads.push(key.clone());
            bucket.objects.insert(key, object);
            Ok(reply)
        })
    }

    /// DeleteObject: 204, whether there was such a key or not.
    pub(super) fn delete_object(&self, request: &Request, bucket: &str) -> Result<Reply, Refusal> {
        self.with_bucket(bucket, |bucket| {
            if bucket.objects.contains_key(key(request)) {
                bucket.refuse_if_locked()?;
            }
            bucket.objects.remove(key(request));
            Ok(Reply::new(204))
        })
    }

    pub(super) fn bucket_info(&self, name: &str) -> Result<Reply, Refusal> {
        self.with_bucket(name, |bucket| {
            let [public, internal, ..] = bucket.endpoints();
            Ok(super::xml(format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<BucketInfo>\n  <Bucket>\n    <CreationDate>{}</CreationDate>\n    \
                 <ExtranetEndpoint>{public}</ExtranetEndpoint>\n    <IntranetEndpoint>{internal}</IntranetEndpoint>\n    \
                 <Location>oss-{}</Location>\n    <Name>{name}</Name>\n    <StorageClass>Standard</StorageClass>\n    \
                 <DataRedundancyType>LRS</DataRedundancyType>\n    <AccessMonitor>Disabled</AccessMonitor>\n    \
                 <Owner>\n      <DisplayName>1000000000000001</DisplayName>\n      <ID>1000000000000001</ID>\n    </Owner>\n    \
                 <AccessControlList>\n      <Grant>private</Grant>\n    </AccessControlList>\n  </Bucket>\n</BucketInfo>\n",
                iso_date(bucket.created_ms),
                bucket.region
            )))
        })
    }

    pub(super) fn bucket_location(&self, name: &str) -> Result<Reply, Refusal> {
        self.with_bucket(name, |bucket| {
            Ok(super::xml(format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<LocationConstraint>oss-{}</LocationConstraint>\n",
                bucket.region
            )))
        })
    }
}

fn described(reply: Reply, object: &Object) -> Reply {
    reply
        .with_header("Content-Type", "application/octet-stream")
        .with_header("Accept-Ranges", "bytes")
        .with_header("ETag", object.etag.clone())
        .with_header("Last-Modified", http_date(object.modified_ms))
        .with_header("Content-MD5", object.md5.clone())
        .with_header("x-oss-object-type", "Normal")
        .with_header("x-oss-storage-class", "Standard")
        .with_header("x-oss-hash-crc64ecma", object.crc64.to_string())
}

/// If-Match and If-None-Match: an answer that takes the object's place, an error, or nothing.
fn conditions(request: &Request, object: &Object) -> Result<Option<Reply>, Refusal> {
    let matches = |list: &str| {
        list.split(',').any(|tag| tag.trim() == "*" || tag.trim().trim_matches('"') == object.etag.trim_matches('"'))
    };
    if request.header("if-match").is_some_and(|list| !matches(list)) {
        let message = "At least one of the pre-conditions you specified did not hold.";
        return Err(Refusal::new(412, "PreconditionFailed", message));
    }
    if request.header("if-none-match").is_some_and(matches) {
        return Ok(Some(Reply::new(304).with_header("ETag", object.etag.clone())));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_oss_reads_them() {
        let part = |range| Asked::Part(range);
        for (header, expected) in [
            ("bytes=0-0", part(0..1)),
            ("bytes=2-", part(2..10)),
            ("bytes=-3", part(7..10)),
            ("bytes=-30", part(0..10)),
            ("bytes=5-100", part(5..10)),
            ("bytes=10-", Asked::Impossible),
            ("bytes=5-4", Asked::Impossible),
            ("bytes=-0", Asked::Impossible),
            ("bytes=0-1,4-5", Asked::Impossible),
            ("lines=0-1", Asked::Impossible),
        ] {
            assert_eq!(asked(Some(header), 10), expected, "{header}");
        }
        assert_eq!(asked(None, 10), Asked::Whole);
        assert_eq!(asked(Some("bytes=0-"), 0), Asked::Impossible);
    }
}
