//! Which column is which field: sensible headers of real exports, without being told.

use serde::{Deserialize, Serialize};

/// A field that a column may fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the fields are the brief's own")]
pub enum Field {
    Email,
    FirstName,
    LastName,
    Phone,
    DateOfBirth,
    Notes,
    ExternalId,
    ClinicianId,
    ClinicianName,
    PreferredLanguage,
}

impl Field {
    /// As in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Field::Email => "email",
            Field::FirstName => "first_name",
            Field::LastName => "last_name",
            Field::Phone => "phone",
            Field::DateOfBirth => "date_of_birth",
            Field::Notes => "notes",
            Field::ExternalId => "external_id",
            Field::ClinicianId => "clinician_id",
            Field::ClinicianName => "clinician_name",
            Field::PreferredLanguage => "preferred_language",
        }
    }
}

/// Headers by field, letters and digits only, lower case.
const KNOWN: &[(Field, &[&str])] = &[
    (Field::Email, &["email", "emailaddress", "mail", "emailid", "primaryemail"]),
    (
        Field::FirstName,
        &["first", "firstname", "givenname", "given", "forename", "fname", "vorname", "prenom", "nombre"],
    ),
    (
        Field::LastName,
        &["last", "lastname", "surname", "familyname", "family", "lname", "nachname", "nom", "apellido"],
    ),
    (
        Field::Phone,
        &[
            "phone",
            "phonenumber",
            "telephone",
            "tel",
            "mobile",
            "mobilephone",
            "cell",
            "cellphone",
            "telefon",
        ],
    ),
    (Field::DateOfBirth, &["dateofbirth", "dob", "birthdate", "birthday", "birth", "geburtsdatum"]),
    (Field::Notes, &["notes", "note", "comment", "comments", "remarks"]),
    (
        Field::ExternalId,
        &["externalid", "id", "mrn", "patientid", "patientnumber", "chartnumber", "medicalrecordnumber"],
    ),
    (Field::ClinicianId, &["clinicianid", "providerid", "doctorid"]),
    (
        Field::ClinicianName,
        &["clinicianname", "clinician", "provider", "providername", "doctor", "doctorname"],
    ),
    (Field::PreferredLanguage, &["preferredlanguage", "language", "lang"]),
];

/// Which column fills which field, and which are left alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Columns {
    /// Position and field.
    pub used: Vec<(usize, Field)>,
    /// Headers of columns that are not read.
    pub ignored: Vec<String>,
}

/// Why headers cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unusable {
    /// Needed fields that no column fills.
    Missing(Vec<Field>),
    /// Two columns that would fill one field.
    Twice(Field),
}

/// Finds the field of each column.
pub fn recognise(headers: &[String]) -> Result<Columns, Unusable> {
    let mut used: Vec<(usize, Field)> = Vec::new();
    let mut ignored = Vec::new();
    for (place, header) in headers.iter().enumerate() {
        match field_of(header) {
            Some(field) if used.iter().any(|(_, known)| *known == field) => {
                return Err(Unusable::Twice(field));
            }
            Some(field) => used.push((place, field)),
            None => ignored.push(header.trim().to_owned()),
        }
    }
    let has = |field: &Field| used.iter().any(|(_, known)| known == field);
    let needed = [Field::Email, Field::FirstName, Field::LastName];
    let missing: Vec<Field> = needed.into_iter().filter(|field| !has(field)).collect();
    if missing.is_empty() { Ok(Columns { used, ignored }) } else { Err(Unusable::Missing(missing)) }
}

fn field_of(header: &str) -> Option<Field> {
    let plain: String = header.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    KNOWN.iter().find(|(_, names)| names.contains(&plain.as_str())).map(|(field, _)| *field)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(line: &str) -> Vec<String> {
        line.split(',').map(str::to_owned).collect()
    }

    #[test]
    fn a_real_export_is_understood() {
        let line = "Id,BIRTHDATE,DEATHDATE,SSN,PREFIX,FIRST,LAST,SUFFIX,EMAIL,PHONE";
        let columns = recognise(&headers(line)).expect("usable");
        let fields: Vec<Field> = columns.used.iter().map(|(_, field)| *field).collect();
        assert_eq!(
            fields,
            [
                Field::ExternalId,
                Field::DateOfBirth,
                Field::FirstName,
                Field::LastName,
                Field::Email,
                Field::Phone
            ]
        );
        assert_eq!(columns.ignored, ["DEATHDATE", "SSN", "PREFIX", "SUFFIX"]);
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(
            recognise(&headers("Given name,phone")),
            Err(Unusable::Missing(vec![Field::Email, Field::LastName]))
        );
    }

    #[test]
    fn two_columns_for_one_field_are_refused() {
        assert_eq!(recognise(&headers("email,E-Mail,first,last")), Err(Unusable::Twice(Field::Email)));
    }
}
