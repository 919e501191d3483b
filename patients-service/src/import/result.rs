//! The result of an import as a file: what became of each row. Failed rows carry their values, so that the
//! file can be corrected and sent again as it is.

use super::chunk::{self, Ended, Outcome};
use super::columns::{Columns, Field, RESULT};
use super::row::Reason;
use crate::store::imports::chunks::Chunk;
use csv_intake::dates::{self, Order};
use csv_intake::write_row;
use shared_runtime::keys::{DataKey, KeysError};

/// The header line.
pub fn headers(columns: &Columns) -> String {
    let used =
        columns.used().filter_map(|(place, _)| columns.all.get(place)).map(|column| column.header.as_str());
    let mut out = String::new();
    write_row(&mut out, RESULT.into_iter().chain(used));
    out
}

/// The lines of a chunk; of those that failed alone, where only these are wanted. `key` opens failed rows.
///
/// Dates that can be read are written as YYYY-MM-DD: those of failed rows alone might not tell day from month any more.
pub fn lines(
    chunk: &Chunk,
    columns: &Columns,
    order: Option<Order>,
    key: &DataKey,
    only_failed: bool,
) -> Result<String, KeysError> {
    let birth = columns.fields().iter().position(|field| *field == Field::DateOfBirth);
    let outcomes = chunk.outcomes.as_ref().map(|outcomes| outcomes.0.as_slice()).unwrap_or_default();
    let blank = vec![String::new(); columns.used().count()];
    let mut out = String::new();
    for ((outcome, block), row_no) in outcomes.iter().zip(chunk::blocks(&chunk.sealed)).zip(chunk.first_row..)
    {
        if only_failed && outcome.ended != Ended::Failed {
            continue;
        }
        let mut values = match chunk::open(key, row_no, block)? {
            Some(row) => row.values,
            None => blank.clone(),
        };
        values.resize(blank.len(), String::new());
        if let Some(value) = birth.and_then(|place| values.get_mut(place))
            && let Ok(date) = dates::parse(value, order)
        {
            *value = date.format("%Y-%m-%d").to_string();
        }
        write_row(&mut out, ours(row_no, outcome).into_iter().chain(values));
    }
    Ok(out)
}

fn ours(row_no: i64, outcome: &Outcome) -> [String; 5] {
    let reasons: Vec<String> = outcome.reasons.iter().map(said).collect();
    [
        row_no.to_string(),
        outcome.line.to_string(),
        outcome.ended.as_str().to_owned(),
        outcome.patient.map(|id| id.to_string()).unwrap_or_default(),
        reasons.join("; "),
    ]
}

/// A reason as a sentence for a cell.
fn said(reason: &Reason) -> String {
    match (&reason.column, &reason.field) {
        (Some(column), _) => format!("{column} {}", reason.message),
        (None, Some(field)) => format!("{field} {}", reason.message),
        (None, None) => reason.message.clone(),
    }
}
