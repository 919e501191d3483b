//! What the audit says of a command.

use super::Command;
use shared_runtime::audit::Entry;
use shared_runtime::log::NewEvent;

/// The row of a command that a request asked for: what happened to the invite it names, else to the patient.
pub(super) fn entry(command: &Command, events: &[NewEvent]) -> Option<Entry> {
    let (invite, patient) = (command.ask.invite(), command.patient);
    let place = (&command.account, command.at);
    let mut entry = Entry::of_events(&command.meta, place, invite.unwrap_or(patient), events, "invite.read")?;
    if !entry.ids.contains(&patient) {
        entry.ids.push(patient);
    }
    Some(entry)
}
