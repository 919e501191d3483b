//! A row of a file: as it is kept until it is carried out, and as it is read.

use super::columns::{Columns, Field};
use super::options::{DateOrder, Decision};
use crate::domain::{Draft, FieldError, RawDraft};
use chrono::NaiveDate;
use csv_intake::{Fault, Record, dates, formula};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use utoipa::ToSchema;

/// The most characters of a cell in a row that could not be read. What is longer is cut for the result file.
const LARGEST_CELL: usize = 16_384;

/// Why a row could not be taken. Never holds a value of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reason {
    /// What kind of mistake, for programs.
    #[schema(value_type = String)]
    pub code: Cow<'static, str>,
    /// What is wrong and what to do.
    pub message: String,
    /// The field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The header of the column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
}

impl Reason {
    /// A reason that concerns the whole row.
    pub fn of_row(code: &'static str, message: impl Into<String>) -> Reason {
        Reason { code: code.into(), message: message.into(), field: None, column: None }
    }

    /// A reason that lies in one field.
    fn of_field(code: &'static str, error: FieldError, columns: &Columns) -> Reason {
        Reason {
            code: code.into(),
            message: error.message,
            column: columns.header_of(error.field).map(str::to_owned),
            field: Some(error.field.to_owned()),
        }
    }
}

/// A row as it is kept, sealed, until it is carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The line of the file on which it begins, from 1.
    #[serde(rename = "l")]
    pub line: u64,
    /// The values of the columns that are read, in their order.
    #[serde(rename = "v")]
    pub values: Vec<String>,
    /// Why its cells cannot be told apart.
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    pub broken: Option<Reason>,
    /// A row of a result file that was taken before and says nothing new.
    #[serde(rename = "t", default, skip_serializing_if = "std::ops::Not::not")]
    pub taken: bool,
    /// What a person decided about it.
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
}

impl Row {
    /// Reads a record of the file.
    pub fn of(record: Record, columns: &Columns, decision: Option<Decision>) -> Row {
        let broken = match &record.fault {
            Some(fault) => Some(Reason::of_row(code(*fault), fault.to_string())),
            None => ragged(&record.cells, columns.all.len()),
        };
        let cell = |place: usize| record.cells.get(place).map(String::as_str).unwrap_or_default();
        let values: Vec<String> = columns.used().map(|(place, _)| cell(place).replace('\0', "")).collect();
        let outcome = columns.outcome.map(cell).unwrap_or_default().trim();
        let taken = broken.is_none()
            && ["created", "updated", "unchanged", "skipped"].contains(&outcome)
            && values.iter().all(|value| value.trim().is_empty());
        let values = if broken.is_some() { values.into_iter().map(cut).collect() } else { values };
        Row { line: record.line, values, broken, taken, decision }
    }

    /// Reads the fields. `today` bounds dates of birth.
    pub fn read(self, how: &Reading<'_>) -> Result<Draft, Vec<Reason>> {
        if let Some(broken) = self.broken {
            return Err(vec![broken]);
        }
        let mut reasons = Vec::new();
        let mut raw = RawDraft::default();
        for ((_, field), mut value) in how.columns.used().zip(self.values) {
            if field == Field::DateOfBirth && !value.trim().is_empty() {
                match dates::parse(&value, how.dates.map(Into::into)) {
                    Ok(date) => value = date.format("%Y-%m-%d").to_string(),
                    Err(why) => {
                        let error = FieldError { field: field.as_str(), message: why.to_string() };
                        reasons.push(Reason::of_field("invalid_value", error, how.columns));
                        value.clear();
                    }
                }
            } else if field != Field::Phone && formula::begins(&value) && !harmless(field, &value) {
                let message =
                    "begins like a formula, which a spreadsheet would run: remove the first character";
                let error = FieldError { field: field.as_str(), message: message.to_owned() };
                reasons.push(Reason::of_field("formula", error, how.columns));
                // Checked no further: its place is filled so that nothing more is said of it.
                continue;
            }
            *place(&mut raw, field) = Some(value);
        }
        let named: Vec<String> = reasons.iter().filter_map(|reason| reason.field.clone()).collect();
        match raw.read(how.today) {
            Ok(draft) if reasons.is_empty() => Ok(draft),
            Ok(_) => Err(reasons),
            Err(errors) => {
                let fresh = errors.into_iter().filter(|error| !named.iter().any(|name| name == error.field));
                reasons.extend(fresh.map(|error| Reason::of_field("invalid_value", error, how.columns)));
                Err(reasons)
            }
        }
    }
}

/// How a file's rows are read.
#[derive(Debug, Clone, Copy)]
pub struct Reading<'a> {
    /// Which column is which.
    pub columns: &'a Columns,
    /// The order of day and month.
    pub dates: Option<DateOrder>,
    /// The present day.
    pub today: NaiveDate,
}

/// Notes may begin with a dash, as lists do: they are made inert wherever we write them.
fn harmless(field: Field, value: &str) -> bool {
    field == Field::Notes && value.trim_start_matches('\'').starts_with(['-', '+'])
}

/// More or fewer cells than headers. Empty ones at the end are a spreadsheet's habit and mean nothing.
fn ragged(cells: &[String], headers: usize) -> Option<Reason> {
    let said = cells.iter().rposition(|cell| !cell.trim().is_empty()).map_or(0, |last| last + 1);
    let message = if cells.len() < headers {
        format!("has {} cells, the header line has {headers}: is a delimiter missing?", cells.len())
    } else if said > headers {
        format!(
            "has {said} cells, the header line has {headers}: does a cell hold the delimiter without quotes around it?"
        )
    } else {
        return None;
    };
    Some(Reason::of_row("ragged", message))
}

fn code(fault: Fault) -> &'static str {
    match fault {
        Fault::Quote { .. } => "quote",
        Fault::TooLong => "too_long",
        Fault::TooManyCells => "too_many_cells",
        Fault::Nul { .. } => "zero_byte",
    }
}

fn cut(value: String) -> String {
    if value.len() <= LARGEST_CELL { value } else { value.chars().take(LARGEST_CELL / 4).collect() }
}

fn place(raw: &mut RawDraft, field: Field) -> &mut Option<String> {
    match field {
        Field::Email => &mut raw.email,
        Field::FirstName => &mut raw.first_name,
        Field::LastName => &mut raw.last_name,
        Field::Phone => &mut raw.phone,
        Field::DateOfBirth => &mut raw.date_of_birth,
        Field::Notes => &mut raw.notes,
        Field::ExternalId => &mut raw.external_id,
        Field::ClinicianId => &mut raw.clinician_id,
        Field::ClinicianName => &mut raw.clinician_name,
        Field::PreferredLanguage => &mut raw.preferred_language,
    }
}
