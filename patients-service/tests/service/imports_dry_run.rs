//! A dry run: everything an import would say, and nothing on record.

use crate::common::client::person;
use crate::common::csv::{carry_out, import_as, of, send, standing, tally};
use crate::common::{Served, World, number, on_both_databases};
use serde_json::{Value, json};
use shared_http::Role;

on_both_databases!(
    a_dry_run_says_what_the_import_then_does,
    a_dry_run_with_invitations_counts_those_it_would_ask_for,
    nothing_is_on_record_after_a_dry_run,
    duplicates_name_the_rows_before_them,
    matches_say_why_and_in_what_they_differ,
);

const PLAIN: &str = "id,email,first,last,birthdate,phone\n";

/// Numbers that look random and are the same in each run.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    /// A row about few people, so that many rows are about the same one, or about two at once.
    fn row(&mut self, people: u64) -> String {
        let (who, other) = (self.throw(people), self.throw(people));
        let id = match self.throw(6) {
            0 => String::new(),
            1 => format!("m{other}"),
            _ => format!("m{who}"),
        };
        let email = match self.throw(12) {
            0 => "no address".to_owned(),
            1 => format!("p{other}@example.org"),
            2 => format!("moved{who}@example.org"),
            _ => format!("p{who}@example.org"),
        };
        let last = if self.throw(8) == 0 { "Married".to_owned() } else { format!("Family{}", who % 7) };
        let birth = ["", "1990-01-01", "1990-01-02", "1990-02-31"][self.throw(4) as usize];
        format!("{id},{email},Given{},{last},{birth},{}\n", who % 3, 10_000 + self.throw(3))
    }

    fn register(&mut self, rows: usize, people: u64) -> String {
        PLAIN.to_owned() + &(0..rows).map(|_| self.row(people)).collect::<String>()
    }
}

/// What became of each row, but for ids, which a dry run makes up, and what only a dry run says.
async fn ends(served: &Served, clinic: &str, import: &Value) -> Vec<Value> {
    let api = served.by(clinic, "staff-1", Role::Staff);
    let mut rows = api.all(&of(import, "/rows?limit=200")).await;
    for row in &mut rows {
        let row = row.as_object_mut().unwrap();
        row.remove("patient_id");
        row.remove("same_as");
    }
    rows
}

async fn run(served: &Served, clinic: &str, query: &str, file: &str) -> Value {
    let api = served.by(clinic, "staff-1", Role::Staff);
    let id = send(&api, query, file.to_owned()).await.is(202).id();
    carry_out(served).await;
    standing(&api, id).await
}

async fn a_dry_run_says_what_the_import_then_does(world: World) {
    let served = world.serve().await;
    let mut dice = Dice(7);
    for (turn, (policy, sharing)) in
        [("skip", false), ("update", false), ("fail", false), ("update", true)].into_iter().enumerate()
    {
        let clinic = format!("clinic-{}", turn + 10);
        if sharing {
            let admin = served.by(&clinic, "admin-1", Role::Admin);
            admin.patch("/api/clinic", "*", &json!({ "allow_shared_email": true })).await.is(200);
        }
        run(&served, &clinic, "", &dice.register(60, 40)).await;
        // More rows than a chunk has, so that later ones meet what earlier ones left.
        let register = dice.register(620, 160);
        let before = number!(served, "select count(*) from events");
        let rehearsed = run(&served, &clinic, &format!("dry_run=true&on_match={policy}"), &register).await;
        assert_eq!(number!(served, "select count(*) from events"), before);
        let done = run(&served, &clinic, &format!("on_match={policy}"), &register).await;
        assert_eq!(tally(&rehearsed), tally(&done), "{policy}");
        assert!(tally(&done)[0] > 50 && tally(&done)[4] > 50, "{done}");
        let (said, did) = (ends(&served, &clinic, &rehearsed).await, ends(&served, &clinic, &done).await);
        for (said, did) in said.iter().zip(&did) {
            assert_eq!(said, did, "{policy}");
        }
        assert_eq!((said.len(), did.len()), (620, 620));
        assert_eq!(rehearsed["errors"], done["errors"]);
        assert_eq!((&rehearsed["dry_run"], &done["dry_run"]), (&json!(true), &json!(false)));
        assert!(!rehearsed["duplicates"].as_array().unwrap().is_empty());
        assert_eq!(done.get("duplicates"), None);
    }
    left_behind(&served, 0).await;
}

/// A dry run's own register is gone; so many invitations are noted.
async fn left_behind(served: &Served, invitations: i64) {
    assert_eq!(number!(served, "select count(*) from rehearsed_patients"), 0);
    assert_eq!(number!(served, "select count(*) from rehearsed_claims"), 0);
    assert_eq!(number!(served, "select count(*) from import_invitations"), invitations);
}

async fn a_dry_run_with_invitations_counts_those_it_would_ask_for(world: World) {
    let served = world.serve().await;
    let mut dice = Dice(11);
    import_as(&served, "", dice.register(60, 40)).await;
    let register = dice.register(600, 120);
    let how = "on_match=update&invite=true&invite_matched=true&provider_id=dr-1";
    let rehearsed = import_as(&served, &format!("dry_run=true&{how}"), register.clone()).await;
    assert_eq!(rehearsed["state"], "done");
    left_behind(&served, 0).await;
    let asked = "select count(*) from events where type = 'InvitationRequested'";
    assert_eq!(number!(served, asked), 0);
    let real = import_as(&served, how, register).await;
    assert_eq!(real["state"], "inviting");
    assert_eq!(tally(&rehearsed), tally(&real));
    assert_eq!(rehearsed["invites"], real["invites"]);
    let requested = real["invites"]["requested"].as_i64().unwrap();
    assert!(requested > tally(&real)[0], "some of those on record, too: {real}");
    left_behind(&served, requested).await;
    assert_eq!(number!(served, asked), requested);
}

async fn nothing_is_on_record_after_a_dry_run(world: World) {
    let served = world.serve().await;
    served.staff().create(&person(1)).await;
    let before = served.staff().all("/api/patients").await;
    let file = format!("{PLAIN},person1@example.org,Given1,Family001,,12345\nm9,new@example.org,New,One,,\n");
    let done = import_as(&served, "dry_run=true&on_match=update", file.clone()).await;
    assert_eq!((&done["state"], tally(&done)), (&json!("done"), [1, 1, 0, 0, 0]));
    assert_eq!(served.staff().all("/api/patients").await, before);
    assert_eq!(number!(served, "select count(*) from events"), 1);
    assert_eq!(number!(served, "select count(*) from claims"), 1);
    left_behind(&served, 0).await;
    let done = import_as(&served, "on_match=update", file).await;
    assert_eq!(tally(&done), [1, 1, 0, 0, 0]);
    assert_eq!(served.staff().all("/api/patients").await.len(), 2);
}

async fn duplicates_name_the_rows_before_them(world: World) {
    let served = world.serve().await;
    served.staff().create(&person(1)).await;
    let file = format!(
        "{PLAIN}m1,a@example.org,Ada,Lovelace,,\nm2,b@example.org,Bob,Byron,,\n\
         m1,a@example.org,Ada,Lovelace,,\nm3,b@example.org,Eve,Stranger,,\n\
         m2,a@example.org,Ada,Lovelace,,\n,person1@example.org,Given1,Family001,,12345\n\
         ,person1@example.org,Given1,Family001,,54321\n"
    );
    let done = import_as(&served, "dry_run=true", file).await;
    assert_eq!(tally(&done), [2, 0, 1, 2, 2], "{done}");
    let named: Vec<(i64, i64, &Value)> = done["duplicates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["row"].as_i64().unwrap(), one["line"].as_i64().unwrap(), &one["same_as"]))
        .collect();
    let expected = [
        (3, 4, &json!([1])),
        (4, 5, &json!([2])),
        (5, 6, &json!([3, 4])),
        // Said twice of somebody on record, differently each time.
        (7, 8, &json!([6])),
    ];
    assert_eq!(named, expected);
}

async fn matches_say_why_and_in_what_they_differ(world: World) {
    let served = world.serve().await;
    let mut first = person(1);
    first["external_id"] = json!("m1");
    first["date_of_birth"] = json!("1990-02-28");
    let first = served.staff().create(&first).await;
    let second = served.staff().create(&person(2)).await;
    let file = format!(
        "{PLAIN}m1,moved@example.org,Given1,Married,1990-02-28,\n\
         ,person2@example.org,Given2,Family002,,12345\n,person1@example.org,Given1,Family001,1990-02-28,\n"
    );
    let done = import_as(&served, "dry_run=true", file).await;
    let expected = json!([
        { "row": 1, "line": 2, "patient_id": first, "by": ["external_id"], "outcome": "skipped",
          "differs": ["email", "last_name"] },
        { "row": 2, "line": 3, "patient_id": second, "by": ["email", "last_name"], "outcome": "skipped",
          "differs": ["phone"] },
        { "row": 3, "line": 4, "patient_id": first, "by": ["email", "last_name", "date_of_birth"],
          "outcome": "unchanged", "differs": [] },
    ]);
    assert_eq!(done["matches"], expected);
}
