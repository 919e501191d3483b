//! What scanners of mails do: follow links, and send forms without what only the patient knows.

use super::tables::{State, state};
use super::{Call, Operation, Stage};
use reqwest::Method;
use serde_json::Value;
use shared_runtime::Db;

/// How often each is asked.
const TIMES: usize = 100;
/// Members of a body that only the person knows.
const FACTS: [&str; 4] = ["date_of_birth", "last_name", "email", "password"];
/// Tables that may change: counters of limits count what they refuse, too.
const COUNTERS: [&str; 1] = ["limits"];

/// A hundred GETs and HEADs of every public path, with the link's token wherever it may stand, change no row.
///
/// # Panics
/// Where one does.
pub async fn reading_changes_nothing(stage: &Stage, db: &Db) {
    let before = look(db).await;
    for operation in public(stage) {
        for target in targets(stage, &operation) {
            for method in [Method::GET, Method::HEAD] {
                for _ in 0..TIMES / 5 {
                    let call = Call { target: target.clone(), ..Call::default() };
                    let reply = stage.ask(&method, &call, None).await;
                    assert!(reply.status < 500, "{method} {target}: {}", reply.status);
                }
            }
        }
        assert_eq!(look(db).await, before, "{}", operation.name());
    }
}

/// The path five times over, so that each form of it is asked [`TIMES`] / 5 times.
fn targets(stage: &Stage, operation: &Operation) -> Vec<String> {
    let (path, link) = (&operation.path, stage.link.clone().unwrap_or_default());
    ["", &format!("?token={link}"), &format!("/{link}"), &format!("#{link}"), "?date_of_birth=1990-02-28"]
        .map(|end| format!("{path}{end}"))
        .to_vec()
}

/// Every public form sent without each fact it asks for, empty, and in forms that are not JSON, changes no row.
///
/// # Panics
/// Where one does.
pub async fn forms_without_a_fact_change_nothing(stage: &Stage, db: &Db) {
    let before = look(db).await;
    for operation in public(stage) {
        for body in bodies(stage, &operation) {
            for _ in 0..TIMES / 10 {
                let call =
                    Call { target: operation.path.clone(), body: Some(body.clone()), ..Call::default() };
                let reply = stage.ask(&operation.method, &call, None).await;
                assert!(
                    (400..500).contains(&reply.status),
                    "{} {body:?}: {}",
                    operation.name(),
                    reply.status
                );
            }
            assert_eq!(look(db).await, before, "{} {body:?}", operation.name());
        }
    }
}

fn bodies(stage: &Stage, operation: &Operation) -> Vec<(String, String)> {
    let link = stage.link.clone().unwrap_or_default();
    let json = |text: String| ("application/json".to_owned(), text);
    let mut bodies = vec![
        json(String::new()),
        json("{}".to_owned()),
        ("application/x-www-form-urlencoded".to_owned(), format!("token={link}&date_of_birth=1990-02-28")),
        ("text/plain".to_owned(), format!("{{\"token\":\"{link}\"}}")),
    ];
    let Some((_, sample)) = &operation.body else { return bodies };
    let mut sample: Value = serde_json::from_str(sample).expect("JSON");
    if let Some(token) = sample.get_mut("token") {
        *token = Value::from(link);
    }
    for fact in FACTS {
        let mut without = sample.clone();
        if without.as_object_mut().and_then(|members| members.remove(fact)).is_some() {
            bodies.push(json(without.to_string()));
        }
    }
    bodies
}

fn public(stage: &Stage) -> Vec<Operation> {
    let mut public = stage.operations();
    public.retain(|operation| operation.role.is_none());
    public
}

async fn look(db: &Db) -> State {
    state(db, &COUNTERS).await
}
