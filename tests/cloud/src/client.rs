//! A client so small that it hides nothing: signs one request, sends it on a connection of its own, reads the answer. For
//! tests of the doubles and for poking at them; the product's client shares no code with it.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::clock::{basic_date, http_date};
use crate::http::Request;
use crate::keys::Key;
use crate::sign::{Claim4, Scope, encode_percent, hex, md5, oss4, sha256_hex, sls1, sls4};

/// How a call is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signature {
    /// Not at all.
    None,
    /// SLS version 1.
    Sls1,
    /// SLS version 4.
    Sls4,
    /// OSS version 4.
    Oss4,
}

/// One call to make.
#[derive(Clone, Debug)]
pub struct Call {
    /// The method.
    pub method: String,
    /// The Host header.
    pub host: String,
    /// The path, un-encoded.
    pub path: String,
    /// The query, un-encoded.
    pub query: Vec<(String, String)>,
    /// Further headers; names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// How it is signed.
    pub signature: Signature,
    /// The region of a version 4 signature.
    pub region: String,
    /// Milliseconds by which the client's clock is wrong.
    pub skew_ms: i64,
}

impl Call {
    /// A GET with the query given as `a=b&c`, un-encoded.
    #[must_use]
    pub fn get(host: &str, path: &str, query: &str, signature: Signature) -> Self {
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (name.to_owned(), value.to_owned())
        };
        Self {
            method: "GET".to_owned(),
            host: host.to_owned(),
            path: path.to_owned(),
            query: query.split('&').filter(|text| !text.is_empty()).map(pair).collect(),
            headers: Vec::new(),
            body: Vec::new(),
            signature,
            region: "cn-hangzhou".to_owned(),
            skew_ms: 0,
        }
    }

    /// The same with another method and a body.
    #[must_use]
    pub fn with(mut self, method: &str, body: impl Into<Vec<u8>>) -> Self {
        (self.method, self.body) = (method.to_owned(), body.into());
        self
    }

    /// The same with one header more.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn signed(&self, key: &Key) -> Request {
        let now =
            SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64) + self.skew_ms;
        let mut headers = self.headers.clone();
        let mut add = |name: &str, value: String| {
            if !headers.iter().any(|(own, _)| own == name) {
                headers.push((name.to_owned(), value));
            }
        };
        add("host", self.host.clone());
        let (date, token) = (basic_date(now), key.token.clone());
        match self.signature {
            Signature::None => {}
            Signature::Sls1 => {
                add("x-log-signaturemethod", "hmac-sha1".to_owned());
                add("date", http_date(now));
                if !self.body.is_empty() {
                    add("content-md5", hex(&md5(&self.body)).to_uppercase());
                }
            }
            Signature::Sls4 => {
                add("x-log-date", date.clone());
                add("x-log-content-sha256", sha256_hex(&self.body));
            }
            Signature::Oss4 => {
                add("x-oss-date", date.clone());
                add("x-oss-content-sha256", "UNSIGNED-PAYLOAD".to_owned());
            }
        }
        let sls = matches!(self.signature, Signature::Sls1 | Signature::Sls4);
        if sls {
            add("x-log-apiversion", "0.6.0".to_owned());
        }
        if let Some(token) = token {
            add(if sls { "x-acs-security-token" } else { "x-oss-security-token" }, token);
        }
        let path = self.path.clone();
        let mut request = Request {
            method: self.method.clone(),
            raw_path: encode_percent(&path, true),
            path,
            query: self.query.clone(),
            headers,
            body: self.body.clone(),
            close: false,
        };
        if let Some(authorization) = self.authorization(&request, key, &date) {
            request.headers.push(("authorization".to_owned(), authorization));
        }
        request
    }

    fn authorization(&self, request: &Request, key: &Key, date: &str) -> Option<String> {
        let product = if self.signature == Signature::Oss4 { "oss" } else { "sls" };
        let scope = Scope { day: date[..8].to_owned(), region: self.region.clone(), product: product.to_owned() };
        let credential = format!("{}/{}/{}/{product}/aliyun_v4_request", key.id, scope.day, scope.region);
        match self.signature {
            Signature::None => None,
            Signature::Sls1 => Some(format!("LOG {}:{}", key.id, sls1(request, &key.secret).0)),
            Signature::Sls4 => {
                let signature = sls4(request, &request.path, &scope, &key.secret).0;
                Some(format!("SLS4-HMAC-SHA256 Credential={credential},Signature={signature}"))
            }
            Signature::Oss4 => {
                let claim = Claim4 { key: key.id.clone(), scope, additional: Vec::new(), signature: String::new() };
                let bucket = self.host.split('.').next().unwrap_or_default();
                let signature = oss4(request, bucket, &claim, &key.secret).0;
                Some(format!("OSS4-HMAC-SHA256 Credential={credential},Signature={signature}"))
            }
        }
    }

    /// Makes the call.
    ///
    /// # Errors
    /// When the connection cannot be made or breaks before the headers are whole.
    pub fn send(&self, address: SocketAddr, key: &Key) -> io::Result<Answer> {
        let request = self.signed(key);
        let pairs: Vec<String> = request
            .query
            .iter()
            .map(|(name, value)| format!("{}={}", encode_percent(name, false), encode_percent(value, false)))
            .collect();
        let query = if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) };
        let mut text = format!("{} {}{query} HTTP/1.1\r\n", request.method, request.raw_path);
        for (name, value) in &request.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str(&format!("connection: close\r\ncontent-length: {}\r\n\r\n", request.body.len()));
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        stream.write_all(text.as_bytes())?;
        stream.write_all(&request.body)?;
        Answer::read(&mut stream)
    }
}

/// An answer as it came.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers, names as they were sent.
    pub headers: BTreeMap<String, String>,
    /// What came of the body.
    pub body: Vec<u8>,
    /// Whether that is as long as Content-Length says.
    pub whole: bool,
}

/// Most bytes of a body that are read.
const MOST_BODY: u64 = 256 << 20;

impl Answer {
    fn read(stream: &mut TcpStream) -> io::Result<Self> {
        let mut bytes = Vec::new();
        let broken = stream.take(MOST_BODY).read_to_end(&mut bytes);
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut parsed = httparse::Response::new(&mut headers);
        let Ok(httparse::Status::Complete(head)) = parsed.parse(&bytes) else {
            return Err(broken.err().unwrap_or_else(|| io::ErrorKind::InvalidData.into()));
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut answer = Self { status: parsed.code.unwrap_or_default(), ..Self::default() };
        answer.headers = parsed.headers.iter().map(|header| (header.name.to_owned(), text(header.value))).collect();
        answer.body = bytes[head..].to_vec();
        let length = answer.headers.get("Content-Length").and_then(|length| length.parse().ok());
        answer.whole = length.is_none_or(|length: usize| length == answer.body.len());
        Ok(answer)
    }

    /// A header, by its name as sent.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; null when it is none.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The code of an SLS or OSS error.
    #[must_use]
    pub fn code(&self) -> String {
        let text = self.text();
        let xml = text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
        match (self.json()["errorCode"].as_str(), xml) {
            (Some(code), _) => code.to_owned(),
            (None, Some((code, _))) => code.to_owned(),
            _ => String::new(),
        }
    }
}
