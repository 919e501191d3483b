//! Which column is which field: sensible headers of real exports, without being told, or as told.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa::openapi::schema::{SchemaType, Type};
use utoipa::openapi::{ObjectBuilder, Schema};

/// A field that a column may fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
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
    (
        Field::Email,
        &[
            "email",
            "emailaddress",
            "mail",
            "emailid",
            "primaryemail",
            "patientemail",
            "emailadresse",
            "correo",
        ],
    ),
    (
        Field::FirstName,
        &[
            "first",
            "firstname",
            "givenname",
            "given",
            "givennames",
            "forename",
            "forenames",
            "fname",
            "patientfirstname",
            "vorname",
            "prenom",
            "prénom",
            "nombre",
            "nome",
            "voornaam",
        ],
    ),
    (
        Field::LastName,
        &[
            "last",
            "lastname",
            "surname",
            "familyname",
            "family",
            "lname",
            "patientlastname",
            "nachname",
            "nom",
            "apellido",
            "apellidos",
            "cognome",
            "achternaam",
        ],
    ),
    (
        Field::Phone,
        &[
            "phone",
            "phonenumber",
            "phoneno",
            "telephone",
            "telephonenumber",
            "tel",
            "mobile",
            "mobilephone",
            "mobilenumber",
            "cell",
            "cellphone",
            "telefon",
            "telefonnummer",
            "handy",
            "telefono",
            "teléfono",
        ],
    ),
    (
        Field::DateOfBirth,
        &["dateofbirth", "dob", "birthdate", "birthday", "birth", "bornon", "geburtsdatum", "geburtstag"],
    ),
    (Field::Notes, &["notes", "note", "comment", "comments", "remarks"]),
    (
        Field::ExternalId,
        &[
            "externalid",
            "id",
            "mrn",
            "patientid",
            "patientno",
            "patientnumber",
            "chartnumber",
            "chartno",
            "medicalrecordnumber",
            "recordnumber",
            "patientennummer",
        ],
    ),
    (Field::ClinicianId, &["clinicianid", "providerid", "doctorid", "practitionerid"]),
    (
        Field::ClinicianName,
        &["clinicianname", "clinician", "provider", "providername", "doctor", "doctorname", "practitioner"],
    ),
    (Field::PreferredLanguage, &["preferredlanguage", "language", "lang", "locale"]),
];

/// Headers and the fields they fill; null leaves a column out.
pub type Mapping = BTreeMap<String, Option<Field>>;

/// The schema of a [`Mapping`].
pub fn mapping_schema() -> Schema {
    let fields = ["email", "first_name", "last_name", "phone", "date_of_birth", "notes"].into_iter();
    let fields = fields.chain(["external_id", "clinician_id", "clinician_name", "preferred_language"]);
    let words = fields.map(Value::from).chain([Value::Null]).collect::<Vec<_>>();
    let kinds = SchemaType::Array(vec![Type::String, Type::Null]);
    let field = ObjectBuilder::new().schema_type(kinds).enum_values(Some(words));
    let header = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(200))
        .pattern(Some(
            r"^[^\u0000-\u001f\u007f-\u009f]*[^\u0000-\u001f\u007f-\u009f\s][^\u0000-\u001f\u007f-\u009f]*$",
        ));
    let mapping = ObjectBuilder::new().property_names(Some(header)).additional_properties(Some(field));
    Schema::Object(mapping.build())
}

/// Why a column is read as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// Its header says so.
    Header,
    /// The person who sent the file says so.
    Mapping,
    /// The clinic said so before, at `/api/import-mappings`.
    Remembered,
}

/// A column of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Column {
    /// Its header.
    pub header: String,
    /// What it fills; null where it is not read.
    pub field: Option<Field>,
    /// Why.
    pub by: By,
}

/// Every column of a file, and where a result file's own stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Columns {
    /// In the order of the file.
    pub all: Vec<Column>,
    /// The place of `import_outcome`, in a result file that is sent again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<usize>,
}

/// The columns that a result file begins with.
pub const RESULT: [&str; 5] =
    ["import_row", "import_line", "import_outcome", "import_patient_id", "import_reasons"];

/// Why headers cannot be used, in words that say what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Needed fields that no column fills.
    #[error("no column for {}: name the columns in the first line, such as email,first_name,last_name, or send a mapping", list(.0))]
    Missing(Vec<Field>),
    /// Two columns that would fill one field.
    #[error("two columns would fill {}: {first:?} and {second:?}; send a mapping that leaves one of them out (null), or remove it", .field.as_str())]
    Twice {
        /// The field.
        field: Field,
        /// A column that fills it.
        first: String,
        /// The other.
        second: String,
    },
    /// The mapping names a header that is not there.
    #[error("the mapping names the column {0:?}, and the file has none: is it spelled as in the first line?")]
    Absent(String),
    /// The mapping names a header that stands there twice.
    #[error("the mapping names the column {0:?}, and the file has two of them: rename one")]
    Doubled(String),
}

fn list(fields: &[Field]) -> String {
    fields.iter().map(|field| field.as_str()).collect::<Vec<_>>().join(", ")
}

impl Columns {
    /// Which columns are read: place and field.
    pub fn used(&self) -> impl Iterator<Item = (usize, Field)> + '_ {
        self.all.iter().enumerate().filter_map(|(place, column)| Some((place, column.field?)))
    }

    /// The columns that are read, in the order in which rows keep their values.
    pub fn fields(&self) -> Vec<Field> {
        self.used().map(|(_, field)| field).collect()
    }

    /// The header of the column that fills a field.
    pub fn header_of(&self, field: &str) -> Option<&str> {
        self.all
            .iter()
            .find(|column| column.field.is_some_and(|f| f.as_str() == field))
            .map(|c| c.header.as_str())
    }

    /// Headers of columns that are not read, our own of a result file apart.
    pub fn ignored(&self) -> Vec<String> {
        let ours = |header: &str| self.outcome.is_some() && RESULT.contains(&header);
        let ignored = self.all.iter().filter(|column| column.field.is_none() && !ours(&column.header));
        ignored.map(|column| column.header.clone()).collect()
    }
}

/// Finds the field of each column: as `mapping` says, else as the clinic said before, else by its header.
pub fn recognise(headers: &[String], mapping: &Mapping, remembered: &Mapping) -> Result<Columns, Unusable> {
    let headers: Vec<String> = headers.iter().map(|header| header.trim().to_owned()).collect();
    for named in mapping.keys() {
        match headers.iter().filter(|header| *header == named.trim()).count() {
            0 => return Err(Unusable::Absent(named.clone())),
            1 => {}
            _ => return Err(Unusable::Doubled(named.clone())),
        }
    }
    let outcome = headers.iter().position(|header| header == RESULT[2]);
    let mut all: Vec<Column> = Vec::with_capacity(headers.len());
    for header in headers {
        let (field, by) = field_of(&header, mapping, remembered);
        let first = all.iter().find(|column| field.is_some() && column.field == field);
        if let (Some(first), Some(field)) = (first, field) {
            return Err(Unusable::Twice { field, first: first.header.clone(), second: header });
        }
        all.push(Column { header, field, by });
    }
    let needed = [Field::Email, Field::FirstName, Field::LastName];
    let has = |field: &Field| all.iter().any(|column| column.field == Some(*field));
    let missing: Vec<Field> = needed.into_iter().filter(|field| !has(field)).collect();
    if missing.is_empty() { Ok(Columns { all, outcome }) } else { Err(Unusable::Missing(missing)) }
}

fn field_of(header: &str, mapping: &Mapping, remembered: &Mapping) -> (Option<Field>, By) {
    let said =
        |mapping: &Mapping| mapping.iter().find(|(named, _)| named.trim() == header).map(|(_, field)| *field);
    if let Some(field) = said(mapping) {
        return (field, By::Mapping);
    }
    if let Some(field) = said(remembered) {
        return (field, By::Remembered);
    }
    let plain: String = header.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    let known = KNOWN.iter().find(|(_, names)| names.contains(&plain.as_str()));
    (known.map(|(field, _)| *field), By::Header)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(line: &str) -> Vec<String> {
        line.split(',').map(str::to_owned).collect()
    }

    fn plain(line: &str) -> Result<Columns, Unusable> {
        recognise(&headers(line), &Mapping::new(), &Mapping::new())
    }

    #[test]
    fn a_real_export_is_understood() {
        let columns =
            plain("Id,BIRTHDATE,DEATHDATE,SSN,PREFIX,FIRST,LAST,SUFFIX,EMAIL,PHONE").expect("usable");
        let expected = [
            Field::ExternalId,
            Field::DateOfBirth,
            Field::FirstName,
            Field::LastName,
            Field::Email,
            Field::Phone,
        ];
        assert_eq!(columns.fields(), expected);
        assert_eq!(columns.ignored(), ["DEATHDATE", "SSN", "PREFIX", "SUFFIX"]);
        assert_eq!(columns.header_of("date_of_birth"), Some("BIRTHDATE"));
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(plain("Given name,phone"), Err(Unusable::Missing(vec![Field::Email, Field::LastName])));
    }

    #[test]
    fn two_columns_for_one_field_are_refused_and_a_mapping_settles_it() {
        let line = "email,Phone,Mobile,first,last";
        assert!(matches!(plain(line), Err(Unusable::Twice { field: Field::Phone, .. })));
        let mapping = Mapping::from([("Phone".to_owned(), None)]);
        let columns = recognise(&headers(line), &mapping, &Mapping::new()).expect("usable");
        assert_eq!(columns.all[1], Column { header: "Phone".to_owned(), field: None, by: By::Mapping });
        assert_eq!(columns.all[2].field, Some(Field::Phone));
    }

    #[test]
    fn what_the_clinic_said_before_gives_way_to_what_is_said_now() {
        let line = "Contact,first,last,Code";
        let remembered = Mapping::from([
            ("Contact".to_owned(), Some(Field::Email)),
            ("Code".to_owned(), Some(Field::ExternalId)),
            ("Elsewhere".to_owned(), Some(Field::Phone)),
        ]);
        let mapping = Mapping::from([("Code".to_owned(), None)]);
        let columns = recognise(&headers(line), &mapping, &remembered).expect("usable");
        assert_eq!((columns.all[0].field, columns.all[0].by), (Some(Field::Email), By::Remembered));
        assert_eq!((columns.all[3].field, columns.all[3].by), (None, By::Mapping));
    }

    #[test]
    fn a_mapping_names_columns_that_are_there_once() {
        let mapping = Mapping::from([("Mail".to_owned(), Some(Field::Email))]);
        assert_eq!(
            recognise(&headers("email,first,last"), &mapping, &Mapping::new()),
            Err(Unusable::Absent("Mail".to_owned()))
        );
        assert_eq!(
            recognise(&headers("Mail,Mail,first,last"), &mapping, &Mapping::new()),
            Err(Unusable::Doubled("Mail".to_owned()))
        );
    }
}
