//! What tests of bulk jobs do with the service.

use crate::events::{created, details};
use crate::world::{CLINIC, World, account};
use invites_service::bulk::worker::Stepped;
use reqwest::Method;
use serde_json::{Value, json};
use shared_events::Event;
use shared_http::Role;
use shared_runtime::consume::Incoming;
use shared_runtime::fetch_all;
use std::collections::BTreeMap;
use uuid::Uuid;

pub const BULK: &str = "/api/invites/bulk";

/// Counts of a job: total, waiting, issued, failed, cancelled.
pub type Counts = [i64; 5];

impl World {
    /// So many patients of the test's clinic, in the order of their ids.
    pub async fn patients(&self, count: usize) -> Vec<Uuid> {
        self.patients_of(CLINIC, count, created).await
    }

    /// So many patients of a clinic, put on record by an event of the test's making.
    pub async fn patients_of(
        &self,
        clinic: &str,
        count: usize,
        event: impl Fn(shared_events::patient::PatientDetails) -> Event,
    ) -> Vec<Uuid> {
        let mut ids: Vec<Uuid> = (0..count).map(|_| self.clock.new_id()).collect();
        ids.sort_unstable();
        let told: Vec<Incoming> = ids
            .iter()
            .map(|id| {
                let mut incoming = self.incoming(*id, 1, event(details(*id)));
                incoming.envelope.accountid = account(clinic).to_string();
                incoming
            })
            .collect();
        for batch in told.chunks(500) {
            self.hear(batch).await.expect("heard");
        }
        ids
    }

    /// Begins a job; its id.
    pub async fn bulk(&self, whom: Value) -> Uuid {
        let mut body = json!({ "provider_id": "dr-grey" });
        body.as_object_mut().expect("an object").extend(whom.as_object().expect("an object").clone());
        self.post(BULK, body).await.is(202, "").id()
    }

    pub async fn job(&self, id: Uuid) -> Value {
        self.get(&format!("{BULK}/{id}")).await.is(200, "").body.clone()
    }

    /// How a job stands. What must always add up does.
    pub async fn stands(&self, id: Uuid) -> (String, Counts) {
        let job = self.job(id).await;
        let counts = ["total", "waiting", "issued", "failed", "cancelled"]
            .map(|name| job[name].as_i64().unwrap_or_else(|| panic!("{name} in {job}")));
        assert_eq!(counts[0], counts[1..].iter().sum::<i64>(), "{job}");
        (job["state"].as_str().expect("a state").to_owned(), counts)
    }

    pub async fn order(&self, id: Uuid, what: &str) -> crate::world::Answer {
        let token = self.token(CLINIC, Role::Staff);
        self.ask(Method::POST, &format!("{BULK}/{id}/{what}"), Some(&token), &[], None).await
    }

    /// Carries out all that is open; how many steps that took.
    pub async fn drain(&self) -> usize {
        let worker = self.service.bulk_worker();
        let mut steps = 0;
        while worker.step().await.expect("a step") != Stepped::Idle {
            steps += 1;
        }
        steps
    }

    /// A job's patients by outcome or code, read page by page.
    pub async fn outcomes(&self, id: Uuid, query: &str) -> BTreeMap<Uuid, Value> {
        let (mut found, mut cursor) = (BTreeMap::new(), String::new());
        loop {
            let page = self.get(&format!("{BULK}/{id}/patients?limit=7{query}{cursor}")).await;
            for item in page.is(200, "").body["items"].as_array().expect("items") {
                let patient = item["patient_id"].as_str().expect("an id").parse().expect("an id");
                assert!(found.insert(patient, item.clone()).is_none(), "twice: {item}");
            }
            match page.body["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return found,
            }
        }
    }

    /// How many invites each patient has.
    pub async fn invites_each(&self) -> BTreeMap<Uuid, i64> {
        let mut reader = self.service.core().db.read().await.expect("a reader");
        let sql = "select patient_id, count(*) from invites group by patient_id";
        fetch_all!(reader.conn(), (Uuid, i64), sql).expect("rows").into_iter().collect()
    }

    /// Does something to the database that no request can.
    pub async fn meddle(&self, sql: &'static str, id: Uuid) {
        let mut tx = self.service.core().db.begin().await.expect("a transaction");
        assert!(shared_runtime::execute!(tx.conn(), sql, id).expect(sql) > 0, "{sql}");
        tx.commit().await.expect("a commit");
    }
}
