//! What only an OSS server can do wrong: listings in hostile XML. It must never lose a key by it: a client that asks again
//! gets the truth.

use std::time::Duration;

use super::Inner;
use crate::fault::{Fault, Op, Phase, XmlTrick};
use crate::http::{Delivery, Reply, Request};

impl Inner {
    /// Does to a good answer what is due.
    pub(super) fn spoil(&self, request: &Request, op: Op, reply: &mut Reply) {
        if op == Op::ListObjects {
            let able = |fault: &Fault| matches!(fault, Fault::Xml { .. });
            if let Some(Fault::Xml { trick }) = self.front.faults.take(op, Phase::After, able) {
                let body = hostile(trick, &String::from_utf8_lossy(reply.bytes()), request);
                *reply = reply.clone().with_body(body);
                return;
            }
        }
        if matches!(op, Op::PutObject | Op::HeadObject) {
            return self.spoil_object(op, reply);
        }
        self.front.after(op, reply, if op == Op::GetObject { 0 } else { b' ' });
    }

    /// The same to an answer that is all headers.
    fn spoil_object(&self, op: Op, reply: &mut Reply) {
        let able = |fault: &Fault| matches!(fault, Fault::LoseAnswer | Fault::WrongTag | Fault::Late { .. });
        match self.front.faults.take(op, Phase::After, able) {
            Some(Fault::LoseAnswer) => reply.delivery = Delivery::Reset,
            Some(Fault::Late { ms }) => std::thread::sleep(Duration::from_millis(ms)),
            Some(Fault::WrongTag) => {
                reply.set_header("ETag", format!("\"{}\"", "0".repeat(32)));
                reply.set_header("x-oss-hash-crc64ecma", "1");
            }
            _ => {}
        }
    }
}

const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

/// A listing with one object of this key, already escaped.
fn with_key(key: &str) -> String {
    format!(
        "<ListBucketResult><Name>b</Name><IsTruncated>false</IsTruncated><KeyCount>1</KeyCount><Contents><Key>{key}</Key>\
         <LastModified>2026-06-01T00:00:00.000Z</LastModified><ETag>\"0\"</ETag><Type>Normal</Type><Size>1</Size>\
         <StorageClass>Standard</StorageClass></Contents></ListBucketResult>\n"
    )
}

fn hostile(trick: XmlTrick, truth: &str, request: &Request) -> String {
    match trick {
        XmlTrick::Entities => {
            let mut entities = "<!ENTITY e0 \"ha\">".to_owned();
            for n in 1..=30 {
                entities.push_str(&format!("<!ENTITY e{n} \"&e{0};&e{0};\">", n - 1));
            }
            format!("{DECLARATION}<!DOCTYPE x [{entities}]>{}", with_key("&e30;"))
        }
        XmlTrick::External => {
            let entity = "<!ENTITY file SYSTEM \"file:///etc/passwd\">";
            format!("{DECLARATION}<!DOCTYPE x [{entity}]>{}", with_key("&file;"))
        }
        XmlTrick::Doctype => truth.replacen("<ListBucketResult>", "<!DOCTYPE ListBucketResult><ListBucketResult>", 1),
        XmlTrick::Deep => {
            let (open, close) = ("<Contents>".repeat(100_000), "</Contents>".repeat(100_000));
            format!("{DECLARATION}<ListBucketResult>{open}{close}</ListBucketResult>")
        }
        XmlTrick::LongKey => format!("{DECLARATION}{}", with_key(&"k".repeat(16 << 20))),
        XmlTrick::NoToken => {
            format!(
                "{DECLARATION}<ListBucketResult><IsTruncated>true</IsTruncated><KeyCount>0</KeyCount></ListBucketResult>"
            )
        }
        XmlTrick::TokenLoop => {
            // The token it was asked with, or one of its very beginning: either way the listing makes no progress.
            let token = request.parameter("continuation-token").unwrap_or("azo=");
            format!(
                "{DECLARATION}<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>{}</NextContinuationToken>\
                 <KeyCount>0</KeyCount></ListBucketResult>",
                super::escape(token)
            )
        }
        XmlTrick::HostileKeys => {
            let keys = [
                "../../../etc/passwd",
                "/absolute",
                "a\u{202e}b",
                "line&#10;end",
                "escape&#27;[2J",
                "",
                "&lt;script&gt;",
            ];
            let listing: String = keys.iter().map(|key| with_key(key)).collect();
            let inner = listing
                .replace("</ListBucketResult>\n", "")
                .replace("<ListBucketResult><Name>b</Name><IsTruncated>false</IsTruncated><KeyCount>1</KeyCount>", "");
            format!(
                "{DECLARATION}<ListBucketResult><Name>b</Name><IsTruncated>false</IsTruncated>{inner}</ListBucketResult>"
            )
        }
    }
}
