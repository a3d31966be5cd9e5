//! What a key without the role is told: the action and the resource, in the form in which RAM names them, so that people know which
//! key is missing. It must never hold the word that clients take for "try again", nor a text that a client sent.

use hyper::Method;
use innertrail_logstore::Store;

use crate::{ApiError, Call, Names};

/// Of a call of consumer groups; `rest` is what stands behind `consumergroups`.
pub(crate) fn of_group(names: &Names, region: &str, call: &Call, store: Store, rest: &[String]) -> ApiError {
    let kind = call.parameters.given("type");
    let action = match (&call.method, kind) {
        (&Method::PUT, _) => "UpdateConsumerGroup",
        (&Method::DELETE, _) => "DeleteConsumerGroup",
        (_, Some("heartbeat")) => "ConsumerGroupHeartBeat",
        (_, Some("checkpoint")) => "ConsumerGroupUpdateCheckPoint",
        _ => "CreateConsumerGroup",
    };
    let group = if rest.is_empty() { "" } else { "/consumergroup/*" };
    let region = if region.is_empty() { "*" } else { region };
    ApiError::denied(format!(
        "denied, action: log:{action}, resource: acs:log:{region}:*:project/{}/logstore/{}{group}; the role of the key is reader: use one \
         of `innertrail keys add --role consumer`",
        names.project(),
        names.logstore(store)
    ))
}
