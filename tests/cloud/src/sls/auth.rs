//! Lets requests of the SLS double in, or says why not: signature, date, body hash, key, token, right. It must never let
//! one in whose signature it did not recompute.

use super::Inner;
use crate::clock::{http_date, parse_basic_date, parse_http_date};
use crate::fault::Op;
use crate::front::{Front, Judged, Refusal};
use crate::http::Request;
use crate::keys::{Key, Right, Validity};
use crate::sign::{Claim4, equal, hex, md5, sha256_hex, sls1, sls4};

fn unauthorized(message: impl Into<String>) -> Refusal {
    Refusal::new(401, "Unauthorized", message)
}

fn check_date(date: Option<i64>, spelled: &str, judged: &Judged) -> Result<(), Refusal> {
    let Some(date) = date else {
        return Err(Refusal::new(400, "InvalidDateFormat", format!("Date {spelled} must follow RFC822.")));
    };
    if Front::skewed(date, judged) {
        let now = http_date(judged.now_ms);
        let message = format!("Request time {spelled} has been expired while server time is {now}.");
        return Err(Refusal::new(400, "RequestTimeExpired", message));
    }
    Ok(())
}

impl Inner {
    /// The key that a request was signed with; `region` is the project's, where there is such a project.
    pub(super) fn authenticate(
        &self,
        request: &Request,
        region: Option<&str>,
        judged: &Judged,
    ) -> Result<Key, Refusal> {
        match request.header("x-log-apiversion") {
            Some("0.6.0") => {}
            None => {
                return Err(Refusal::new(400, "MissingAPIVersion", "x-log-apiversion does not exist in http header."));
            }
            Some(other) => {
                let message = format!("x-log-apiversion {other} is unsupported.");
                return Err(Refusal::new(400, "InvalidAPIVersion", message));
            }
        }
        let Some(authorization) = request.header("authorization") else {
            return Err(Refusal::new(
                400,
                "ParameterInvalid",
                "Http extend authorization : authorization pair is invalid.",
            ));
        };
        if let Some(rest) = authorization.strip_prefix("LOG ") {
            let Some((id, signature)) = rest.split_once(':') else {
                return Err(Refusal::new(
                    400,
                    "ParameterInvalid",
                    "Http extend authorization : authorization pair is invalid.",
                ));
            };
            return self.version_1(request, id, signature, judged);
        }
        match Claim4::read(authorization, "SLS4-HMAC-SHA256") {
            Some(claim) => self.version_4(request, &claim, region, judged),
            None => {
                Err(Refusal::new(400, "ParameterInvalid", "Http extend authorization : authorization pair is invalid."))
            }
        }
    }

    fn version_1(&self, request: &Request, id: &str, signature: &str, judged: &Judged) -> Result<Key, Refusal> {
        match request.header("x-log-signaturemethod") {
            Some("hmac-sha1") => {}
            None => {
                let message = "x-log-signaturemethod does not exist in http header.";
                return Err(Refusal::new(400, "MissingSignatureMethod", message));
            }
            Some(other) => {
                let message = format!("signature method {other} is unsupported.");
                return Err(Refusal::new(400, "InvalidSignatureMethod", message));
            }
        }
        let Some(date) = request.header("x-log-date").or(request.header("date")) else {
            return Err(Refusal::new(400, "MissingDate", "Date does not exist in http header."));
        };
        check_date(parse_http_date(date), date, judged)?;
        let sent = request.header("content-md5").unwrap_or_default();
        let right = if request.body.is_empty() { String::new() } else { hex(&md5(&request.body)).to_uppercase() };
        if !request.body.is_empty() && sent != right {
            let message = format!("Content-MD5 {sent} does not match the body, whose MD5 is {right}.");
            return Err(Refusal::new(400, "ParameterInvalid", message));
        }
        let key = self.known(id)?;
        let (expected, text) = sls1(request, &key.secret);
        self.admit(key, request, equal(&expected, signature), &text)
    }

    fn version_4(
        &self,
        request: &Request,
        claim: &Claim4,
        region: Option<&str>,
        judged: &Judged,
    ) -> Result<Key, Refusal> {
        let Some(date) = request.header("x-log-date") else {
            return Err(Refusal::new(400, "MissingDate", "x-log-date does not exist in http header."));
        };
        check_date(parse_basic_date(date), date, judged)?;
        let body = sha256_hex(&request.body);
        if request.header("x-log-content-sha256") != Some(body.as_str()) {
            let message = "x-log-content-sha256 does not match the body.";
            return Err(Refusal::new(400, "ParameterInvalid", message));
        }
        let key = self.known(&claim.key)?;
        let scope_fits = date.starts_with(&claim.scope.day)
            && region.is_none_or(|region| region == claim.scope.region)
            && claim.scope.product == "sls"
            && claim.additional.is_empty();
        // Whether the path is signed encoded is not documented: either is let in.
        let candidates = [request.path.as_str(), request.raw_path.as_str()];
        let matched =
            candidates.iter().any(|path| equal(&sls4(request, path, &claim.scope, &key.secret).0, &claim.signature));
        let (_, text) = sls4(request, &request.path, &claim.scope, &key.secret);
        self.admit(key, request, scope_fits && matched, &text)
    }

    fn known(&self, id: &str) -> Result<Key, Refusal> {
        match self.front.keys.find(id) {
            None => Err(Refusal::new(
                401,
                "InvalidAccessKeyId",
                format!("The access key id you provided is invalid: {id}."),
            )),
            Some(key) if key.validity == Validity::Revoked => Err(unauthorized(format!("AccessKeyId not found: {id}"))),
            Some(key) if key.validity == Validity::Disabled => {
                Err(unauthorized(format!("AccessKeyId is disabled: {id}")))
            }
            Some(key) => Ok(key),
        }
    }

    fn admit(&self, key: Key, request: &Request, matched: bool, text: &str) -> Result<Key, Refusal> {
        if !matched {
            let message = format!("The signature does not match; the server signed {text:?}.");
            return Err(Refusal::new(401, "SignatureNotMatch", message));
        }
        if key.token.as_deref() != request.header("x-acs-security-token") {
            return Err(unauthorized("The security token you provided is invalid."));
        }
        if key.validity == Validity::Expired {
            return Err(unauthorized("The security token you provided has expired."));
        }
        self.count_version(request);
        Ok(key)
    }
}

/// The right that an operation needs, and RAM's name of the action.
fn needed(op: Op) -> (Right, &'static str) {
    match op {
        Op::GetProject => (Right::Read, "log:GetProject"),
        Op::ListLogStores => (Right::Read, "log:ListLogStores"),
        Op::GetLogStore => (Right::Read, "log:GetLogStore"),
        Op::GetIndex => (Right::Read, "log:GetIndex"),
        Op::ListShards => (Right::Read, "log:ListShards"),
        Op::GetCursor | Op::GetCursorTime | Op::PullLogs => (Right::Read, "log:GetCursorOrData"),
        Op::GetHistograms => (Right::Read, "log:GetLogStoreHistogram"),
        Op::CreateConsumerGroup => (Right::Consume, "log:CreateConsumerGroup"),
        Op::ListConsumerGroup => (Right::Consume, "log:ListConsumerGroup"),
        Op::UpdateConsumerGroup => (Right::Consume, "log:UpdateConsumerGroup"),
        Op::HeartBeat => (Right::Consume, "log:ConsumerGroupHeartBeat"),
        Op::UpdateCheckPoint => (Right::Consume, "log:ConsumerGroupUpdateCheckPoint"),
        Op::GetCheckPoint => (Right::Consume, "log:GetConsumerGroupCheckPoint"),
        Op::PutLogs => (Right::Write, "log:PostLogStoreLogs"),
        Op::CreateLogStore => (Right::Write, "log:CreateLogStore"),
        Op::SplitShard => (Right::Write, "log:SplitShard"),
        Op::MergeShards => (Right::Write, "log:MergeShards"),
        Op::DeleteConsumerGroup => (Right::Delete, "log:DeleteConsumerGroup"),
        _ => (Right::Delete, "log:DeleteLogStore"),
    }
}

/// Refuses what the key's policy does not allow.
pub(super) fn authorise(key: &Key, op: Op, region: &str, project: &str, logstore: &str) -> Result<(), Refusal> {
    let (right, action) = needed(op);
    if key.rights.contains(&right) {
        return Ok(());
    }
    let resource = match logstore {
        "" => format!("acs:log:{region}:1000000000000001:project/{project}"),
        logstore => format!("acs:log:{region}:1000000000000001:project/{project}/logstore/{logstore}"),
    };
    Err(unauthorized(format!("denied by sts or ram, action: {action}, resource: {resource}")))
}
