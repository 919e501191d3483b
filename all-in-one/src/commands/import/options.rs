//! What an import is told beside its file. All of it is checked before anything is sent.

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// The fields that a column may fill.
const FIELDS: [&str; 10] = [
    "email",
    "first_name",
    "last_name",
    "phone",
    "date_of_birth",
    "notes",
    "external_id",
    "clinician_id",
    "clinician_name",
    "preferred_language",
];

/// How the file is read, and what becomes of its rows.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Options {
    /// Write nothing: say what would be done.
    #[arg(long)]
    pub dry_run: bool,
    /// What to do with a row whose patient is on record with other fields.
    #[arg(long, value_name = "POLICY")]
    on_match: Option<OnMatch>,
    /// A JSON file that says which column is which: {"Header": "field", "Other header": null}.
    #[arg(long, value_name = "FILE")]
    mapping: Option<PathBuf>,
    /// A JSON file of decisions row by row: {"file_sha256": "...", "rows": {"17": "create"}}.
    #[arg(long, value_name = "FILE")]
    decisions: Option<PathBuf>,
    /// Whether dates such as 3/4/1990 begin with the day or the month; needed only where no date tells.
    #[arg(long, value_name = "ORDER")]
    date_order: Option<DateOrder>,
    /// Issue the invites again that the import voids by a new address.
    #[arg(long)]
    reissue_invites: bool,
    /// How the file's letters are written, such as windows-1252; needed only where it is found wrong.
    #[arg(long, value_name = "NAME")]
    encoding: Option<String>,
    /// What stands between columns: , ; | or tab; needed only where it is found wrong.
    #[arg(long, value_name = "CHARACTER", value_parser = delimiter)]
    delimiter: Option<String>,
    /// Invite the patients that the import creates.
    #[arg(long, requires = "provider")]
    pub invite: bool,
    /// Invite also patients who were on record, are not registered and have no open invite.
    #[arg(long, requires = "invite")]
    invite_matched: bool,
    /// Who invites: your name for the provider.
    #[arg(long, value_name = "ID", requires = "invite")]
    provider: Option<String>,
    /// How many days the invites are good; without it, as the clinic has it.
    #[arg(long, value_name = "N", requires = "invite", value_parser = clap::value_parser!(u8).range(1..=90))]
    expiry_days: Option<u8>,
    /// A few words of your own in the e-mail.
    #[arg(long, value_name = "TEXT", requires = "invite")]
    message: Option<String>,
    /// Make the invites without sending an e-mail.
    #[arg(long, requires = "invite")]
    no_email: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OnMatch {
    /// Leave the patient as they are.
    Skip,
    /// Change the patient.
    Update,
    /// Count the row as failed.
    Fail,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum DateOrder {
    /// Day, month, year.
    Dmy,
    /// Month, day, year.
    Mdy,
}

impl Options {
    /// The options as the server reads them; empty where nothing was asked.
    ///
    /// # Errors
    /// A mapping or decisions that cannot be read or say what nobody knows.
    pub fn read(&self) -> Result<Map<String, Value>> {
        let mut options = Map::new();
        let mut put = |name: &str, value: Option<Value>| options.extend(value.map(|v| (name.to_owned(), v)));
        let yes = |asked: bool| asked.then_some(Value::Bool(true));
        put("dry_run", yes(self.dry_run));
        put("on_match", self.on_match.map(named));
        put("reissue_invites", yes(self.reissue_invites));
        put("date_order", self.date_order.map(named));
        put("encoding", self.encoding.clone().map(Value::from));
        put("delimiter", self.delimiter.clone().map(Value::from));
        put("mapping", self.mapping.as_deref().map(mapping).transpose()?);
        put("decisions", self.decisions.as_deref().map(decisions).transpose()?);
        put("invite", yes(self.invite));
        put("invite_matched", yes(self.invite_matched));
        put("provider_id", self.provider.clone().map(Value::from));
        put("expiry_days", self.expiry_days.map(Value::from));
        put("custom_message", self.message.clone().map(Value::from));
        put("send_email", self.no_email.then_some(Value::Bool(false)));
        Ok(options)
    }
}

fn named(choice: impl ValueEnum) -> Value {
    choice.to_possible_value().map_or(Value::Null, |value| Value::from(value.get_name()))
}

fn delimiter(text: &str) -> Result<String, String> {
    match text {
        "," | ";" | "|" | "tab" => Ok(text.to_owned()),
        "\t" => Ok("tab".to_owned()),
        _ => Err("use , ; | or tab, in quotes so that the shell leaves it alone".to_owned()),
    }
}

/// Reads which column is which: `{header: field|null}`, or the same as `mapping` inside an object.
fn mapping(path: &Path) -> Result<Value> {
    let whole = object(path)?;
    let inner = match whole.get("mapping") {
        Some(Value::Object(inner)) if whole.len() == 1 => inner.clone(),
        _ => whole,
    };
    for (header, field) in &inner {
        let known = match field {
            Value::Null => true,
            Value::String(field) => FIELDS.contains(&field.as_str()),
            _ => false,
        };
        if !known {
            bail!(
                "{}: the column {header:?} has the field {field}, which is none: use one of {}, or null to leave the column out",
                path.display(),
                FIELDS.join(", ")
            );
        }
    }
    Ok(Value::Object(inner))
}

/// Reads decisions row by row, bound to a file by its hash.
fn decisions(path: &Path) -> Result<Value> {
    let shown = path.display();
    let whole = object(path)?;
    let hash = whole.get("file_sha256").and_then(Value::as_str).unwrap_or_default();
    if hash.len() != 64 || !hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        bail!(
            "{shown}: file_sha256 must be the file's SHA-256 in 64 hexadecimal digits; a dry run shows it, sha256sum makes it"
        );
    }
    let Some(Value::Object(rows)) = whole.get("rows") else {
        bail!("{shown}: rows must be an object such as {{\"17\": \"create\"}}");
    };
    for (row, decision) in rows {
        if row.parse::<u64>().map_or(true, |number| number == 0) {
            bail!("{shown}: {row:?} is no row: rows are counted from 1, below the headers");
        }
        if !["create", "update", "skip"].contains(&decision.as_str().unwrap_or_default()) {
            bail!("{shown}: row {row} has the decision {decision}: use create, update or skip");
        }
    }
    Ok(json!({ "file_sha256": hash, "rows": rows }))
}

fn object(path: &Path) -> Result<Map<String, Value>> {
    let text = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is no JSON object", path.display()))
}
