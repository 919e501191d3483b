//! Files as they really come: letters, delimiters, dates, and rows that cannot be read.

use crate::common::csv::{ends, failures, import_as, of, send, tally};
use crate::common::{Served, World, number, on_both_databases};
use serde_json::{Value, json};

on_both_databases!(
    letters_and_delimiters_are_found_out_and_said,
    dates_are_decided_over_the_whole_column,
    dates_that_may_be_read_in_two_ways_are_refused,
    rows_that_cannot_be_read_are_named_with_line_and_column,
    a_quote_that_is_never_closed_costs_one_row,
    rows_without_anything_are_no_rows,
    what_is_wrong_in_a_cell_names_its_column_and_not_its_value,
    what_a_spreadsheet_would_run_is_refused,
);

/// The first patient on record.
async fn patient(served: &Served, search: &str) -> Value {
    served.staff().all(&format!("/api/patients?search={search}")).await[0].clone()
}

async fn letters_and_delimiters_are_found_out_and_said(world: World) {
    let served = world.serve().await;
    let wide = |text: &str, big: bool| -> Vec<u8> {
        let mark = if big { [0xfe, 0xff] } else { [0xff, 0xfe] };
        let unit = |unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() };
        mark.into_iter().chain(text.encode_utf16().flat_map(unit)).collect()
    };
    let text = |number: usize, sep: &str| {
        let lines = [
            format!("email{sep}first{sep}last"),
            format!("e{number}@example.org{sep}Jörg{sep}Müller{number}"),
        ];
        lines.join("\r\n") + "\r\n"
    };
    let latin: Vec<u8> = text(3, ";").chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    for (number, (query, file, encoding, delimiter)) in [
        ("", text(0, ",").into_bytes(), "UTF-8", ","),
        ("", format!("\u{feff}{}", text(1, ";")).into_bytes(), "UTF-8", ";"),
        ("", format!("sep=|\r\n{}", text(2, "|")).into_bytes(), "UTF-8", "|"),
        ("", latin, "windows-1252", ";"),
        ("", wide(&text(4, "\t"), false), "UTF-16LE", "tab"),
        ("", wide(&text(5, ","), true), "UTF-16BE", ","),
        ("encoding=utf-8&delimiter=;", text(6, ";").replace("\r\n", "\n").into_bytes(), "UTF-8", ";"),
    ]
    .into_iter()
    .enumerate()
    {
        let bytes = file.len();
        let done = import_as(&served, query, file).await;
        assert_eq!(tally(&done), [1, 0, 0, 0, 0], "{done}");
        let said = (&done["file"]["encoding"], &done["file"]["delimiter"], &done["file"]["bytes"]);
        assert_eq!(said, (&json!(encoding), &json!(delimiter), &json!(bytes)));
        let found = patient(&served, &format!("e{number}@")).await;
        assert_eq!(
            (&found["first_name"], &found["last_name"]),
            (&json!("Jörg"), &json!(format!("Müller{number}")))
        );
        // Where it was a guess, a person is asked to look.
        assert_eq!(done["warnings"].as_array().unwrap().len(), usize::from(number == 3), "{done}");
    }
}

async fn dates_are_decided_over_the_whole_column(world: World) {
    let served = world.serve().await;
    let file = |dates: &[&str]| {
        let row = |(number, date): (usize, &&str)| format!("m{number},d{number}@example.org,A,B,{date}\n");
        "id,email,first,last,birthdate\n".to_owned() + &dates.iter().enumerate().map(row).collect::<String>()
    };
    for (query, dates, order, born) in [
        ("", vec!["03/04/1990", "13/04/1990"], json!("dmy"), "1990-04-03"),
        ("", vec!["03/04/1990", "04/13/1990"], json!("mdy"), "1990-03-04"),
        ("date_order=mdy", vec!["03/04/1990"], json!("mdy"), "1990-03-04"),
        ("date_order=dmy", vec!["03.04.1990"], json!("dmy"), "1990-04-03"),
        ("", vec!["1990-04-03", ""], json!(null), "1990-04-03"),
    ] {
        let done = import_as(&served, &format!("on_match=update&{query}"), file(&dates)).await;
        assert_eq!((&done["failed"], &done["file"]["date_order"]), (&json!(0), &order), "{done}");
        assert_eq!(patient(&served, "d0@").await["date_of_birth"], born, "{dates:?}");
    }
    // The order is the file's: a date that does not follow it fails alone.
    let done = import_as(&served, "date_order=mdy", file(&["03/04/1990", "13/04/1990"])).await;
    assert_eq!(failures(&done)[0].0, 2);
}

async fn dates_that_may_be_read_in_two_ways_are_refused(world: World) {
    let served = world.serve().await;
    let head = "email,first,last,birthdate\n";
    for dates in [vec!["03/04/1990"], vec!["13/04/1990", "04/13/1990"]] {
        let rows: String = dates.iter().map(|date| format!("{date}@example.org,A,B,{date}\n")).collect();
        let reply = send(&served.staff(), "", format!("{head}{rows}")).await;
        let body = reply.refused(422, "dates_ambiguous");
        let detail = body["detail"].as_str().unwrap();
        assert!(detail.contains("date_order") && !detail.contains("1990"), "{detail}");
    }
    assert_eq!(number!(served, "select count(*) from imports"), 0);
}

async fn rows_that_cannot_be_read_are_named_with_line_and_column(world: World) {
    let served = world.serve().await;
    let long = "x".repeat(1_100_000);
    let file = format!(
        "email,first,last,notes\r\na@example.org,Ada,Lovelace,\"two\r\nlines\"\r\nshort@example.org,Ada\r\n\
         many@example.org,A,B,c,d,e\r\nspare@example.org,A,B,c,,\r\nzero@example.org,A,B,x\u{0}y\r\n\
         long@example.org,A,B,{long}\r\nlast@example.org,A,B,c\r\n"
    );
    let done = import_as(&served, "", file).await;
    let errors = done["errors"].as_array().unwrap();
    let said: Vec<(i64, i64, &str)> = errors
        .iter()
        .map(|error| {
            let number = |name: &str| error[name].as_i64().unwrap();
            (number("row"), number("line"), error["reasons"][0]["code"].as_str().unwrap())
        })
        .collect();
    let expected = [(2, 4, "ragged"), (3, 5, "ragged"), (5, 7, "zero_byte"), (6, 8, "too_long")];
    assert_eq!(said, expected, "{done}");
    // A spare delimiter at the end is a spreadsheet's habit.
    assert_eq!(ends(&served.staff(), &done).await[3], "created");
    assert_eq!(tally(&done), [3, 0, 0, 0, 4]);
    let list = served.staff().all(&of(&done, "/rows?outcome=failed")).await;
    assert_eq!(list.iter().map(|row| row["line"].as_i64().unwrap()).collect::<Vec<_>>(), [4, 5, 7, 8]);
    let result = served.staff().get(&of(&done, "/result")).await.is(200);
    assert!(result.text.contains("many@example.org"), "a row that cannot be read is kept to be corrected");
    assert!(!result.text.contains('\u{0}'));
}

async fn a_quote_that_is_never_closed_costs_one_row(world: World) {
    let served = world.serve().await;
    let file = "email,first,last\na@example.org,Ada,\"Lovelace\nb@example.org,Bob,Byron\nc@example.org,Cy,\"Twombly\"\n";
    let done = import_as(&served, "", file).await;
    assert_eq!(failures(&done), [(1, "quote".to_owned())]);
    assert_eq!(ends(&served.staff(), &done).await, ["failed", "created", "created"]);
    assert_eq!(done["errors"][0]["line"], 2);
}

async fn rows_without_anything_are_no_rows(world: World) {
    let served = world.serve().await;
    let file = "\n\nemail,first,last\n\na@example.org,Ada,Lovelace\n , ,\n,,\n\nb@example.org,Bob,Byron\n\n";
    let done = import_as(&served, "", file).await;
    assert_eq!(tally(&done), [2, 0, 0, 0, 0], "{done}");
    let lines: Vec<Value> = served.staff().all(&of(&done, "/rows")).await;
    let lines: Vec<(i64, i64)> =
        lines.iter().map(|row| (row["row"].as_i64().unwrap(), row["line"].as_i64().unwrap())).collect();
    assert_eq!(lines, [(1, 5), (2, 9)]);
    assert!(done["file"]["blank_rows"].as_i64().unwrap() >= 4, "{done}");
}

async fn what_is_wrong_in_a_cell_names_its_column_and_not_its_value(world: World) {
    let served = world.serve().await;
    let file = "MRN,E-Mail,Given name,Surname,DOB,Mobile,Lang\n\
                m1,planted at nowhere,Planted,Planted,1990-02-31,planted phone,Plantish language\n\
                m2,b@example.org,,Byron,2999-01-01,12345,en\n";
    let done = import_as(&served, "", file).await;
    let reasons = |row: usize| -> Vec<(&str, &str, &str)> {
        let reasons = done["errors"][row]["reasons"].as_array().unwrap().iter();
        reasons
            .map(|r| {
                (r["code"].as_str().unwrap(), r["field"].as_str().unwrap(), r["column"].as_str().unwrap())
            })
            .collect()
    };
    let mut first = reasons(0);
    first.sort_by_key(|reason| reason.1);
    let wrong = "invalid_value";
    let expected = [
        (wrong, "date_of_birth", "DOB"),
        (wrong, "email", "E-Mail"),
        (wrong, "phone", "Mobile"),
        (wrong, "preferred_language", "Lang"),
    ];
    assert_eq!(first, expected);
    assert_eq!(reasons(1).len(), 2);
    assert!(!done.to_string().to_lowercase().contains("plant"), "{done}");
    assert_eq!(number!(served, "select count(*) from events"), 0);
}

async fn what_a_spreadsheet_would_run_is_refused(world: World) {
    let served = world.serve().await;
    let file = "id,email,first,last,notes,phone\n\
                m1,a@example.org,=cmd,Lovelace,,\nm2,b@example.org,Bob,@SUM(A1),,\n\
                m3,c@example.org,Cy,Young,=1+1,\n=m4,d@example.org,Di,Doe,,\n\
                m5,e@example.org,Ed,Poe,- likes lists,+44 20 7946 0001\n";
    let done = import_as(&served, "", file).await;
    let said: Vec<(i64, &str, &str)> = done["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| {
            let reason = &e["reasons"][0];
            (e["row"].as_i64().unwrap(), reason["code"].as_str().unwrap(), reason["field"].as_str().unwrap())
        })
        .collect();
    let formula = "formula";
    let expected = [
        (1, formula, "first_name"),
        (2, formula, "last_name"),
        (3, formula, "notes"),
        (4, formula, "external_id"),
    ];
    assert_eq!(said, expected, "{done}");
    assert_eq!(patient(&served, "e@example").await["phone"], "+44 20 7946 0001");
}
