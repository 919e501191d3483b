//! The clinic: settings that others keep versioned copies of.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What happens to a patient's open invite when another is issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OpenInvitePolicy {
    /// The open one is revoked with reason `superseded`.
    Supersede,
    /// Both stay open.
    Allow,
    /// The second is refused.
    Reject,
}

/// Which invite system serves the clinic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InviteSystem {
    /// The old, e-mail-based one alone.
    Legacy,
    /// Both, mirrored into each other.
    Parallel,
    /// The new one alone.
    PatientFirst,
}

/// A clinic's settings, whole. Carried by every `ClinicSettingsChanged`, so that the newest version is
/// all a reader needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClinicSettings {
    /// The name that patients see.
    pub name: String,
    /// IANA name, such as `Europe/Berlin`.
    pub time_zone: String,
    /// BCP 47 tag, such as `en`.
    pub default_language: String,
    /// Days until an invite lapses, 1 to 90.
    pub default_expiry_days: u16,
    /// What a second open invite does.
    pub open_invite_policy: OpenInvitePolicy,
    /// Whether several live patients may have one address.
    pub allow_shared_email: bool,
    /// Which invite system serves the clinic.
    pub invite_system: InviteSystem,
}

impl Default for ClinicSettings {
    /// What a clinic has that nobody configured.
    fn default() -> Self {
        ClinicSettings {
            name: "Your clinic".to_owned(),
            time_zone: "UTC".to_owned(),
            default_language: "en".to_owned(),
            default_expiry_days: 7,
            open_invite_policy: OpenInvitePolicy::Supersede,
            allow_shared_email: false,
            invite_system: InviteSystem::PatientFirst,
        }
    }
}

/// `ClinicSettingsChanged`: all settings, and which of them moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SettingsChanged {
    /// The settings from now on.
    pub settings: ClinicSettings,
    /// Names of the settings that changed.
    pub changed: Vec<String>,
}
