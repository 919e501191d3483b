//! What an erasure is known by, and by what a person is recognised who is to be forgotten.

use serde::{Deserialize, Serialize};
use shared_events::patient::PatientDetails;
use shared_events::values::normalise;
use std::collections::BTreeSet;
use uuid::Uuid;

/// Shorter numbers are too many people's.
const SHORTEST_PHONE: usize = 6;

/// The one erasure of a patient: whoever asks again, even after a restore, means the same.
pub fn id_of(patient: Uuid) -> Uuid {
    Uuid::new_v5(&patient, b"erasure")
}

/// By what a person is recognised in rows of imports, which name no patient: everything the record ever said.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traces {
    emails: BTreeSet<String>,
    external_ids: BTreeSet<String>,
    phones: BTreeSet<String>,
    /// First and last names.
    names: BTreeSet<(String, String)>,
}

impl std::fmt::Debug for Traces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<traces>")
    }
}

impl Traces {
    /// Adds what a record says.
    pub fn add(&mut self, details: &PatientDetails) {
        self.emails.extend(word(&details.email));
        self.external_ids.extend(details.external_id.clone());
        self.phones.extend(details.phone.as_deref().and_then(digits));
        if let (Some(first), Some(last)) = (word(&details.first_name), word(&details.last_name)) {
            self.names.insert((first, last));
        }
    }

    /// Addresses, normalised.
    pub fn emails(&self) -> impl Iterator<Item = &String> {
        self.emails.iter()
    }

    /// External ids, as typed.
    pub fn external_ids(&self) -> impl Iterator<Item = &String> {
        self.external_ids.iter()
    }

    /// Whether cells of a row may be about the person. In doubt they are: a row that goes too many costs a clinic
    /// another import of it. Of a row that is `broken` nobody knows where one cell ends.
    pub fn meet<'a>(&self, cells: impl Iterator<Item = &'a str>, broken: bool) -> bool {
        let cells: Vec<String> = cells.filter_map(word).collect();
        let whole = cells.join("\n");
        let has = |text: &String| if broken { whole.contains(text) } else { cells.contains(text) };
        self.emails.iter().any(|email| whole.contains(email))
            || self.external_ids.iter().filter_map(|id| word(id)).any(|id| has(&id))
            || cells.iter().filter_map(|cell| digits(cell)).any(|number| self.phones.contains(&number))
            || self.names.iter().any(|(first, last)| has(first) && has(last))
    }
}

fn word(text: &str) -> Option<String> {
    let text = normalise(text);
    (!text.is_empty()).then_some(text)
}

fn digits(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    (digits.len() >= SHORTEST_PHONE).then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traces() -> Traces {
        let mut traces = Traces::default();
        traces.add(&PatientDetails {
            email: "Ada@Example.org".into(),
            first_name: "Ada".into(),
            last_name: "Lovelace".into(),
            phone: Some("+44 20 7946 0018".into()),
            date_of_birth: None,
            notes: None,
            external_id: Some("MRN-1".into()),
            clinician_name: None,
        });
        traces
    }

    #[test]
    fn a_person_is_recognised_by_any_of_what_the_record_said() {
        for cells in
            [&["x", " ADA@example.ORG "][..], &["mrn-1"], &["lovelace", "", "Ada"], &["(44) 20 79460018"]]
        {
            assert!(traces().meet(cells.iter().copied(), false), "{cells:?}");
        }
        for cells in [&["Ada"][..], &["Lovelace", "Ida"], &["MRN-12"], &["bob@example.org"], &["0018"]] {
            assert!(!traces().meet(cells.iter().copied(), false), "{cells:?}");
        }
    }

    #[test]
    fn in_a_broken_row_it_may_stand_anywhere() {
        let cells = ["x;\"Ada;Lovelace;1990"];
        assert!(traces().meet(cells.into_iter(), true));
        assert!(!traces().meet(cells.into_iter(), false));
    }

    #[test]
    fn traces_do_not_print_themselves() {
        assert_eq!(format!("{:?}", traces()), "<traces>");
    }
}
