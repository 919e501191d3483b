//! The table of all events. Stored events cannot be changed, so a line here is only ever added.

use crate::{account, clinic, delivery, erasure, invite, patient};
use schemars::{Schema, SchemaGenerator};
use serde_json::Value;

/// What is known of an event before one is read.
pub struct Kind {
    /// The event's name, as in the envelope's `type`.
    pub name: &'static str,
    /// The newest version of its shape.
    pub version: i16,
    /// The kind of stream it stands in.
    pub aggregate: &'static str,
    /// Which services say it.
    pub sources: &'static [&'static str],
    /// One sentence.
    pub about: &'static str,
    /// The JSON Schema of its `data`, as it stands on the bus.
    pub schema: fn(&mut SchemaGenerator) -> Schema,
}

impl Kind {
    /// The routing key under which a service publishes it: `<service>.<aggregate>.<Event>.v<n>`.
    pub fn routing_key(&self, source: &str) -> String {
        routing_key(source, self.aggregate, self.name, self.version)
    }

    /// The envelope's `dataschema`.
    pub fn schema_urn(&self) -> String {
        schema_urn(self.name, self.version)
    }
}

/// Composes a routing key; `source` with or without its slash.
pub fn routing_key(source: &str, aggregate: &str, name: &str, version: i16) -> String {
    format!("{}.{aggregate}.{name}.v{version}", source.trim_start_matches('/'))
}

/// Names the schema of an event's version.
pub fn schema_urn(name: &str, version: i16) -> String {
    format!("urn:patient-first:event:{name}:{version}")
}

/// Why stored or received bytes are not an event of ours.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Nobody here says such a thing.
    #[error("unknown event type {0:?}")]
    UnknownType(String),
    /// It was written by a newer program.
    #[error("{name} version {version} is newer than this program knows")]
    NewerVersion {
        /// The event's name.
        name: &'static str,
        /// The version found.
        version: i16,
    },
    /// The fields are not what the catalogue says. The message names fields, never values.
    #[error("{name} does not have the shape of the catalogue")]
    Shape {
        /// The event's name.
        name: &'static str,
    },
}

macro_rules! catalogue {
    ($( $(#[doc = $about:literal])+ $name:ident($payload:path) v $version:literal in $aggregate:literal by $($source:literal),+ ; )+) => {
        /// Anything that was ever said.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Event {
            $( $(#[doc = $about])+ $name($payload), )+
        }

        /// Every event, in the order in which a reader meets them.
        pub const CATALOGUE: &[Kind] = &[
            $( Kind {
                name: stringify!($name),
                version: $version,
                aggregate: $aggregate,
                sources: &[$($source),+],
                about: concat!($($about),+),
                schema: |generator| generator.subschema_for::<$payload>(),
            }, )+
        ];

        impl Event {
            /// What the catalogue says of it.
            pub fn kind(&self) -> &'static Kind {
                let mut position = 0;
                $( if matches!(self, Event::$name(_)) { return &CATALOGUE[position]; } position += 1; )+
                let _ = position;
                unreachable!("the table and the enum are made from the same lines")
            }

            /// The payload as JSON, personal fields included.
            pub fn to_data(&self) -> Value {
                match self {
                    $( Event::$name(payload) => serde_json::to_value(payload), )+
                }
                .unwrap_or(Value::Null)
            }

            /// Reads a payload of the given name and version, personal fields included (or the word
            /// `erased` or `sealed` in their place). Older versions are lifted on the way.
            pub fn from_data(name: &str, version: i16, data: Value) -> Result<Event, DecodeError> {
                match name {
                    $( stringify!($name) => {
                        const NAME: &str = stringify!($name);
                        if version > $version {
                            return Err(DecodeError::NewerVersion { name: NAME, version });
                        }
                        serde_json::from_value(crate::upcast::lift(NAME, version, data))
                            .map(Event::$name)
                            .map_err(|_| DecodeError::Shape { name: NAME })
                    } )+
                    other => Err(DecodeError::UnknownType(other.to_owned())),
                }
            }
        }
    };
}

catalogue! {
    /// A clinic's settings changed; carries all of them.
    ClinicSettingsChanged(clinic::SettingsChanged) v 1 in "clinic" by "patients";

    /// A patient was put on record.
    PatientCreated(patient::PatientCreated) v 1 in "patient" by "patients";
    /// A patient's record was changed.
    PatientUpdated(patient::PatientUpdated) v 1 in "patient" by "patients";
    /// A patient was archived; their e-mail and external id are free again.
    PatientArchived(patient::PatientArchived) v 1 in "patient" by "patients";
    /// An archived patient was taken back.
    PatientRestored(patient::PatientRestored) v 1 in "patient" by "patients";
    /// A patient registered through an invite.
    PatientActivated(patient::PatientActivated) v 1 in "patient" by "patients";
    /// A patient was erased; nothing personal is left.
    PatientErased(patient::PatientErased) v 1 in "patient" by "patients";
    /// A record was made from the old system's rows.
    PatientTakenOver(patient::PatientTakenOver) v 1 in "patient" by "patients";
    /// An import asks that a patient be invited.
    InvitationRequested(patient::InvitationRequested) v 1 in "patient" by "patients";
    /// An import was undone.
    ImportUndone(patient::ImportUndone) v 1 in "import" by "patients";

    /// A patient was invited.
    InviteIssued(invite::InviteIssued) v 1 in "invite" by "invites";
    /// An invite got a new link.
    InviteResent(invite::InviteResent) v 1 in "invite" by "invites";
    /// An invite lapses later.
    InviteExtended(invite::InviteMoved) v 1 in "invite" by "invites";
    /// An invite's page was opened: a hint, since scanners open pages too.
    InviteOpened(invite::InviteMoved) v 1 in "invite" by "invites";
    /// A person proved to know the patient's fact.
    InviteVerified(invite::InviteMoved) v 1 in "invite" by "invites";
    /// A person gave a wrong fact.
    InviteVerificationFailed(invite::InviteMistrusted) v 1 in "invite" by "invites";
    /// Too many wrong facts; staff must unlock or issue again.
    InviteLocked(invite::InviteMistrusted) v 1 in "invite" by "invites";
    /// Staff unlocked an invite.
    InviteUnlocked(invite::InviteMoved) v 1 in "invite" by "invites";
    /// A patient registered with an invite.
    InviteAccepted(invite::InviteAccepted) v 1 in "invite" by "invites";
    /// An invite was taken back.
    InviteRevoked(invite::InviteRevoked) v 1 in "invite" by "invites";
    /// An invite lapsed.
    InviteExpired(invite::InviteMoved) v 1 in "invite" by "invites";
    /// An invitation that an import asked for could not be issued.
    InviteRefused(invite::InviteRefused) v 1 in "invite" by "invites";
    /// An invite was taken over from the old system.
    InviteTakenOver(invite::InviteTakenOver) v 1 in "invite" by "invites";
    /// A person asked for their link again.
    LinkRequested(invite::LinkRequested) v 1 in "invite" by "invites";
    /// A patient is to be reminded of an open invite.
    ReminderDue(invite::ReminderDue) v 1 in "invite" by "invites";

    /// A person got a login.
    AccountRegistered(account::AccountPatient) v 1 in "account" by "invites";
    /// A login stands for one more patient.
    AccountLinked(account::AccountPatient) v 1 in "account" by "invites";
    /// A person asked for a new password.
    PasswordResetRequested(account::PasswordResetRequested) v 1 in "account" by "invites";
    /// A person set a new password; every session of the login ended.
    PasswordReset(account::PasswordReset) v 1 in "account" by "invites";

    /// A mail was accepted for sending.
    DeliveryQueued(delivery::Delivery) v 1 in "delivery" by "mailer";
    /// The next server took the mail. That is not arrival.
    DeliverySent(delivery::Delivery) v 1 in "delivery" by "mailer";
    /// The mail could not be handed over, for good.
    DeliveryFailed(delivery::Delivery) v 1 in "delivery" by "mailer";
    /// The mail came back.
    DeliveryBounced(delivery::Delivery) v 1 in "delivery" by "mailer";
    /// The mail waits: a limit, or an invite that is no longer open.
    DeliveryHeld(delivery::Delivery) v 1 in "delivery" by "mailer";

    /// A person is to be forgotten.
    ErasureRequested(erasure::ErasureRequested) v 1 in "erasure" by "patients";
    /// A service has forgotten a person.
    ErasureCompleted(erasure::ErasureCompleted) v 1 in "erasure" by "patients", "invites", "mailer";
}

impl Event {
    /// Looks an event up by its name.
    pub fn find(name: &str) -> Option<&'static Kind> {
        CATALOGUE.iter().find(|kind| kind.name == name)
    }
}
