//! Whatever staff do or see is written down.

use super::{Operation, Reply, Stage};
use reqwest::Method;
use std::collections::BTreeSet;
use uuid::Uuid;

/// Every operation that staff may ask, carried out once with success, leaves a row of its request in the audit at
/// `list`. `exceptions` are operations that need not, each with its reason.
///
/// # Panics
/// Where one leaves none, or none of the stage's things lets it succeed.
pub async fn everything_is_written_down(stage: &Stage, list: &str, exceptions: &[(&str, &str)]) {
    let mut left: Vec<Operation> = stage.operations();
    left.retain(|operation| {
        let name = operation.name();
        operation.role.is_some() && !exceptions.iter().any(|(exception, _)| *exception == name)
    });
    left.sort_by_key(|operation| rank(&operation.method));
    let mut things = stage.things.clone();
    // Some need what another one makes: until a round brings nothing new.
    loop {
        let before = left.len();
        let mut still = Vec::new();
        for operation in left {
            match carry_out(stage, &operation, &things).await {
                Some(reply) => {
                    written(stage, list, &operation, &reply).await;
                    learn(&reply, &mut things);
                }
                None => still.push(operation),
            }
        }
        left = still;
        if left.is_empty() {
            return;
        }
        let names: Vec<String> = left.iter().map(Operation::name).collect();
        assert!(left.len() < before, "put something on the stage that these can be done to: {names:?}");
    }
}

/// Reads first, then changes, and what ends things last.
fn rank(method: &Method) -> usize {
    let order = [Method::GET, Method::PUT, Method::PATCH, Method::POST, Method::DELETE];
    order.iter().position(|one| one == method).unwrap_or(order.len())
}

/// Tries it on one thing after the other until it succeeds.
async fn carry_out(stage: &Stage, operation: &Operation, things: &[Uuid]) -> Option<Reply> {
    for id in things {
        let reply = stage.ask(&operation.method, &operation.about(*id), Some(stage.admin())).await;
        assert!(reply.status < 500, "{}: {}", operation.name(), reply.body);
        if reply.status < 300 {
            return Some(reply);
        }
    }
    None
}

async fn written(stage: &Stage, list: &str, operation: &Operation, reply: &Reply) {
    let call = super::Call { target: format!("{list}?limit=200"), ..super::Call::default() };
    let rows = stage.ask(&Method::GET, &call, Some(stage.admin())).await;
    let rows = rows.body["items"].as_array().cloned().expect("rows of the audit");
    let row = rows.iter().find(|row| row["request_id"] == reply.request_id);
    let row = row.unwrap_or_else(|| panic!("{} leaves no row in the audit", operation.name()));
    assert!(row["actor"].as_str().is_some_and(|actor| actor.starts_with("staff:")), "{row}");
    assert_eq!(row["role"], "admin", "{row}");
    assert!(row["action"].as_str().is_some_and(|action| action.contains('.')), "{row}");
}

/// Remembers what an answer names: a job that was begun can be asked for.
fn learn(reply: &Reply, things: &mut Vec<Uuid>) {
    let known: BTreeSet<Uuid> = things.iter().copied().collect();
    let text = reply.body.to_string();
    let words = text.split('"').filter_map(|word| Uuid::parse_str(word).ok());
    things.extend(words.filter(|id| !known.contains(id)).take(5));
}
