//! The catalogue beside its golden files.
//!
//! * `golden/events.v<n>.json`: one stored event of each kind, as version n wrote it. Every program from
//!   now on must read them, so a file here is only ever added to.
//! * `golden/schemas.json`: the JSON Schema of each kind. It may change only by a new version.
//! * `docs/events.md`: the table for people.
//!
//! `UPDATE_GOLDEN=1 cargo test -p shared-events` writes schemas and document anew; look at the
//! difference before you commit it.

use schemars::SchemaGenerator;
use serde_json::{Map, Value};
use shared_events::{CATALOGUE, Event, Kind};
use std::fmt::Write;
use std::path::{Path, PathBuf};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn stored(version: i16) -> Map<String, Value> {
    let path = golden(&format!("events.v{version}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|_| panic!("{} is missing", path.display()));
    serde_json::from_str(&text).expect("a JSON object of events by name")
}

fn check(path: &Path, made: &str) {
    if std::env::var("UPDATE_GOLDEN").is_ok() {
        std::fs::write(path, made).expect("written");
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        kept == made,
        "{} is not what the catalogue says. Stored events cannot change: give a changed event a new version. \
         If the change only adds, run UPDATE_GOLDEN=1 cargo test -p shared-events and read the difference.",
        path.display()
    );
}

#[test]
fn every_event_ever_stored_is_still_read() {
    for kind in CATALOGUE {
        for version in 1..=kind.version {
            let stored = stored(version);
            let data = stored.get(kind.name).unwrap_or_else(|| panic!("no stored {} v{version}", kind.name));
            let event = Event::from_data(kind.name, version, data.clone()).expect("reads");
            assert_eq!(event.kind().name, kind.name);
            if version == kind.version {
                assert_eq!(&event.to_data(), data, "{} is written as it was read", kind.name);
            }
        }
    }
}

#[test]
fn personal_fields_stand_under_one_member_only() {
    let words = [
        "email",
        "first_name",
        "last_name",
        "phone",
        "date_of_birth",
        "notes",
        "external_id",
        "custom_message",
        "note",
    ];
    for (name, mut data) in stored(1) {
        shared_events::personal::split(&mut data);
        // Names of changed fields are no fields.
        data.as_object_mut().map(|members| members.remove("changed"));
        let plain = data.to_string();
        for word in words {
            assert!(!plain.contains(&format!("\"{word}\":")), "{name} says {word} in the clear");
        }
    }
}

#[test]
fn an_erased_event_is_read_as_erased() {
    for (name, mut data) in stored(1) {
        if shared_events::personal::split(&mut data).is_some() {
            shared_events::personal::join(&mut data, Value::String("erased".to_owned()));
            Event::from_data(&name, 1, data).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }
}

#[test]
fn what_nobody_says_and_what_is_newer_is_refused() {
    assert!(Event::from_data("PatientSneezed", 1, Value::Null).is_err());
    assert!(Event::from_data("PatientCreated", 99, Value::Null).is_err());
    assert!(Event::from_data("PatientCreated", 1, Value::Null).is_err());
}

#[test]
fn schemas_are_the_golden_ones() {
    let mut generator = SchemaGenerator::default();
    let mut events = Map::new();
    for kind in CATALOGUE {
        events.insert(format!("{}.v{}", kind.name, kind.version), (kind.schema)(&mut generator).into());
    }
    let whole = serde_json::json!({ "events": events, "$defs": generator.take_definitions(true) });
    check(&golden("schemas.json"), &(serde_json::to_string_pretty(&whole).expect("JSON") + "\n"));
}

#[test]
fn the_document_is_up_to_date() {
    let mut page = String::from(
        "# Events\n\nMade from the catalogue in `shared-events/src/catalogue.rs`; do not edit. On the bus each travels in a CloudEvents\n\
         1.0 envelope under the key `<service>.<aggregate>.<Event>.v<n>`. Fields marked *sealed* are readable only for services\n\
         that hold the bus key.\n",
    );
    let mut aggregate = "";
    for kind in CATALOGUE {
        if kind.aggregate != aggregate {
            aggregate = kind.aggregate;
            write!(
                page,
                "\n## {aggregate}\n\n| event | said by | what it says | fields |\n|---|---|---|---|\n"
            )
            .expect("written");
        }
        writeln!(
            page,
            "| `{}` v{} | {} | {} | {} |",
            kind.name,
            kind.version,
            kind.sources.join(", "),
            kind.about.trim(),
            fields(kind)
        )
        .expect("written");
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/events.md");
    check(&path, &page);
}

/// The fields of an event, read off its golden sample, which has every optional field.
fn fields(kind: &Kind) -> String {
    let mut data = stored(kind.version).remove(kind.name).expect("a sample");
    let sealed = shared_events::personal::split(&mut data);
    let names = |value: &Value| -> Vec<String> {
        value.as_object().into_iter().flatten().map(|(name, _)| format!("`{name}`")).collect()
    };
    let mut all = names(&data);
    if let Some(sealed) = sealed {
        all.push(format!("*sealed:* {}", names(&sealed).join(" ")));
    }
    all.join(" ")
}
