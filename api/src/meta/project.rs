//! The one project.

use serde_json::{Value, json};

use super::{page, stamp};
use crate::route::Router;
use crate::{Answer, ApiError, Call};

/// Whether `GET /` without the project's name asks for the list of projects: clients send the parameters of a list with it. One
/// that sends none was pointed here by an address, and means the project.
pub(crate) fn asks_for_list(call: &Call) -> bool {
    ["projectName", "offset", "size"].iter().any(|name| call.parameters.get(name).is_some())
}

fn described(router: &Router) -> Result<Value, ApiError> {
    let facts = router.host().facts()?;
    // Clients want all of these, and the times as text.
    Ok(json!({
        "projectName": router.names().project(),
        "description": facts.description,
        "status": "Normal",
        "owner": "",
        "region": facts.region,
        "createTime": stamp(facts.created_us),
        "lastModifyTime": stamp(facts.changed_us),
        "resourceGroupId": "",
        "dataRedundancyType": "LRS",
    }))
}

/// GetProject.
pub(crate) fn project(router: &Router) -> Result<Answer, ApiError> {
    Answer::json(&described(router)?)
}

/// ListProject.
pub(crate) fn projects(router: &Router, call: &Call) -> Result<Answer, ApiError> {
    let project = described(router)?;
    let holds = |name: &str, member: &str| {
        let text = project.get(member).and_then(Value::as_str).unwrap_or_default();
        text.contains(call.parameters.given(name).unwrap_or_default())
    };
    // A group of resources is named as a whole; this project is in none.
    let fits = holds("projectName", "projectName") && holds("description", "description");
    let fits = fits && call.parameters.given("resourceGroupId").is_none();
    let all = if fits { vec![project] } else { Vec::new() };
    let total = all.len();
    let projects = page(call, all)?;
    Answer::json(&json!({"count": projects.len(), "total": total, "projects": projects}))
}
