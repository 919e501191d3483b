//! Another clinic's things do not exist.

use super::{Call, Operation, Stage};
use futures_util::future::join_all;
use serde_json::Value;
use uuid::Uuid;

/// Every id of `clinic-1`, in every place of every operation, asked for by an admin of another clinic: the answer is
/// the one for an id that nobody has.
///
/// # Panics
/// Where the answers differ.
pub async fn ids(stage: &Stage) {
    for operation in stage.operations().iter().filter(|operation| operation.role.is_some()) {
        let nobodys = nobody();
        for (place, unknown) in calls(operation, nobodys).into_iter().enumerate() {
            let expected = answer(stage, operation, &unknown, nobodys).await;
            let asking = stage.things.iter().map(|id| {
                let call = calls(operation, *id).swap_remove(place);
                async move { (*id, answer(stage, operation, &call, *id).await) }
            });
            for (id, found) in join_all(asking).await {
                assert_eq!(found, expected, "{} about {id}, {unknown:?}", operation.name());
            }
        }
    }
}

/// An id that nobody has.
fn nobody() -> Uuid {
    shared_runtime::Clock::System.new_id()
}

/// The id in every place it may stand in: path and body, each parameter, and what names versions.
fn calls(operation: &Operation, id: Uuid) -> Vec<Call> {
    let mut calls = Vec::new();
    let plain = operation.about(id);
    if operation.if_match {
        let versioned = |version: &str| vec![("if-match", format!("\"{version}\""))];
        calls.extend(["1", "2", "7"].map(|version| Call { headers: versioned(version), ..plain.clone() }));
    }
    for name in &operation.ids_in_query {
        let sign = if plain.target.contains('?') { '&' } else { '?' };
        calls.push(Call { target: format!("{}{sign}{name}={id}", plain.target), ..plain.clone() });
    }
    let has_id = |text: &str| text.contains(&id.to_string());
    if operation.names_something() || plain.body.as_ref().is_some_and(|(_, text)| has_id(text)) {
        calls.push(plain);
    }
    calls
}

/// Status and body, without what is new in every answer and with the id that was asked for taken out.
async fn answer(stage: &Stage, operation: &Operation, call: &Call, id: Uuid) -> (u16, String) {
    let mut reply = stage.ask(&operation.method, call, Some(&stage.stranger)).await;
    strip(&mut reply.body);
    (reply.status, reply.body.to_string().replace(&id.to_string(), "ID"))
}

fn strip(body: &mut Value) {
    let Some(members) = body.as_object_mut() else { return };
    for new in ["request_id", "created_at", "updated_at"] {
        members.remove(new);
    }
    // What was made just now has an id of its own.
    if members.get("code").is_none() {
        members.remove("id");
    }
}

/// A key that `clinic-1` gave a request is free in another clinic, even for somebody of the same name: the answer that
/// is kept under it is not theirs.
///
/// # Panics
/// Where a stranger meets a key of ours.
pub async fn keys(stage: &Stage) {
    for operation in stage.operations().iter().filter(|operation| operation.repeatable) {
        for id in &stage.things {
            let mut call = operation.about(*id);
            call.headers.push(("idempotency-key", nobody().to_string()));
            let ours = stage.ask(&operation.method, &call, Some(stage.admin())).await;
            let theirs = stage.ask(&operation.method, &call, Some(&stage.stranger)).await;
            let made = ours.body["id"].as_str().filter(|_| ours.status < 300);
            let shown = made.is_some_and(|made| theirs.body.to_string().contains(made));
            let met = theirs.code == "idempotency_key_reused";
            assert!(!met && !shown, "{} about {id}: {} {}", operation.name(), theirs.status, theirs.body);
        }
    }
}

/// A cursor of `clinic-1` leads a stranger nowhere: it is refused as one that is made up is.
///
/// # Panics
/// Where it is not, or no list has a second page.
pub async fn cursors(stage: &Stage) {
    let mut tried = 0;
    for operation in stage.operations().iter().filter(|operation| operation.pages) {
        for id in &stage.things {
            let mut call = operation.about(*id);
            call.target += "?limit=1";
            let page = stage.ask(&operation.method, &call, Some(stage.admin())).await;
            let Some(cursor) = page.body["next_cursor"].as_str() else { continue };
            for (cursor, token) in [(cursor, &stage.stranger), ("bWFkZSB1cA", &stage.stranger)] {
                let target = format!("{}&cursor={cursor}", call.target);
                let reply = stage.ask(&operation.method, &Call { target, ..call.clone() }, Some(token)).await;
                let refused = (reply.status, reply.code.as_str());
                let unknown = operation.names_something() && refused == (404, "not_found");
                assert!(refused == (400, "cursor_invalid") || unknown, "{}: {refused:?}", operation.name());
            }
            tried += 1;
        }
    }
    assert!(tried > 0, "no list has a second page: put more things on the stage");
}
