//! What a person is told of an import.

use super::job::{Column, Failed, File, Job, Match, Reason};
use crate::commands::words::{counts, grouped, plain};
use indicatif::HumanBytes;

/// How many rows of a kind are shown.
const SHOWN: usize = 20;

/// All of it, for a terminal or a file.
pub fn report(job: &Job) -> String {
    let parts = [
        headline(job),
        rows(job),
        file(&job.file),
        columns(job),
        list("warnings", &job.warnings, |warning| plain(warning), job.warnings.len() as u64, ""),
        duplicates(job),
        matches(job),
        failures(job),
        invites(job),
        undone(job),
    ];
    let said: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    said.join("\n")
}

fn headline(job: &Job) -> String {
    let failure = job.failure.as_deref().unwrap_or("the server does not say why");
    match (job.state.as_str(), job.dry_run) {
        ("done", true) => {
            "Dry run: nothing was written. This is what the import would have done.\n".to_owned()
        }
        ("done", false) => "The import is done.\n".to_owned(),
        ("undone", _) => "The import was undone.\n".to_owned(),
        ("failed", _) => format!("The import could not go on: {}\n", plain(failure)),
        (state, _) => format!("The import is not at its end: {}.\n", plain(state)),
    }
}

fn rows(job: &Job) -> String {
    counts(&[
        (job.read, "rows read"),
        (job.created, "created"),
        (job.updated, "updated"),
        (job.unchanged, "unchanged: on record just so"),
        (job.skipped, "skipped: on record with other fields, left as they are"),
        (job.failed, "failed"),
    ])
}

fn file(file: &File) -> String {
    let mut facts = Vec::new();
    if file.bytes > 0 {
        facts.push(HumanBytes(file.bytes).to_string());
    }
    if !file.encoding.is_empty() {
        facts.push(format!("letters in {}", plain(&file.encoding)));
    }
    match file.delimiter.as_str() {
        "" => {}
        "tab" | "\t" => facts.push("columns between tabs".to_owned()),
        other => facts.push(format!("columns between \"{}\"", plain(other))),
    }
    match file.date_order.as_deref() {
        Some("dmy") => facts.push("dates day/month/year".to_owned()),
        Some("mdy") => facts.push("dates month/day/year".to_owned()),
        _ => {}
    }
    if file.blank_rows > 0 {
        facts.push(format!("{} blank rows left out", grouped(file.blank_rows)));
    }
    if facts.is_empty() { String::new() } else { format!("  file: {}\n", facts.join(", ")) }
}

fn columns(job: &Job) -> String {
    let used: Vec<&Column> = job.columns.iter().filter(|column| column.field.is_some()).collect();
    let wide = used.iter().map(|column| column.header.chars().count()).max().unwrap_or(0).min(40);
    let mut said = String::new();
    for column in &used {
        let by = match column.by.as_str() {
            "mapping" => "  (your mapping)",
            "remembered" => "  (the clinic's mapping)",
            _ => "",
        };
        let field = column.field.as_deref().unwrap_or_default();
        said += &format!("    {:wide$}  is  {}{by}\n", plain(&column.header), plain(field));
    }
    if !job.ignored_columns.is_empty() {
        let names: Vec<String> = job.ignored_columns.iter().map(|name| plain(name)).collect();
        said += &format!("    not read: {}\n", names.join(", "));
    }
    if said.is_empty() { said } else { format!("  columns\n{said}") }
}

fn duplicates(job: &Job) -> String {
    let shown = |row: &super::job::Duplicate| {
        let others: Vec<String> = row.same_as.iter().map(u64::to_string).collect();
        format!("{}: the same address or external id as row {}", place(row.row, row.line), others.join(", "))
    };
    list(
        "rows that resemble others",
        &job.duplicates,
        shown,
        job.duplicates.len() as u64,
        "in the result (--result FILE)",
    )
}

fn matches(job: &Job) -> String {
    if !job.dry_run {
        return String::new();
    }
    let shown = |row: &Match| {
        let differs = match row.differs.as_slice() {
            [] => String::new(),
            fields => format!("; differs in {}", plain(&fields.join(", "))),
        };
        let known = plain(&row.by.join(" and "));
        format!(
            "{}: known by {known}, would be {}{differs}  (patient {})",
            place(row.row, row.line),
            plain(&row.outcome),
            plain(&row.patient_id)
        )
    };
    // A hundred are named; rows that resemble each other alone are among the counts and not among these.
    let named = job.matches.len() as u64;
    let all = if named < 100 { named } else { job.updated + job.unchanged + job.skipped };
    let said = list("patients on record", &job.matches, shown, all, "in the result (--result FILE)");
    if said.is_empty() || job.file.sha256.is_empty() {
        return said;
    }
    format!(
        "{said}    to decide row by row: --decisions FILE, with {{\"file_sha256\": \"{}\", \"rows\": {{\"{}\": \"update\"}}}}\n",
        plain(&job.file.sha256),
        job.matches.first().map_or(1, |row| row.row)
    )
}

fn failures(job: &Job) -> String {
    let shown = |row: &Failed| {
        let reasons: Vec<String> = row.reasons.iter().map(reason).collect();
        format!("{}: {}", place(row.row, row.line), reasons.join("; "))
    };
    list("rows that failed", &job.errors, shown, job.failed, "--result FILE has them all")
}

fn reason(reason: &Reason) -> String {
    let where_to = match (&reason.column, &reason.field) {
        (Some(name), _) | (None, Some(name)) => format!("{}: ", plain(name)),
        (None, None) => String::new(),
    };
    let what = if reason.message.is_empty() { &reason.code } else { &reason.message };
    format!("{where_to}{}", plain(what))
}

fn place(row: u64, line: u64) -> String {
    format!("row {row} (line {line})")
}

/// A heading, the first things below it, and how many more there are: `all` counts those the server did not
/// send, too.
fn list<T>(heading: &str, items: &[T], shown: impl Fn(&T) -> String, all: u64, rest: &str) -> String {
    if items.is_empty() {
        return String::new();
    }
    let mut said = format!("  {heading}\n");
    for item in items.iter().take(SHOWN) {
        said += &format!("    {}\n", shown(item));
    }
    let more = all.max(items.len() as u64) - items.len().min(SHOWN) as u64;
    if more > 0 {
        let rest = if rest.is_empty() { String::new() } else { format!(": {rest}") };
        said += &format!("    and {} more{rest}\n", grouped(more));
    }
    said
}

fn invites(job: &Job) -> String {
    let Some(invites) = &job.invites else { return String::new() };
    let lines =
        [(invites.requested, "invites asked for"), (invites.issued, "issued"), (invites.refused, "refused")];
    counts(&lines)
}

fn undone(job: &Job) -> String {
    let Some(undo) = &job.undo else { return String::new() };
    let lines = counts(&[(undo.archived, "patients archived"), (undo.kept, "left as they are")]);
    let shown =
        |left: &super::job::Left| format!("patient {}: {}", plain(&left.patient_id), plain(&left.reason));
    lines + &list("patients left as they are", &undo.left, shown, undo.kept, "")
}
