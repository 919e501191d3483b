//! Many at once: one legal end, and the history says which.

use crate::world::{Answer, BORN, World};
use serde_json::json;
use shared_events::clinic::OpenInvitePolicy;
use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use testkit::databases::Door;
use tokio::task::JoinSet;
use uuid::Uuid;

testkit::on_both_databases!(
    a_hundred_issues_under_supersede,
    a_hundred_issues_under_allow,
    a_hundred_issues_under_reject,
    a_hundred_acceptances_of_one_link,
    two_hundred_wrong_facts,
    accepting_against_revoking,
    accepting_against_an_archive,
    accepting_against_an_erasure,
    accepting_against_the_sweeper,
    two_copies_issue,
    two_copies_hear_wrong_facts,
);

/// Does the same many times at once; how often each status and code came.
async fn at_once<F>(
    world: &Arc<World>,
    count: usize,
    act: impl Fn(Arc<World>) -> F,
) -> HashMap<(u16, String), usize>
where
    F: Future<Output = Answer> + Send + 'static,
{
    let mut acting = JoinSet::new();
    for _ in 0..count {
        acting.spawn(act(world.clone()));
    }
    let mut counts = HashMap::new();
    while let Some(answer) = acting.join_next().await {
        let answer = answer.expect("answered");
        *counts.entry((answer.status, answer.code)).or_default() += 1;
    }
    counts
}

fn of(counts: &HashMap<(u16, String), usize>, status: u16, code: &str) -> usize {
    counts.get(&(status, code.to_owned())).copied().unwrap_or(0)
}

async fn issues(door: Door, policy: OpenInvitePolicy) -> (HashMap<(u16, String), usize>, Vec<String>) {
    let world = Arc::new(World::new(door).await);
    world.policy(policy, 1).await;
    let patient = world.patient().await;
    let counts = at_once(&world, 100, |world| async move { world.issue(patient).await }).await;
    world.rows_are_their_streams().await;
    let statuses = world.statuses(patient).await;
    (counts, statuses)
}

fn open(statuses: &[String]) -> usize {
    statuses.iter().filter(|status| *status == "pending").count()
}

async fn a_hundred_issues_under_supersede(door: Door) {
    let (counts, statuses) = issues(door, OpenInvitePolicy::Supersede).await;
    assert_eq!(of(&counts, 201, ""), 100, "{counts:?}");
    assert_eq!((statuses.len(), open(&statuses)), (100, 1));
}

async fn a_hundred_issues_under_allow(door: Door) {
    let (counts, statuses) = issues(door, OpenInvitePolicy::Allow).await;
    assert_eq!(of(&counts, 201, ""), 100, "{counts:?}");
    assert_eq!((statuses.len(), open(&statuses)), (100, 100));
}

async fn a_hundred_issues_under_reject(door: Door) {
    let (counts, statuses) = issues(door, OpenInvitePolicy::Reject).await;
    assert_eq!((of(&counts, 201, ""), of(&counts, 409, "open_invite_exists")), (1, 99), "{counts:?}");
    assert_eq!((statuses.len(), open(&statuses)), (1, 1));
}

async fn a_hundred_acceptances_of_one_link(door: Door) {
    let world = Arc::new(World::new(door).await);
    let patient = world.patient().await;
    let issued = world.issue(patient).await;
    let token = issued.token();
    let counts = at_once(&world, 100, |world| {
        let token = token.clone();
        async move { world.accept(&token, BORN).await }
    })
    .await;
    assert_eq!((of(&counts, 201, ""), of(&counts, 409, "already_accepted")), (1, 99), "{counts:?}");
    assert_eq!(world.history(issued.id()).await, ["InviteIssued", "InviteVerified", "InviteAccepted"]);
    assert_eq!(world.number("select count(*) from accounts").await, 1);
    assert_eq!(world.number("select count(*) from events where type = 'AccountRegistered'").await, 1);
}

async fn two_hundred_wrong_facts(door: Door) {
    let world = Arc::new(World::new(door).await);
    let patient = world.patient().await;
    let issued = world.issue(patient).await;
    let token = issued.token();
    let counts = at_once(&world, 200, |world| {
        let token = token.clone();
        async move { world.accept(&token, "1985-01-30").await }
    })
    .await;
    assert_eq!(of(&counts, 403, "not_accepted"), 200, "{counts:?}");
    // Each one that was looked at is in the history: five, and the lock.
    let history = world.history(issued.id()).await;
    assert_eq!(history.iter().filter(|name| *name == "InviteVerificationFailed").count(), 5);
    assert_eq!(history.last().map(String::as_str), Some("InviteLocked"));
    world.accept(&token, BORN).await.is(403, "not_accepted");
    let shown = world.get(&format!("/api/invites/{}", issued.id())).await;
    assert_eq!((shown.text("status").as_str(), shown.body["failed_attempts"].as_i64()), ("pending", Some(5)));
    assert!(shown.body["locked_at"].is_string());
    assert_eq!(world.verify(&token).await.body, json!({ "valid": false }));
    world.rows_are_their_streams().await;
}

async fn accepting_against_revoking(door: Door) {
    let world = Arc::new(World::new(door).await);
    for _ in 0..8 {
        let patient = world.patient().await;
        let issued = world.issue(patient).await;
        let path = format!("/api/invites/{}/revoke", issued.id());
        let (token, revoking) = (issued.token(), world.clone());
        let revoke = tokio::spawn(async move { revoking.post(&path, json!({})).await });
        let accepted = world.accept(&token, BORN).await;
        let revoked = revoke.await.expect("answered");
        let end = one_end(&world.history(issued.id()).await);
        match end.as_str() {
            "InviteAccepted" => {
                accepted.is(201, "");
                revoked.is(409, "invite_not_pending");
            }
            _ => {
                accepted.is(410, "invite_revoked");
                revoked.is(200, "");
            }
        }
    }
}

async fn accepting_against_an_archive(door: Door) {
    use crate::world::{archived, details};
    let world = Arc::new(World::new(door).await);
    for _ in 0..8 {
        let patient: Uuid = world.patient().await;
        let issued = world.issue(patient).await;
        let archive = world.incoming(patient, 2, archived(details(patient), 2));
        let hearing = world.clone();
        let heard = tokio::spawn(async move { hearing.hear(&[archive]).await });
        let accepted = world.accept(&issued.token(), BORN).await;
        heard.await.expect("no panic").expect("heard");
        let end = one_end(&world.history(issued.id()).await);
        match end.as_str() {
            "InviteAccepted" => accepted.is(201, ""),
            _ => accepted.is(410, "invite_revoked"),
        };
    }
}

async fn accepting_against_an_erasure(door: Door) {
    use shared_events::Event;
    use shared_events::patient::PatientErased;
    let world = Arc::new(World::new(door).await);
    for _ in 0..8 {
        let patient: Uuid = world.patient().await;
        let issued = world.issue(patient).await;
        let (erasure_id, erased_at) = (world.clock.new_id(), world.clock.now());
        let event = Event::PatientErased(PatientErased { erasure_id, erased_at, invites_void_before: 2 });
        let erase = world.incoming(patient, 2, event);
        let hearing = world.clone();
        let heard = tokio::spawn(async move { hearing.hear(&[erase]).await });
        let accepted = world.accept(&issued.token(), BORN).await;
        heard.await.expect("no panic").expect("heard");
        let end = one_end(&world.history(issued.id()).await);
        match end.as_str() {
            "InviteAccepted" => accepted.is(201, ""),
            // Nothing is left to be right about.
            _ => accepted.is(403, "not_accepted"),
        };
    }
}

/// The clock passes the expiry in the middle of it: whoever comes first, the invite ends once.
async fn accepting_against_the_sweeper(door: Door) {
    let world = Arc::new(World::new(door).await);
    for _ in 0..8 {
        let issued = world.issue(world.patient().await).await;
        world.clock.advance(chrono::TimeDelta::days(7) - chrono::TimeDelta::microseconds(1));
        let sweeping = world.clone();
        let swept = tokio::spawn(async move {
            sweeping.clock.advance(chrono::TimeDelta::microseconds(1));
            sweeping.service.sweeper().sweep_once().await
        });
        let accepted = world.accept(&issued.token(), BORN).await;
        swept.await.expect("no panic").expect("swept");
        world.service.sweeper().sweep_once().await.expect("swept");
        let end = one_end(&world.history(issued.id()).await);
        match end.as_str() {
            "InviteAccepted" => accepted.is(201, ""),
            _ => accepted.is(410, "invite_expired"),
        };
    }
}

/// Does the same many times at once, at both copies in turn.
async fn at_both<F>(
    worlds: [&Arc<World>; 2],
    count: usize,
    act: impl Fn(Arc<World>) -> F,
) -> HashMap<(u16, String), usize>
where
    F: Future<Output = Answer> + Send + 'static,
{
    let (mut counts, mut other) =
        tokio::join!(at_once(worlds[0], count / 2, &act), at_once(worlds[1], count / 2, &act));
    for (answer, times) in other.drain() {
        *counts.entry(answer).or_default() += times;
    }
    counts
}

/// Within one copy a patient's commands mostly share a transaction; between copies only the lock of the
/// patient's row stands in the way.
async fn two_copies_issue(door: Door) {
    let first = Arc::new(World::new(door).await);
    let second = Arc::new(first.copy().await);
    first.policy(OpenInvitePolicy::Reject, 1).await;
    for _ in 0..6 {
        let patient = first.patient().await;
        let counts = at_both([&first, &second], 20, |world| async move { world.issue(patient).await }).await;
        assert_eq!((of(&counts, 201, ""), of(&counts, 409, "open_invite_exists")), (1, 19), "{counts:?}");
    }
}

async fn two_copies_hear_wrong_facts(door: Door) {
    let first = Arc::new(World::new(door).await);
    let second = Arc::new(first.copy().await);
    let patient = first.patient().await;
    let issued = first.issue(patient).await;
    let token = issued.token();
    let counts = at_both([&first, &second], 60, |world| {
        let token = token.clone();
        async move { world.accept(&token, "1985-01-30").await }
    })
    .await;
    assert_eq!(of(&counts, 403, "not_accepted"), 60, "{counts:?}");
    let history = first.history(issued.id()).await;
    assert_eq!(history.iter().filter(|name| *name == "InviteVerificationFailed").count(), 5);
    // Nor does a copy that has just been started give another attempt.
    first.copy().await.accept(&token, BORN).await.is(403, "not_accepted");
}

/// The one event that ended the invite.
fn one_end(history: &[String]) -> String {
    let ends = ["InviteAccepted", "InviteRevoked", "InviteExpired"];
    let mut ended = history.iter().filter(|name| ends.contains(&name.as_str()));
    let end = ended.next().expect("an end").clone();
    assert_eq!(ended.next(), None, "{history:?}");
    end
}
