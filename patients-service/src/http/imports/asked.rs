//! What is said beside a file, however it is said: in the query, as one JSON part, or a part each.

use crate::import::options::Asked;
use serde::Deserialize;
use serde_json::{Map, Value};
use shared_http::{FieldError, Problem};
use utoipa::IntoParams;

/// Options in the query, for a file that is sent as it is.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AskedInQuery {
    /// Read and report only: nothing is put on record.
    dry_run: Option<bool>,
    /// What becomes of a row whose patient is on record with other fields: `skip` (default), `update`, `fail`.
    on_match: Option<String>,
    /// With `on_match=update`: issue invites again that a changed address voids.
    reissue_invites: Option<bool>,
    /// `dmy` or `mdy`: the order of day and month, where the file leaves it open.
    date_order: Option<String>,
    /// The file's encoding, such as `windows-1252`.
    encoding: Option<String>,
    /// What stands between cells: `,`, `;`, `|` or `tab`.
    delimiter: Option<String>,
    /// Invite everyone the import puts on record.
    invite: Option<bool>,
    /// Also those it finds on record who have no account and no open invite.
    invite_matched: Option<bool>,
    /// Whom they are invited to; needed to invite.
    provider_id: Option<String>,
    /// Days until their invites lapse, 1 to 90.
    expiry_days: Option<i64>,
    /// Whether mails go out; true where nobody says.
    send_email: Option<bool>,
}

/// Options as they are gathered.
#[derive(Debug, Default)]
pub struct Gathered(Map<String, Value>);

impl From<AskedInQuery> for Gathered {
    fn from(asked: AskedInQuery) -> Gathered {
        let mut gathered = Gathered::default();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                gathered.0.insert(name.to_owned(), value);
            }
        };
        for (name, flag) in [
            ("dry_run", asked.dry_run),
            ("reissue_invites", asked.reissue_invites),
            ("invite", asked.invite),
            ("invite_matched", asked.invite_matched),
            ("send_email", asked.send_email),
        ] {
            put(name, flag.map(Value::from));
        }
        for (name, text) in [
            ("on_match", asked.on_match),
            ("date_order", asked.date_order),
            ("encoding", asked.encoding),
            ("delimiter", asked.delimiter),
            ("provider_id", asked.provider_id),
        ] {
            put(name, text.map(Value::from));
        }
        put("expiry_days", asked.expiry_days.map(Value::from));
        gathered
    }
}

impl Gathered {
    /// Adds a part of a form: `options` is an object of all, any other part is one of them.
    pub fn part(&mut self, name: &str, text: &str) -> Result<(), Problem> {
        let value = match name {
            "options" => return self.all(text),
            "dry_run" | "reissue_invites" | "invite" | "invite_matched" | "send_email" | "expiry_days" => {
                serde_json::from_str(text.trim())
                    .map_err(|_| wrong(name, "must be true, false or a number"))?
            }
            "mapping" | "decisions" => {
                serde_json::from_str(text).map_err(|_| wrong(name, "must be a JSON object"))?
            }
            _ => Value::from(text),
        };
        self.0.insert(name.to_owned(), value);
        Ok(())
    }

    fn all(&mut self, text: &str) -> Result<(), Problem> {
        let Ok(Value::Object(options)) = serde_json::from_str(text) else {
            return Err(wrong("options", "must be a JSON object"));
        };
        self.0.extend(options);
        Ok(())
    }

    /// All that was said; refused by name where it is unknown or unusable.
    pub fn read(self) -> Result<Asked, Problem> {
        let text = Value::Object(self.0).to_string();
        shared_http::extract::read_json(text.as_bytes())
    }

    /// The same for the same options, in whatever order they came.
    pub fn canonical(&self) -> String {
        let sorted: std::collections::BTreeMap<&String, &Value> = self.0.iter().collect();
        serde_json::to_string(&sorted).unwrap_or_default()
    }
}

fn wrong(name: &str, message: &'static str) -> Problem {
    Problem::invalid_body(vec![FieldError::new(format!("/{name}"), "invalid_value", message)])
}
