//! Who is let in, and who is not.

use super::{Operation, Stage};
use uuid::Uuid;

/// Codes of refusals that say who may not come in.
const TURNED_AWAY: [&str; 4] = ["token_missing", "token_invalid", "token_expired", "role_insufficient"];

/// Every operation, asked by everybody: no token, bad tokens, each role, and a role of another clinic.
///
/// # Panics
/// Where somebody is let in who should not be, or the other way round, or an answer is not in the document.
pub async fn matrix(stage: &Stage) {
    for operation in stage.operations() {
        match operation.role.clone() {
            Some(role) => for_staff(stage, &operation, &role).await,
            None => for_everybody(stage, &operation).await,
        }
    }
}

async fn for_staff(stage: &Stage, operation: &Operation, role: &str) {
    let name = operation.name();
    let needed = stage.roles.iter().position(|(name, _)| *name == role);
    let needed = needed.unwrap_or_else(|| panic!("{name} needs the role {role}, which nobody has"));
    // Neither what is asked nor whether it can be read matters to who is not let in.
    let mut calls = vec![operation.about(stage.things[0]), operation.about(Uuid::nil())];
    calls.push(super::Call { target: calls[0].target.clone(), ..super::Call::default() });
    for call in &calls {
        let reply = stage.ask(&operation.method, call, None).await;
        assert_eq!((reply.status, reply.code.as_str()), (401, "token_missing"), "{name} without a token");
        for (what, token, code) in &stage.bad {
            let reply = stage.ask(&operation.method, call, Some(token)).await;
            assert_eq!((reply.status, reply.code.as_str()), (401, *code), "{name} with {what}");
        }
        for (has, token) in &stage.roles[..needed] {
            let reply = stage.ask(&operation.method, call, Some(token)).await;
            let refused = (reply.status, reply.code.as_str(), reply.body["required_role"].as_str());
            assert_eq!(refused, (403, "role_insufficient", Some(role)), "{name} as {has}");
        }
    }
    for (has, token) in &stage.roles[needed..] {
        let reply = stage.ask(&operation.method, &calls[0], Some(token)).await;
        assert!(!TURNED_AWAY.contains(&reply.code.as_str()), "{name} as {has}: {}", reply.body);
        documented(operation, reply.status);
    }
    let reply = stage.ask(&operation.method, &calls[0], Some(&stage.stranger)).await;
    assert!(!TURNED_AWAY.contains(&reply.code.as_str()), "{name} as a stranger: {}", reply.body);
    documented(operation, reply.status);
}

/// Staff's tokens open nothing here, and bad ones close nothing.
async fn for_everybody(stage: &Stage, operation: &Operation) {
    let call = operation.about(Uuid::nil());
    let alone = stage.ask(&operation.method, &call, None).await;
    documented(operation, alone.status);
    let tokens =
        stage.bad.iter().map(|(_, token, _)| token).chain(stage.roles.iter().map(|(_, token)| token));
    for token in tokens {
        let reply = stage.ask(&operation.method, &call, Some(token)).await;
        assert_eq!((reply.status, &reply.code), (alone.status, &alone.code), "{}", operation.name());
    }
}

fn documented(operation: &Operation, status: u16) {
    let name = operation.name();
    assert!(operation.statuses.contains(&status) && status < 500, "{name} answers {status}, undocumented");
}
