//! What became of each row: as a list, as a file that is sent again, and tried once more.

use crate::common::client::{at, person};
use crate::common::csv::{
    carry_out, ends, failures, file, import_as, import_form, of, row, send, standing, tally,
};
use crate::common::{World, number, on_both_databases};
use chrono::TimeDelta;
use serde_json::{Value, json};

on_both_databases!(
    rows_are_listed_page_by_page_over_all_chunks,
    a_list_of_rows_is_asked_for_properly,
    a_result_file_is_corrected_and_sent_again,
    a_result_file_runs_nothing_and_comes_back_as_it_was,
    failed_rows_are_tried_once_more,
    an_import_at_work_is_left_alone,
    results_are_kept_for_thirty_days,
);

const PLAIN: &str = "id,email,first,last,phone\n";

/// 1,300 rows; every hundredth has no address.
fn large() -> String {
    file((1..=1300).map(|number| match number % 100 {
        0 => row(number).replace(&format!("imported{number}@example.org"), "none"),
        _ => row(number),
    }))
}

fn numbers(rows: &[Value]) -> Vec<i64> {
    rows.iter().map(|row| row["row"].as_i64().unwrap()).collect()
}

async fn rows_are_listed_page_by_page_over_all_chunks(world: World) {
    let served = world.serve().await;
    let done = import_as(&served, "", large()).await;
    assert_eq!(tally(&done), [1287, 0, 0, 0, 13]);
    let all = served.viewer().all(&of(&done, "/rows?limit=200")).await;
    assert_eq!(numbers(&all), (1..=1300).collect::<Vec<i64>>());
    assert_eq!(all[1298]["line"], 1300);
    let failed: Vec<i64> = (1..=13).map(|hundred| hundred * 100).collect();
    for limit in [1, 5, 200] {
        let found = served.viewer().all(&of(&done, &format!("/rows?outcome=failed&limit={limit}"))).await;
        assert_eq!(numbers(&found), failed, "{limit}");
        assert!(found.iter().all(|row| row["reasons"][0]["field"] == "email" && row["outcome"] == "failed"));
    }
    let created = served.viewer().all(&of(&done, "/rows?outcome=created&limit=111")).await;
    assert_eq!(created.len(), 1287);
    assert!(created.iter().all(|row| row["patient_id"].is_string() && row["match"].is_null()));
    assert!(served.viewer().all(&of(&done, "/rows?outcome=updated")).await.is_empty());
    // A patient that a row names is the one on record.
    let id = all[16]["patient_id"].as_str().unwrap().parse().unwrap();
    let patient = served.staff().get(&at(id)).await.is(200).body;
    assert_eq!(patient["email"], "imported17@example.org");
}

async fn a_list_of_rows_is_asked_for_properly(world: World) {
    let served = world.serve().await;
    let id = served.staff().upload(file((0..600).map(row))).await.is(202).id();
    let path = format!("/api/imports/{id}/rows");
    let waiting = served.staff().get(&path).await.is(200).body;
    assert_eq!(waiting, json!({ "items": [], "next_cursor": null }));
    served.service.import_worker().step().await.unwrap();
    assert_eq!(served.staff().all(&path).await.len(), 500);
    carry_out(&served).await;
    let page = served.staff().get(&path).await.is(200).body;
    assert_eq!(page["items"].as_array().unwrap().len(), 50);
    let cursor = page["next_cursor"].as_str().unwrap();
    let served_for = |query: String| {
        let api = served.staff();
        let path = format!("{path}?{query}");
        async move { api.get(&path).await.status }
    };
    // A cursor is for the list it came from.
    assert_eq!(served_for(format!("cursor={cursor}&outcome=failed")).await, 400);
    for query in ["outcome=perhaps", "limit=0", "limit=201", "cursor=abc", "state=done"] {
        assert_eq!(served_for(query.to_owned()).await, 400, "{query}");
    }
    let reply = served.staff().get(&format!("/api/imports/{id}/result?only=created")).await;
    assert_eq!(reply.status, 400);
}

async fn a_result_file_is_corrected_and_sent_again(world: World) {
    let served = world.serve().await;
    served.staff().create(&person(1)).await;
    let register = format!(
        "{PLAIN}m1,a@example.org,Ada,Lovelace,+44 20 7946 0001\nm2,nowhere,Bob,Byron,+44 20 7946 0002\n\
         ,person1@example.org,Given1,Family001,\n,person1@example.org,Given1,Family001,99999\nm3,c@example.org,,Young,\n"
    );
    let done = import_as(&served, "", register).await;
    assert_eq!(ends(&served.staff(), &done).await, ["created", "failed", "unchanged", "skipped", "failed"]);
    let reply = served.staff().get(&of(&done, "/result")).await.is(200);
    assert_eq!(reply.headers["content-type"], "text/csv; charset=utf-8");
    let name = format!("attachment; filename=\"import-{}.csv\"", done["id"].as_str().unwrap());
    assert_eq!(reply.headers["content-disposition"], name.as_str());
    let lines: Vec<&str> = reply.text.trim_start_matches('\u{feff}').lines().collect();
    let ours = "import_row,import_line,import_outcome,import_patient_id,import_reasons";
    assert_eq!(lines[0], format!("{ours},id,email,first,last,phone"));
    assert_eq!(lines.len(), 6);
    assert!(lines[1].starts_with("1,2,created,") && lines[1].ends_with(",,,,,,"), "{}", lines[1]);
    assert!(lines[2].starts_with("2,3,failed,,") && lines[2].contains("'+44 20 7946 0002"), "{}", lines[2]);
    let failed = served.staff().get(&of(&done, "/result?only=failed")).await.is(200).text;
    assert_eq!(
        failed.trim_start_matches('\u{feff}').lines().collect::<Vec<_>>(),
        [lines[0], lines[2], lines[5]]
    );

    let corrected =
        reply.text.replace("nowhere", "b@example.org").replace("c@example.org,,", "c@example.org,Cy,");
    let again = import_as(&served, "", corrected.clone()).await;
    assert_eq!(
        ends(&served.staff(), &again).await,
        ["unchanged", "created", "unchanged", "unchanged", "created"]
    );
    assert_eq!(again["ignored_columns"], json!([]));
    let bob = &served.staff().all("/api/patients?search=byron").await[0];
    assert_eq!(bob["phone"], "+44 20 7946 0002");
    // Once more: nothing is left to do.
    assert_eq!(tally(&import_as(&served, "", corrected).await), [0, 0, 5, 0, 0]);
    assert_eq!(number!(served, "select count(*) from patients"), 4);
}

async fn a_result_file_runs_nothing_and_comes_back_as_it_was(world: World) {
    let served = world.serve().await;
    let register =
        format!("{PLAIN}m1,nowhere,=1+1,@Young,+44 20\nm2,nowhere,'t Hart,\"Smith, \"\"el\"\"\n\",-5\n");
    let done = import_as(&served, "", register).await;
    let first = served.staff().get(&of(&done, "/result")).await.is(200).text;
    for cell in first.split(['\n', '\r']).flat_map(|line| line.split(',')) {
        let plain = cell.trim_start_matches(['"', '\u{feff}']);
        assert!(!plain.starts_with(['=', '+', '-', '@']), "{cell} would run");
    }
    let again = import_as(&served, "", first.clone()).await;
    assert_eq!(failures(&again).len(), 2);
    let second = served.staff().get(&of(&again, "/result")).await.is(200).text;
    let values = |text: &str| {
        text.split("nowhere")
            .skip(1)
            .map(|rest| rest.split("\n2,").next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(values(&first), values(&second));
}

async fn failed_rows_are_tried_once_more(world: World) {
    let served = world.serve().await;
    let stranger = served
        .staff()
        .create(&json!({
        "email": "imported100@example.org", "first_name": "In", "last_name": "The way" }))
        .await;
    let done = import_as(&served, "", file((1..=1100).map(row))).await;
    assert_eq!((tally(&done), failures(&done)), ([1099, 0, 0, 0, 1], vec![(100, "email_taken".to_owned())]));
    let retry = of(&done, "/retry");
    // As it is, it fails again.
    for _ in 0..2 {
        let id = served.staff().post(&retry, &json!({})).await.is(202).id();
        let at_work = standing(&served.staff(), id).await;
        assert_eq!((&at_work["state"], &at_work["failed"]), (&json!("running"), &json!(0)));
        carry_out(&served).await;
        let again = standing(&served.staff(), id).await;
        assert_eq!((tally(&again), failures(&again).len()), ([1099, 0, 0, 0, 1], 1));
    }
    served.staff().delete(&at(stranger), "*").await.is(200);
    world.clock().advance(TimeDelta::days(29));
    let key = ("try-1", json!({}));
    let id = served.staff().post_as(key.0, &retry, &key.1).await.is(202).id();
    carry_out(&served).await;
    let done = standing(&served.staff(), id).await;
    assert_eq!(
        (&done["state"], tally(&done), &done["errors"]),
        (&json!("done"), [1100, 0, 0, 0, 0], &json!([]))
    );
    assert_eq!(served.staff().post_as(key.0, &retry, &key.1).await.is(202).id(), id);
    assert_eq!(standing(&served.staff(), id).await["state"], "done");
    let patients = number!(served, "select count(*) from patients where import_id is not null");
    assert_eq!(patients, 1100);
    let result = served.staff().get(&of(&done, "/result")).await.is(200).text;
    assert!(!result.contains("Given100"), "nothing is kept of a row that went well");
}

async fn an_import_at_work_is_left_alone(world: World) {
    let served = world.serve().await;
    let id = send(&served.staff(), "", file((0..3).map(row))).await.is(202).id();
    for what in ["retry", "undo"] {
        let reply = served.staff().post(&format!("/api/imports/{id}/{what}"), &json!({})).await;
        let detail = reply.refused(409, "import_running")["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains("events"), "{detail}");
    }
    served.staff().get(&format!("/api/imports/{id}/result")).await.refused(409, "import_running");
    carry_out(&served).await;
    let dry = import_form(&served, &[("dry_run", "true"), ("file", &file([row(5)]))]).await;
    for what in ["/retry", "/undo"] {
        let reply = served.staff().post(&of(&dry, what), &json!({})).await;
        reply.refused(409, "import_is_dry_run");
    }
    served.staff().get(&of(&dry, "/result")).await.is(200);
}

async fn results_are_kept_for_thirty_days(world: World) {
    let served = world.serve().await;
    let how = "invite=true&provider_id=dr-1";
    let waiting =
        import_as(&served, how, format!("{PLAIN}m1,a@example.org,Ada,Lovelace,\nm2,none,B,C,\n")).await;
    let done = import_as(&served, "", format!("{PLAIN}m3,c@example.org,Cy,Young,\nm4,none,B,C,\n")).await;
    assert_eq!((&waiting["state"], &done["state"]), (&json!("inviting"), &json!("done")));
    assert_eq!(done["result_until"], "2026-12-23T08:00:00Z");
    let worker = served.service.import_worker();
    world.clock().advance(TimeDelta::days(30));
    assert!(!worker.tidy().await.unwrap(), "not before its time");
    world.clock().advance(TimeDelta::seconds(1));
    while worker.tidy().await.unwrap() {}
    assert_eq!(number!(served, "select count(*) from import_chunks"), 0);
    for import in [&waiting, &done] {
        for what in ["/result", "/rows"] {
            served.staff().get(&of(import, what)).await.refused(410, "import_result_gone");
        }
        let still = served.staff().get(&of(import, "")).await.is(200).body;
        assert_eq!((tally(&still), still.get("result_until")), (tally(import), None));
    }
    served.staff().post(&of(&done, "/retry"), &json!({})).await.refused(410, "import_result_gone");
    assert_eq!(number!(served, "select count(*) from imports where words is not null"), 0);
    // Undoing needs no rows.
    served.staff().post(&of(&done, "/undo"), &json!({})).await.is(202);
    carry_out(&served).await;
    assert_eq!(served.staff().get(&of(&done, "")).await.body["undo"]["archived"], 1);
}
