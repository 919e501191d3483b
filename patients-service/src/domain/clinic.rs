//! A clinic's settings: what may stand in them, and what changes.

use super::fields::{FieldError, language, name};
use shared_events::Event;
use shared_events::clinic::{ClinicSettings, InviteSystem, OpenInvitePolicy, SettingsChanged};
use uuid::Uuid;

/// The stream of a clinic's settings, derived from its id.
pub fn stream(account: &shared_events::AccountId) -> Uuid {
    const CLINICS: Uuid = Uuid::from_u128(0x6c1e_6b0e_7d1b_4f0e_9d53_2f1a_5b0c_11e1);
    Uuid::new_v5(&CLINICS, account.as_str().as_bytes())
}

/// Changes to a clinic's settings; `None` leaves one alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as the settings are")]
pub struct SettingsPatch {
    pub name: Option<String>,
    pub time_zone: Option<String>,
    pub default_language: Option<String>,
    pub default_expiry_days: Option<i64>,
    pub open_invite_policy: Option<OpenInvitePolicy>,
    pub allow_shared_email: Option<bool>,
    pub invite_system: Option<InviteSystem>,
}

/// The settings after a patch, and the event that says so; none where nothing changes.
pub fn decide(now: &ClinicSettings, patch: &SettingsPatch) -> Result<Option<Event>, Vec<FieldError>> {
    let mut errors = Vec::new();
    let mut next = now.clone();
    let mut take = |field, outcome: Result<(), &'static str>| {
        if let Err(message) = outcome {
            errors.push(FieldError { field, message: message.to_owned() });
        }
    };
    if let Some(text) = &patch.name {
        take("name", name(text).map(|text| next.name = text).map_err(|why| why.0));
    }
    if let Some(text) = &patch.time_zone {
        take("time_zone", zone(text).map(|text| next.time_zone = text));
    }
    if let Some(text) = &patch.default_language {
        take(
            "default_language",
            language(text).map(|text| next.default_language = text).map_err(|why| why.0),
        );
    }
    if let Some(days) = patch.default_expiry_days {
        take("default_expiry_days", expiry(days).map(|days| next.default_expiry_days = days));
    }
    next.open_invite_policy = patch.open_invite_policy.unwrap_or(next.open_invite_policy);
    next.allow_shared_email = patch.allow_shared_email.unwrap_or(next.allow_shared_email);
    next.invite_system = patch.invite_system.unwrap_or(next.invite_system);
    if !errors.is_empty() {
        return Err(errors);
    }
    let changed = changed(now, &next);
    Ok((!changed.is_empty())
        .then_some(Event::ClinicSettingsChanged(SettingsChanged { settings: next, changed })))
}

fn zone(text: &str) -> Result<String, &'static str> {
    text.trim()
        .parse::<chrono_tz::Tz>()
        .map(|zone| zone.name().to_owned())
        .map_err(|_| "is not a time zone, such as Europe/Berlin")
}

fn expiry(days: i64) -> Result<u16, &'static str> {
    u16::try_from(days).ok().filter(|days| (1..=90).contains(days)).ok_or("must be from 1 to 90 days")
}

fn changed(before: &ClinicSettings, after: &ClinicSettings) -> Vec<String> {
    let fields = |settings: &ClinicSettings| serde_json::to_value(settings).unwrap_or_default();
    let (before, after) = (fields(before), fields(after));
    let names = after.as_object().into_iter().flatten();
    names
        .filter(|(name, value)| before.get(name.as_str()) != Some(value))
        .map(|(name, _)| name.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_change_says_nothing() {
        let patch = SettingsPatch { default_expiry_days: Some(7), ..SettingsPatch::default() };
        assert_eq!(decide(&ClinicSettings::default(), &patch), Ok(None));
    }

    #[test]
    fn every_wrong_setting_is_named() {
        let patch = SettingsPatch {
            name: Some(String::new()),
            time_zone: Some("Mars/Olympus".into()),
            default_expiry_days: Some(91),
            ..SettingsPatch::default()
        };
        let errors = decide(&ClinicSettings::default(), &patch).expect_err("refused");
        let fields: Vec<_> = errors.iter().map(|error| error.field).collect();
        assert_eq!(fields, ["name", "time_zone", "default_expiry_days"]);
    }
}
