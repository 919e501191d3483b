//! What became of mails, and whose patients need help.

use crate::world::{World, archived, details};
use chrono::TimeDelta;
use serde_json::json;
use shared_events::Event;
use shared_events::delivery::{Delivery, Purpose};
use shared_runtime::consume::Incoming;
use testkit::databases::Door;
use uuid::Uuid;

testkit::on_both_databases!(
    mails_in_any_order,
    a_bounce_until_it_is_sent_again,
    locked_out,
    lapsed_unanswered,
    asked_for_help,
);

/// What the mailer says of one mail.
struct Mail<'a> {
    world: &'a World,
    id: Uuid,
    told: Delivery,
}

impl<'a> Mail<'a> {
    fn of(world: &'a World, invite: Uuid, issue_no: i32) -> Mail<'a> {
        let told = Delivery {
            purpose: Purpose::Invite,
            cause: world.clock.new_id(),
            invite_id: Some(invite),
            patient_id: None,
            user_id: None,
            issue_no: Some(issue_no),
            attempt: 1,
            code: None,
            enhanced_status: None,
            words: None,
            next_attempt_at: None,
        };
        Mail { world, id: world.clock.new_id(), told }
    }

    fn said(&self, version: i64, event: impl Fn(Delivery) -> Event, code: Option<i32>) -> Incoming {
        let words = code.map(|_| "mailbox unknown".to_owned());
        self.world.incoming(self.id, version, event(Delivery { code, words, ..self.told.clone() }))
    }
}

const NOBODY: [Uuid; 0] = [];

async fn problems(world: &World, kind: &str) -> Vec<Uuid> {
    let page = world.get(&format!("/api/invites?problem={kind}")).await;
    let items = page.is(200, "").body["items"].as_array().expect("items").clone();
    items.iter().map(|item| item["id"].as_str().expect("an id").parse().expect("an id")).collect()
}

async fn mails_in_any_order(door: Door) {
    let world = World::new(door).await;
    let orders: [&[usize]; 5] = [&[0, 1, 2], &[2, 1, 0], &[1, 2, 0, 1], &[2, 2, 0], &[0, 2, 1, 0]];
    for order in orders {
        let invite = world.issue(world.patient().await).await.id();
        let mail = Mail::of(&world, invite, 1);
        let told = [
            mail.said(1, Event::DeliveryQueued, None),
            mail.said(2, Event::DeliverySent, Some(250)),
            mail.said(3, Event::DeliveryBounced, Some(550)),
        ];
        let queued_at = world.clock.now();
        for place in order {
            world.hear(&[told[*place].clone()]).await.expect("heard");
        }
        world.hear(&told).await.expect("heard again, all at once");
        let shown = world.get(&format!("/api/invites/{invite}")).await;
        let mails = shown.is(200, "").body["deliveries"].as_array().expect("mails").clone();
        assert_eq!(mails.len(), 1, "{order:?}");
        assert_eq!((mails[0]["state"].as_str(), mails[0]["code"].as_i64()), (Some("bounced"), Some(550)));
        let queued = queued_at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
        assert_eq!(mails[0]["queued_at"].as_str(), Some(queued.as_str()), "{order:?}");
        assert_eq!(shown.text("problem"), "bounced");
        // Apart from the status.
        assert_eq!(shown.text("status"), "pending");
    }
}

async fn a_bounce_until_it_is_sent_again(door: Door) {
    let world = World::new(door).await;
    let (fine, bounced, failed) = (
        world.issue(world.patient().await).await,
        world.issue(world.patient().await).await,
        world.issue(world.patient().await).await,
    );
    let sent = Mail::of(&world, fine.id(), 1);
    let back = Mail::of(&world, bounced.id(), 1);
    let never = Mail::of(&world, failed.id(), 1);
    world
        .hear(&[
            sent.said(2, Event::DeliverySent, Some(250)),
            back.said(3, Event::DeliveryBounced, Some(550)),
            never.said(2, Event::DeliveryFailed, Some(554)),
        ])
        .await
        .expect("heard");
    assert_eq!(problems(&world, "any").await, [failed.id(), bounced.id()], "newest first");
    assert_eq!(
        (problems(&world, "bounced").await, problems(&world, "failed").await),
        (vec![bounced.id()], vec![failed.id()])
    );
    let listed = world.get("/api/invites?problem=bounced").await;
    assert_eq!(listed.body["items"][0]["delivery"]["words"], "mailbox unknown");
    // A new link has not bounced yet; the news of the old one, come late, is not about it.
    world.post(&format!("/api/invites/{}/resend", bounced.id()), json!({})).await.is(200, "");
    assert_eq!(problems(&world, "bounced").await, NOBODY);
    let late = Mail::of(&world, bounced.id(), 1);
    world.hear(&[late.said(2, Event::DeliveryBounced, Some(550))]).await.expect("heard");
    assert_eq!(problems(&world, "bounced").await, NOBODY);
    let again = Mail::of(&world, bounced.id(), 2);
    world.hear(&[again.said(2, Event::DeliveryBounced, Some(550))]).await.expect("heard");
    assert_eq!(problems(&world, "bounced").await, [bounced.id()]);
    // What has ended needs nobody.
    world.post(&format!("/api/invites/{}/revoke", bounced.id()), json!({})).await.is(200, "");
    assert_eq!(problems(&world, "bounced").await, NOBODY);
    world.get("/api/invites?problem=unhappy").await.is(400, "invalid_query");
}

async fn locked_out(door: Door) {
    let world = World::new(door).await;
    let issued = world.issue(world.patient().await).await;
    world.issue(world.patient().await).await.is(201, "");
    for _ in 0..5 {
        world.accept(&issued.token(), "1999-09-09").await.is(403, "not_accepted");
    }
    assert_eq!(problems(&world, "locked").await, [issued.id()]);
    world.post(&format!("/api/invites/{}/unlock", issued.id()), json!({})).await.is(200, "");
    assert_eq!(problems(&world, "any").await, NOBODY);
}

async fn lapsed_unanswered(door: Door) {
    let world = World::new(door).await;
    let [twice, taken, gone] = [world.patient().await, world.patient().await, world.patient().await];
    world.issue(twice).await.is(201, "");
    let last = world.issue(twice).await;
    let taken_up = world.issue(taken).await;
    world.issue(gone).await.is(201, "");
    world.clock.advance(TimeDelta::days(6));
    world.accept(&taken_up.token(), crate::world::BORN).await.is(201, "");
    world.clock.advance(TimeDelta::days(2));
    world.hear(&[world.incoming(gone, 2, archived(details(gone), 2))]).await.expect("heard");
    // One of each patient, whether or not the sweeper came by; nobody who registered or was archived.
    assert_eq!(problems(&world, "expired_unanswered").await, [last.id()]);
    while world.service.sweeper().sweep_once().await.expect("swept") > 0 {}
    assert_eq!(problems(&world, "expired_unanswered").await, [last.id()]);
    world.issue(twice).await.is(201, "");
    assert_eq!(problems(&world, "expired_unanswered").await, NOBODY);
}

async fn asked_for_help(door: Door) {
    let world = World::new(door).await;
    let (gone, revoked, open) = (world.patient().await, world.patient().await, world.patient().await);
    let [of_gone, taken_back, fine] =
        [world.issue(gone).await, world.issue(revoked).await, world.issue(open).await];
    world.post(&format!("/api/invites/{}/revoke", taken_back.id()), json!({})).await.is(200, "");
    world.hear(&[world.incoming(gone, 2, archived(details(gone), 2))]).await.expect("heard");
    for issued in [&of_gone, &taken_back, &fine] {
        world.public("/api/request_link", json!({ "token": issued.token() })).await.is(202, "");
    }
    // Who can be sent the link is sent it; the others need a person.
    let mut asking = problems(&world, "help_requested").await;
    asking.sort_unstable();
    let mut expected = [of_gone.id(), taken_back.id()];
    expected.sort_unstable();
    assert_eq!(asking, expected);
    world.issue(revoked).await.is(201, "");
    assert_eq!(problems(&world, "any").await, [of_gone.id()]);
}
