//! What a report says, part by part.

use super::job::Job;
use super::report::report;
use serde_json::{Value, json};

fn said(job: Value) -> String {
    report(&serde_json::from_value::<Job>(job).expect("a job"))
}

#[test]
fn a_dry_run_says_plainly_that_nothing_was_written() {
    let told = said(json!({
        "state": "done", "dry_run": true, "read": 5, "created": 2, "skipped": 1, "failed": 2,
        "file": {"sha256": "ab".repeat(32), "bytes": 2048, "encoding": "utf-8", "delimiter": "tab", "date_order": "mdy"},
        "matches": [{"row": 4, "line": 5, "patient_id": "p4", "by": ["email", "last_name"], "outcome": "skipped", "differs": ["phone"]}],
        "duplicates": [{"row": 5, "line": 6, "same_as": [2, 3]}],
        "warnings": ["many rows have no date of birth"]
    }));
    assert!(told.starts_with("Dry run: nothing was written."), "{told}");
    for words in [
        "columns between tabs, dates month/day/year",
        "row 4 (line 5): known by email and last_name, would be skipped; differs in phone  (patient p4)",
        &format!("{{\"file_sha256\": \"{}\", \"rows\": {{\"4\": \"update\"}}}}", "ab".repeat(32)),
        "row 5 (line 6): the same address or external id as row 2, 3",
        "many rows have no date of birth",
    ] {
        assert!(told.contains(words), "{words}\n{told}");
    }
}

#[test]
fn twenty_failed_rows_are_shown_and_the_rest_counted() {
    let errors: Vec<Value> = (1..=100)
        .map(|row| {
            json!({"row": row, "line": row + 1, "reasons": [
            {"code": "required", "message": "is missing", "column": "E-Mail"},
            {"code": "ambiguous", "message": "fits two patients"}]})
        })
        .collect();
    let told = said(json!({"state": "done", "read": 1500, "failed": 1500, "errors": errors}));
    assert_eq!(told.matches("(line ").count(), 20);
    assert!(told.contains("row 20 (line 21): E-Mail: is missing; fits two patients\n"), "{told}");
    assert!(told.contains("and 1,480 more: --result FILE has them all"), "{told}");
}

#[test]
fn what_the_file_says_cannot_take_over_the_terminal() {
    let told = said(json!({"state": "done", "ignored_columns": ["\u{1b}]0;owned\u{7}"],
        "columns": [{"header": "\u{1b}[2J", "field": "email", "by": "mapping"}]}));
    assert!(!told.contains(['\u{1b}', '\u{7}']), "{told:?}");
    assert!(told.contains("(your mapping)"));
}

#[test]
fn what_is_not_told_is_not_said() {
    let told = said(json!({"state": "done", "read": 1, "created": 1}));
    assert!(
        !told.contains("columns") && !told.contains("invites") && !told.contains("failed rows"),
        "{told}"
    );
}
