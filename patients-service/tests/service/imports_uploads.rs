//! Files on their way in: sent twice, given up, beside others', followed; and what is kept of them in the open.

use crate::common::csv::{carry_out, file, import_as, of, row, send, standing, tally};
use crate::common::{Served, World, number, on_both_databases, until};
use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};
use shared_http::Role;
use shared_runtime::fetch_all;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

on_both_databases!(
    the_same_file_under_one_key_is_one_import,
    imports_are_listed_newest_first,
    an_import_is_followed_to_its_end,
    a_small_import_does_not_wait_for_a_large_one,
    an_upload_that_fell_silent_is_removed,
    nothing_of_a_file_stands_in_the_open,
);

async fn the_same_file_under_one_key_is_one_import(world: World) {
    let served = world.serve().await;
    let sent = |query: &'static str, body: String| {
        let api = served.staff();
        async move {
            let request = api.request(Method::POST, &format!("/api/patients/import{query}"));
            let request = request.header("content-type", "text/csv").header("idempotency-key", "register-1");
            api.send(request.body(body)).await
        }
    };
    let register = || file((0..5).map(row));
    let id = sent("", register()).await.is(202).id();
    assert_eq!(sent("", register()).await.is(202).id(), id);
    carry_out(&served).await;
    assert_eq!(sent("", register()).await.is(202).id(), id);
    sent("", file((0..6).map(row))).await.refused(422, "idempotency_key_reused");
    sent("?dry_run=true", register()).await.refused(422, "idempotency_key_reused");
    // Large enough that chunks were kept before its repetition was known; these are gone again.
    sent("", file((0..4500).map(row))).await.refused(422, "idempotency_key_reused");
    assert_eq!(number!(served, "select count(*) from imports"), 1);
    assert_eq!(number!(served, "select count(*) from import_chunks"), 1);
    carry_out(&served).await;
    assert_eq!(number!(served, "select count(*) from patients"), 5);
}

async fn imports_are_listed_newest_first(world: World) {
    let served = world.serve().await;
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.insert(0, send(&served.staff(), "", file([row(number)])).await.is(202).id().to_string());
        world.clock().advance(TimeDelta::seconds(i64::from(number % 2 == 0)));
    }
    carry_out(&served).await;
    for limit in [1, 2, 50] {
        let listed = served.viewer().all(&format!("/api/imports?limit={limit}")).await;
        let found: Vec<&str> = listed.iter().map(|import| import["id"].as_str().unwrap()).collect();
        assert_eq!(found, ids, "{limit}");
        assert!(listed[0].get("errors").is_none() && listed[0].get("matches").is_none());
    }
}

async fn an_import_is_followed_to_its_end(world: World) {
    let served = world.serve().await;
    let id = send(&served.staff(), "", file((0..3).map(row))).await.is(202).id();
    let api = served.viewer();
    let following = tokio::spawn(async move { api.get(&format!("/api/imports/{id}/events")).await.is(200) });
    carry_out(&served).await;
    let told = following.await.unwrap();
    assert_eq!(told.headers["content-type"], "text/event-stream");
    let kinds: Vec<&str> = told.text.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    assert_eq!(kinds.last(), Some(&"end"), "{}", told.text);
    let last =
        told.text.lines().filter_map(|line| line.strip_prefix("data: ")).rfind(|data| data.starts_with('{'));
    let last: Value = serde_json::from_str(last.unwrap()).unwrap();
    assert_eq!(last, standing(&served.viewer(), id).await);
}

async fn a_small_import_does_not_wait_for_a_large_one(world: World) {
    let served = world.serve().await;
    let large = send(&served.staff(), "", file((0..2000).map(row))).await.is(202).id();
    world.clock().advance(TimeDelta::seconds(1));
    let other = served.by("clinic-2", "staff-1", Role::Staff);
    let small = send(&other, "", file((0..3).map(row))).await.is(202).id();
    let worker = served.service.import_worker();
    let mut steps = 0;
    while standing(&other, small).await["state"] != "done" {
        world.clock().advance(TimeDelta::seconds(1));
        worker.step().await.unwrap();
        steps += 1;
    }
    assert_eq!(standing(&served.staff(), large).await["state"], "running");
    assert!(steps <= 4, "{steps} steps");
}

/// Sends a file of so many rows and does not end it.
async fn half_a_file(served: &Served, rows: usize) -> TcpStream {
    let mut line = TcpStream::connect(served.url.trim_start_matches("http://")).await.unwrap();
    let head = format!(
        "POST /api/patients/import HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: text/csv\r\n\
         content-length: 100000000\r\n\r\n",
        served.staff().token.unwrap()
    );
    line.write_all(head.as_bytes()).await.unwrap();
    line.write_all(file((0..rows).map(row)).as_bytes()).await.unwrap();
    line
}

async fn an_upload_that_fell_silent_is_removed(world: World) {
    let served = world.serve().await;
    let _silent = half_a_file(&served, 4100).await;
    let receiving = "select count(*) from imports where state = 'receiving'";
    until("the first rows", || async { (number!(served, receiving) == 1).then_some(()) }).await;
    // It is nobody's import yet.
    assert!(served.staff().all("/api/imports").await.is_empty());
    let worker = served.service.import_worker();
    world.clock().advance(TimeDelta::minutes(9));
    let mut touched = half_a_file(&served, 4100).await;
    until("the other's", || async { (number!(served, receiving) == 2).then_some(()) }).await;
    assert!(!worker.tidy().await.unwrap());
    world.clock().advance(TimeDelta::minutes(2));
    while worker.tidy().await.unwrap() {}
    assert_eq!(number!(served, receiving), 1);
    assert_eq!(number!(served, "select count(distinct import_id) from import_chunks"), 1);
    // More of it came in time.
    let more: String = (5000..9000).map(|number| row(number) + "\r\n").collect();
    touched.write_all(more.as_bytes()).await.unwrap();
    until("more rows", || async {
        (number!(served, "select count(*) from import_chunks") >= 16).then_some(())
    })
    .await;
    world.clock().advance(TimeDelta::minutes(9));
    assert!(!worker.tidy().await.unwrap());
    world.clock().advance(TimeDelta::minutes(2));
    assert!(worker.tidy().await.unwrap());
    assert_eq!(number!(served, "select count(*) from import_chunks"), 0);
}

async fn nothing_of_a_file_stands_in_the_open(world: World) {
    let served = world.serve().await;
    let register = "id,email,first,last,phone,notes,unread\n\
         planted-1,planted1@secret.example,PlantedAda,PlantedLove,0800 7777777,planted notes,planted ssn\n\
         planted-1,planted2@secret.example,PlantedAda,PlantedLove,0800 7777778,planted notes,planted ssn\n\
         planted-3,planted nowhere,PlantedBob,=planted,planted phone,planted,planted\n\
         planted-4,planted1@secret.example,PlantedEve,PlantedOther,,,\n\
         planted-5,planted5@secret.example,\"Planted,PlantedQuote\nplanted-6,planted6@secret.example,Planted\n";
    let how = "on_match=fail&invite=true&invite_matched=true&provider_id=dr-1";
    for query in [format!("dry_run=true&{how}"), how.to_owned()] {
        let done = import_as(&served, &query, register).await;
        assert_eq!(tally(&done), [1, 0, 0, 0, 5], "{done}");
        let mut told = vec![done.to_string()];
        told.push(json!(served.staff().all("/api/imports").await).to_string());
        told.push(json!(served.staff().all(&of(&done, "/rows")).await).to_string());
        for text in told {
            assert!(!text.to_lowercase().contains("planted") && !text.contains("0800"), "{text}");
        }
    }
    type Json = sqlx::types::Json<Value>;
    let mut reader = served.service.core().db.read().await.unwrap();
    let imports =
        fetch_all!(reader.conn(), (Json, Json, Json), "select options, file, shown from imports").unwrap();
    let outcomes =
        fetch_all!(reader.conn(), (Json, Vec<u8>), "select outcomes, sealed from import_chunks").unwrap();
    assert_eq!((imports.len(), outcomes.len()), (2, 2));
    let mut kept = format!("{imports:?}");
    for (outcome, sealed) in outcomes {
        kept += &format!("{outcome:?}{}", String::from_utf8_lossy(&sealed));
    }
    assert!(!kept.to_lowercase().contains("planted") && !kept.contains("0800"), "{kept}");
}
