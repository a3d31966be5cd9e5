//! ListObjectsV2: by prefix, after a key, in pages, folded at a delimiter. Pages must never overlap nor leave a key out
//! that was there all the time.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::bucket::Bucket;
use super::{Inner, escape};
use crate::clock::iso_date;
use crate::front::Refusal;
use crate::http::{Reply, Request};
use crate::sign::encode_percent;

/// Where a listing goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
enum From {
    Start,
    /// After this key.
    After(String),
    /// After every key that begins so.
    AfterPrefix(String),
}

impl From {
    /// Its spelling for the client, to whom it means nothing.
    fn token(&self) -> String {
        let text = match self {
            Self::Start => String::new(),
            Self::After(key) => format!("k:{key}"),
            Self::AfterPrefix(prefix) => format!("p:{prefix}"),
        };
        STANDARD.encode(text)
    }

    fn read(token: &str) -> Option<Self> {
        let text = String::from_utf8(STANDARD.decode(token).ok()?).ok()?;
        match text.split_at_checked(2)? {
            ("k:", key) => Some(Self::After(key.to_owned())),
            ("p:", prefix) => Some(Self::AfterPrefix(prefix.to_owned())),
            _ => None,
        }
    }
}

/// What a request asks for.
struct Query {
    prefix: String,
    delimiter: String,
    start_after: String,
    token: Option<String>,
    from: From,
    max_keys: usize,
    url: bool,
}

impl Query {
    fn read(request: &Request) -> Result<Self, Refusal> {
        let text = |name| request.parameter(name).unwrap_or_default().to_owned();
        let invalid = |what: &str| Refusal::new(400, "InvalidArgument", format!("Argument {what} is invalid."));
        let max_keys = match request.parameter("max-keys") {
            None | Some("") => 100,
            Some(number) => {
                number.parse().ok().filter(|n| (1..=1000).contains(n)).ok_or_else(|| invalid("max-keys"))?
            }
        };
        let url = match request.parameter("encoding-type") {
            None | Some("") => false,
            Some("url") => true,
            Some(_) => return Err(invalid("encoding-type")),
        };
        let token = request.parameter("continuation-token").filter(|token| !token.is_empty());
        let start_after = text("start-after");
        let from = match token {
            Some(token) => From::read(token).ok_or_else(|| invalid("continuation-token"))?,
            None if start_after.is_empty() => From::Start,
            None => From::After(start_after.clone()),
        };
        let token = token.map(str::to_owned);
        Ok(Self { prefix: text("prefix"), delimiter: text("delimiter"), start_after, token, from, max_keys, url })
    }

    fn write(&self, text: &str) -> String {
        if self.url { encode_percent(text, false) } else { escape(text) }
    }
}

/// One page.
#[derive(Debug, Default, PartialEq, Eq)]
struct Page {
    keys: Vec<String>,
    prefixes: Vec<String>,
    next: Option<String>,
}

fn page(bucket: &Bucket, query: &Query) -> Page {
    let mut page = Page::default();
    let mut last = query.from.clone();
    let begin = match &query.from {
        From::After(key) | From::AfterPrefix(key) => key.max(&query.prefix).clone(),
        From::Start => query.prefix.clone(),
    };
    for key in bucket.objects.range(begin..).map(|(key, _)| key) {
        if !key.starts_with(&query.prefix) {
            if *key > query.prefix {
                break;
            }
            continue;
        }
        let passed = match &last {
            From::Start => false,
            From::After(after) => key <= after,
            From::AfterPrefix(prefix) => key.starts_with(prefix),
        };
        if passed {
            continue;
        }
        if page.keys.len() + page.prefixes.len() == query.max_keys {
            page.next = Some(last.token());
            break;
        }
        let rest = &key[query.prefix.len()..];
        let fold = (!query.delimiter.is_empty()).then(|| rest.find(&query.delimiter)).flatten();
        last = match fold {
            Some(at) => {
                let prefix = key[..query.prefix.len() + at + query.delimiter.len()].to_owned();
                // A folder that begins at or before `start-after` is not told of, although keys in it follow. Not
                // documented for OSS; moto does so, and it is the harsher of the two readings.
                if matches!(&query.from, From::After(after) if prefix <= *after) {
                    continue;
                }
                page.prefixes.push(prefix.clone());
                From::AfterPrefix(prefix)
            }
            None => {
                page.keys.push(key.clone());
                From::After(key.clone())
            }
        };
    }
    page
}

/// The key after which a listing was asked to go on.
pub(super) fn position(request: &Request) -> Option<String> {
    match Query::read(request).ok()?.from {
        From::Start => None,
        From::After(key) | From::AfterPrefix(key) => Some(key),
    }
}

impl Inner {
    pub(super) fn list(&self, request: &Request, name: &str) -> Result<Reply, Refusal> {
        let query = Query::read(request)?;
        self.with_bucket(name, |bucket| {
            let page = page(bucket, &query);
            Ok(super::xml(render(name, bucket, &query, &page)))
        })
    }
}

fn render(name: &str, bucket: &Bucket, query: &Query, page: &Page) -> String {
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult>\n  <Name>{name}</Name>\n  <Prefix>{}</Prefix>\n",
        query.write(&query.prefix)
    );
    let mut optional = |element: &str, text: &str| {
        if !text.is_empty() {
            out.push_str(&format!("  <{element}>{}</{element}>\n", query.write(text)));
        }
    };
    optional("StartAfter", &query.start_after);
    optional("Delimiter", &query.delimiter);
    optional("ContinuationToken", query.token.as_deref().unwrap_or_default());
    optional("NextContinuationToken", page.next.as_deref().unwrap_or_default());
    out.push_str(&format!("  <MaxKeys>{}</MaxKeys>\n", query.max_keys));
    if query.url {
        out.push_str("  <EncodingType>url</EncodingType>\n");
    }
    out.push_str(&format!("  <IsTruncated>{}</IsTruncated>\n", page.next.is_some()));
    out.push_str(&format!("  <KeyCount>{}</KeyCount>\n", page.keys.len() + page.prefixes.len()));
    for key in &page.keys {
        let Some(object) = bucket.objects.get(key) else { continue };
        out.push_str(&format!(
            "  <Contents>\n    <Key>{}</Key>\n    <LastModified>{}</LastModified>\n    <ETag>{}</ETag>\n    \
             <Type>Normal</Type>\n    <Size>{}</Size>\n    <StorageClass>Standard</StorageClass>\n  </Contents>\n",
            query.write(key),
            iso_date(object.modified_ms),
            escape(&object.etag),
            object.bytes.len()
        ));
    }
    for prefix in &page.prefixes {
        out.push_str(&format!(
            "  <CommonPrefixes>\n    <Prefix>{}</Prefix>\n  </CommonPrefixes>\n",
            query.write(prefix)
        ));
    }
    out.push_str("</ListBucketResult>\n");
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::oss::bucket::Object;

    fn bucket(keys: &[&str]) -> Bucket {
        let mut bucket = Bucket::new("cn-hangzhou", 0);
        for key in keys {
            bucket.objects.insert((*key).to_owned(), Object::new(Vec::new(), 0, Vec::new()));
        }
        bucket
    }

    fn request(pairs: &[(&str, &str)]) -> Request {
        let query = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Request { query, ..Request::default() }
    }

    fn all_pages(bucket: &Bucket, pairs: &[(&str, &str)]) -> (Vec<String>, Vec<String>, usize) {
        let (mut keys, mut prefixes, mut pages, mut token) = (Vec::new(), Vec::new(), 0, None::<String>);
        loop {
            let mut pairs = pairs.to_vec();
            pairs.extend(token.as_deref().map(|token| ("continuation-token", token)));
            let mut page = page(bucket, &Query::read(&request(&pairs)).unwrap());
            keys.append(&mut page.keys);
            prefixes.append(&mut page.prefixes);
            pages += 1;
            match page.next {
                Some(next) => token = Some(next),
                None => return (keys, prefixes, pages),
            }
        }
    }

    #[test]
    fn pages_of_any_size_give_every_key_once_and_every_folder_once() {
        let keys = ["a", "a/1", "a/2", "a/b/1", "b/1", "b/2", "c", "c/1", "d"];
        let bucket = bucket(&keys);
        for size in 1..=10 {
            let size = size.to_string();
            let (flat, none, _) = all_pages(&bucket, &[("max-keys", &size)]);
            assert_eq!((flat.as_slice(), none.len()), (&keys.map(str::to_owned)[..], 0));
            let (top, folders, _) = all_pages(&bucket, &[("max-keys", &size), ("delimiter", "/")]);
            assert_eq!((top.join(" "), folders.join(" ")), ("a c d".to_owned(), "a/ b/ c/".to_owned()), "{size}");
            let (in_a, below, _) = all_pages(&bucket, &[("max-keys", &size), ("delimiter", "/"), ("prefix", "a/")]);
            assert_eq!((in_a.join(" "), below.join(" ")), ("a/1 a/2".to_owned(), "a/b/".to_owned()));
        }
        assert_eq!(all_pages(&bucket, &[("start-after", "b/1")]).0.join(" "), "b/2 c c/1 d");
        assert_eq!(all_pages(&bucket, &[("start-after", "b/1"), ("delimiter", "/")]).1.join(" "), "c/");
        assert_eq!(all_pages(&bucket, &[("start-after", "b"), ("prefix", "a")]).0.join(" "), "");
        assert_eq!(all_pages(&bucket, &[("max-keys", "3")]).2, 3, "no empty page at the end");
    }

    #[test]
    fn tokens_and_numbers_that_are_made_up_are_refused() {
        for pairs in [
            [("continuation-token", "nonsense")],
            [("continuation-token", "aGVsbG8=")],
            [("max-keys", "0")],
            [("max-keys", "1001")],
            [("max-keys", "-1")],
            [("encoding-type", "base64")],
        ] {
            assert_eq!(Query::read(&request(&pairs)).err().map(|refusal| refusal.code), Some("InvalidArgument"));
        }
    }
}
