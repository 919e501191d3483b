//! A link asked for again: what is sent, who is told that somebody needs help, and what nobody learns.

use crate::world::{Answer, BORN, World, archived, created, details, wide};
use chrono::TimeDelta;
use invites_service::limits::Limits;
use serde_json::json;
use shared_events::Event;
use shared_runtime::limits::Limit;
use testkit::databases::Door;
use uuid::Uuid;

testkit::on_both_databases!(
    an_open_invite_is_sent_again,
    what_cannot_be_sent_waits_for_staff,
    too_many_links_wait_for_staff,
    everybody_at_the_address,
    what_is_no_request,
);

async fn ask(world: &World, body: serde_json::Value) -> Answer {
    let answer = world.public("/api/request_link", body).await;
    assert_eq!((answer.status, &answer.body), (202, &serde_json::Value::Null));
    answer
}

/// What was said of links asked for in an invite's stream: whether each was granted.
async fn granted(world: &World, invite: Uuid) -> Vec<bool> {
    let core = world.service.core();
    let mut reader = core.db.read().await.expect("a reader");
    let stream = core.log.load_one(reader.conn(), invite).await.expect("a stream");
    let asked = |event: &Event| match event {
        Event::LinkRequested(asked) => Some(asked.granted),
        _ => None,
    };
    stream.iter().filter_map(|recorded| asked(&recorded.event)).collect()
}

async fn waiting(world: &World) -> i64 {
    world.number("select count(*) from invites where help_requested_at is not null").await
}

async fn an_open_invite_is_sent_again(door: Door) {
    let world = World::new(door).await;
    let patient = world.patient().await;
    let first = world.issue(patient).await;
    ask(&world, json!({ "token": first.token() })).await;
    ask(&world, json!({ "email": details(patient).email.to_uppercase() })).await;
    assert_eq!(granted(&world, first.id()).await, [true, true]);
    // The link they have is of an older invite: the open one is sent.
    let second = world.issue(patient).await;
    ask(&world, json!({ "token": first.token() })).await;
    assert_eq!(granted(&world, second.id()).await, [true]);
    assert_eq!(granted(&world, first.id()).await, [true, true]);
    assert_eq!(waiting(&world).await, 0);
    // Sent again is the link there is: it still works.
    world.accept(&second.token(), BORN).await.is(201, "");
    world.rows_are_their_streams().await;
}

async fn what_cannot_be_sent_waits_for_staff(door: Door) {
    let world = World::new(door).await;
    let (locked, ended, gone) = (world.patient().await, world.patient().await, world.patient().await);
    let invites = [world.issue(locked).await, world.issue(ended).await, world.issue(gone).await];
    for _ in 0..5 {
        world.accept(&invites[0].token(), "1985-01-30").await.is(403, "not_accepted");
    }
    let revoke = format!("/api/invites/{}/revoke", invites[1].id());
    world.post(&revoke, json!({})).await.is(200, "");
    world.hear(&[world.incoming(gone, 2, archived(details(gone), 2))]).await.expect("heard");
    for _ in 0..3 {
        ask(&world, json!({ "token": invites[0].token() })).await;
        ask(&world, json!({ "token": invites[1].token() })).await;
        ask(&world, json!({ "email": details(gone).email })).await;
    }
    for invite in &invites {
        assert_eq!(granted(&world, invite.id()).await, [false], "once a day");
    }
    assert_eq!(waiting(&world).await, 3);
    world.clock.advance(TimeDelta::days(1));
    ask(&world, json!({ "token": invites[1].token() })).await;
    assert_eq!(granted(&world, invites[1].id()).await, [false, false]);
    // A new invitation is what helps: it can be sent.
    let new = world.issue(ended).await;
    ask(&world, json!({ "token": invites[1].token() })).await;
    assert_eq!(granted(&world, new.id()).await, [true]);
    world.rows_are_their_streams().await;
}

async fn too_many_links_wait_for_staff(door: Door) {
    let limits = Limits { link: Limit { burst: 2, ..Limits::default().link }, ..wide() };
    let world = World::limited(door, limits).await;
    let issued = world.issue(world.patient().await).await;
    for _ in 0..4 {
        ask(&world, json!({ "token": issued.token() })).await;
    }
    assert_eq!(granted(&world, issued.id()).await, [true, true, false]);
    assert_eq!(waiting(&world).await, 1);
    // Staff's own links are not used up by strangers.
    world.post(&format!("/api/invites/{}/resend", issued.id()), json!({})).await.is(200, "");
    assert_eq!(waiting(&world).await, 0);
    world.clock.advance(TimeDelta::hours(12));
    ask(&world, json!({ "token": issued.token() })).await;
    assert_eq!(granted(&world, issued.id()).await, [true, true, false, true]);
}

async fn everybody_at_the_address(door: Door) {
    let world = World::new(door).await;
    let mut invites = Vec::new();
    for number in 0..23 {
        let patient = world.clock.new_id();
        let mut details = details(patient);
        details.email = "family@example.org".into();
        world.hear(&[world.incoming(patient, 1, created(details))]).await.expect("heard");
        if number != 1 {
            invites.push(world.issue(patient).await.id());
        }
    }
    ask(&world, json!({ "email": "family@example.org" })).await;
    let mut sent = 0;
    for invite in invites {
        sent += granted(&world, invite).await.len();
    }
    assert_eq!(sent, 19, "twenty are looked at, and one of them never had an invite");
}

async fn what_is_no_request(door: Door) {
    let world = World::new(door).await;
    let issued = world.issue(world.patient().await).await;
    for bad in [
        json!({}),
        json!({ "email": "" }),
        json!({ "email": "a\u{0}b" }),
        json!({ "email": "a@b.org", "token": issued.token() }),
    ] {
        world.public("/api/request_link", bad).await.is(422, "invalid_body");
    }
    for nobody in [json!({ "token": "pf1.AAAA" }), json!({ "token": "" }), json!({ "email": "nobody" })] {
        ask(&world, nobody).await;
    }
    assert_eq!(world.history(issued.id()).await, ["InviteIssued"]);
}
