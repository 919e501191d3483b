//! What the person who sends a file may say about it.

use super::columns::Mapping;
use crate::domain::patient::Invitation;
use crate::domain::{FieldError, fields};
use csv_intake::dates::Order;
use serde::{Deserialize, Serialize};
use shared_events::values::opaque;
use std::collections::BTreeMap;
use utoipa::ToSchema;
use uuid::Uuid;

/// What becomes of a row whose patient is on record with other fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnMatch {
    /// The record is left as it is.
    #[default]
    Skip,
    /// The record is changed to what the row says.
    Update,
    /// The row fails.
    Fail,
}

/// What a person decided about a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// A patient of their own, whoever else it resembles.
    Create,
    /// The patient it resembles, changed to what the row says.
    Update,
    /// Leave it out.
    Skip,
}

/// Decisions about the rows of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Decisions {
    /// SHA-256 of the file they were made for, in hex: `file.sha256` of the dry run.
    pub file_sha256: String,
    /// By row.
    pub rows: BTreeMap<i64, Decision>,
}

/// The order of day and month in a file's dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DateOrder {
    /// 31/12/1990.
    Dmy,
    /// 12/31/1990.
    Mdy,
}

impl From<DateOrder> for Order {
    fn from(order: DateOrder) -> Order {
        match order {
            DateOrder::Dmy => Order::Dmy,
            DateOrder::Mdy => Order::Mdy,
        }
    }
}

impl From<Order> for DateOrder {
    fn from(order: Order) -> DateOrder {
        match order {
            Order::Dmy => DateOrder::Dmy,
            Order::Mdy => DateOrder::Mdy,
        }
    }
}

/// Everything that may be said beside a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// Read and report only: nothing is put on record.
    #[serde(default)]
    pub dry_run: bool,
    /// What becomes of a row whose patient is on record with other fields: `skip` (default), `update`, `fail`.
    #[serde(default)]
    pub on_match: OnMatch,
    /// Issue invites again that an address changed by the import voids.
    #[serde(default)]
    pub reissue_invites: bool,
    /// The order of day and month, where the file leaves it open.
    pub date_order: Option<DateOrder>,
    /// The file's encoding, such as `windows-1252`, where it is none that is recognised.
    pub encoding: Option<String>,
    /// What stands between cells: `,`, `;`, `|` or `tab`.
    pub delimiter: Option<String>,
    /// Which header is which field; null leaves a column out.
    #[schema(schema_with = super::columns::mapping_schema)]
    pub mapping: Option<Mapping>,
    /// Decisions about single rows.
    pub decisions: Option<Decisions>,
    /// Invite everyone the import puts on record.
    #[serde(default)]
    pub invite: bool,
    /// Also those it finds on record who have no account and no open invite.
    #[serde(default)]
    pub invite_matched: bool,
    /// Whom they are invited to; needed to invite.
    pub provider_id: Option<String>,
    /// Days until their invites lapse; else the clinic's default.
    pub expiry_days: Option<i64>,
    /// Whether mails go out; true where nobody says.
    pub send_email: Option<bool>,
    /// Staff's words to them.
    pub custom_message: Option<String>,
}

/// What an import keeps of it. Nothing in it is personal: staff's words are sealed beside it, and
/// decisions are kept with their rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// What becomes of a match that differs.
    pub on_match: OnMatch,
    /// Issue invites again that a changed address voids.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reissue_invites: bool,
    /// What day and month the person said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date_order: Option<DateOrder>,
    /// Invite, and how.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invite: Option<Invite>,
}

/// How an import invites.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invite {
    /// Those it finds on record, too.
    pub matched: bool,
    /// Whom to.
    pub provider_id: String,
    /// Until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiry_days: Option<u16>,
    /// Whether mails go out.
    pub send_email: bool,
}

impl Invite {
    /// The invitation of one patient.
    pub fn invitation(&self, import_id: Uuid, message: Option<String>) -> Invitation {
        Invitation {
            import_id,
            provider_id: self.provider_id.clone(),
            send_email: self.send_email,
            expiry_days: self.expiry_days,
            message,
        }
    }
}

impl Asked {
    /// What is kept of it, staff's words apart. Says everything that is wrong at once.
    pub fn read(&self) -> Result<(Options, Option<String>), Vec<FieldError>> {
        let mut errors = fields::Errors::default();
        let words = errors.optional("custom_message", self.custom_message.clone(), fields::words);
        let expiry_days =
            self.expiry_days.map(|days| u16::try_from(days).ok().filter(|d| (1..=90).contains(d)));
        if expiry_days == Some(None) {
            errors.add("expiry_days", "must be between 1 and 90");
        }
        let wants = self.invite || self.invite_matched;
        let invite = match (wants, &self.provider_id) {
            (true, None) => {
                errors.add("provider_id", "is required to invite: whom are the patients invited to?");
                None
            }
            (true, Some(provider)) => errors.required("provider_id", Some(provider.clone()), opaque),
            (false, Some(_)) => {
                errors.add("provider_id", "says whom to invite to, but invite is not set");
                None
            }
            (false, None) => None,
        };
        if !errors.0.is_empty() {
            return Err(errors.0);
        }
        let options = Options {
            on_match: self.on_match,
            reissue_invites: self.reissue_invites,
            date_order: self.date_order,
            invite: invite.map(|provider_id| Invite {
                matched: self.invite_matched,
                provider_id,
                expiry_days: expiry_days.flatten(),
                send_email: self.send_email.unwrap_or(true),
            }),
        };
        Ok((options, words))
    }

    /// What stands between cells, where it was said.
    pub fn delimiter(&self) -> Result<Option<u8>, FieldError> {
        match self.delimiter.as_deref() {
            None => Ok(None),
            Some("," | "comma") => Ok(Some(b',')),
            Some(";" | "semicolon") => Ok(Some(b';')),
            Some("|" | "pipe") => Ok(Some(b'|')),
            Some("\t" | "tab") => Ok(Some(b'\t')),
            Some(_) => Err(FieldError {
                field: "delimiter",
                message: "must be one of , ; | or the word tab".to_owned(),
            }),
        }
    }
}
