//! The examples of `docs/importing.md`, as the page tells of them.

use crate::common::csv::{ends, import_as, of, tally};
use crate::common::{World, on_both_databases};
use serde_json::{Value, json};

on_both_databases!(the_example_is_imported_whole, the_example_with_faults_fails_as_the_page_says);

const GOOD: &str = include_str!("../../../docs/examples/patients.csv");
const FAULTY: &str = include_str!("../../../docs/examples/patients-with-faults.csv");
const PAGE: &str = include_str!("../../../docs/importing.md");

async fn the_example_is_imported_whole(world: World) {
    let served = world.serve().await;
    let dry = import_as(&served, "dry_run=true", GOOD).await;
    assert_eq!((tally(&dry), &dry["duplicates"]), ([12, 0, 0, 0, 0], &json!([])));
    let done = import_as(&served, "", GOOD).await;
    assert_eq!((tally(&done), &done["ignored_columns"]), ([12, 0, 0, 0, 0], &json!([])));
    assert_eq!(tally(&import_as(&served, "", GOOD).await), [0, 0, 12, 0, 0]);
    let kofi = &served.staff().all("/api/patients?search=mensah").await[0];
    assert_eq!(kofi["notes"], "Says \"Kofi\", not Mr Mensah");
}

/// Rows and lines of the page's table.
fn table() -> Vec<(i64, i64)> {
    let part = PAGE.split("## An example with faults").nth(1).unwrap().split("\n## ").next().unwrap();
    let cells = |line: &str| -> Option<(i64, i64)> {
        let mut cells = line.split('|').skip(1).map(str::trim);
        Some((cells.next()?.parse().ok()?, cells.next()?.parse().ok()?))
    };
    part.lines().filter_map(cells).collect()
}

async fn the_example_with_faults_fails_as_the_page_says(world: World) {
    let served = world.serve().await;
    for query in ["dry_run=true", ""] {
        let done = import_as(&served, query, FAULTY).await;
        let rows = served.staff().all(&of(&done, "/rows")).await;
        let number = |row: &Value, name: &str| row[name].as_i64().unwrap();
        let lines: Vec<(i64, i64)> =
            rows.iter().map(|row| (number(row, "row"), number(row, "line"))).collect();
        assert_eq!(lines, table());
        let why = |row: &Value| -> String {
            let reasons = row["reasons"].as_array().into_iter().flatten();
            let said =
                |reason: &Value| reason["field"].as_str().or(reason["code"].as_str()).unwrap().to_owned();
            reasons.map(said).collect::<Vec<_>>().join(" ")
        };
        let whys: Vec<String> = rows.iter().map(why).collect();
        let expected = [
            "",
            "last_name",
            "email",
            "date_of_birth",
            "date_of_birth",
            "date_of_birth",
            "phone",
            "preferred_language",
            "",
            "email_taken",
            "ragged",
            "quote",
            "",
        ];
        assert_eq!(whys, expected);
        let outcomes = ends(&served.staff(), &done).await;
        assert_eq!([&outcomes[0], &outcomes[8], &outcomes[12]], ["created", "unchanged", "created"]);
        assert_eq!(tally(&done), [2, 0, 1, 0, 10]);
        assert_eq!((&done["file"]["date_order"], &done["file"]["blank_rows"]), (&json!("dmy"), &json!(1)));
        assert_eq!(done["ignored_columns"], json!(["Favourite colour"]));
        if query == "dry_run=true" {
            assert_eq!(done["duplicates"][0]["same_as"], json!([1]));
            assert_eq!(done["duplicates"][0]["row"], 9);
        }
    }
}
