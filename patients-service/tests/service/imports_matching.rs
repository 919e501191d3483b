//! Which patient a row means.

use crate::common::client::{at, person};
use crate::common::csv::{counts, failures, import};
use crate::common::{World, number, on_both_databases};
use serde_json::json;

on_both_databases!(
    duplicates_in_a_file_make_one_patient,
    an_address_alone_is_no_match,
    an_address_with_the_name_or_the_birthday_is_a_match,
    two_patients_for_one_row_are_ambiguous,
    a_match_with_another_external_id_is_ambiguous,
    a_family_with_one_address_is_imported_where_the_clinic_shares,
    names_as_people_have_them_are_imported,
);

const PLAIN: &str = "id,email,first,last,birthdate\n";

async fn duplicates_in_a_file_make_one_patient(world: World) {
    let served = world.serve().await;
    let file = format!(
        "{PLAIN}m1,a@example.org,Ada,Lovelace,\nm1,a@example.org,Ada,Lovelace,\nm1,A@EXAMPLE.org,Ada,Lovelace,\n\
         m2,a@example.org,Eve,Stranger,\n,a@example.org,Ada,Lovelace,\n"
    );
    let done = import(&served, file).await;
    assert_eq!(counts(&done), [1, 2, 1, 1]);
    assert_eq!(failures(&done), [(4, "email_taken".to_owned())]);
}

async fn an_address_alone_is_no_match(world: World) {
    let served = world.serve().await;
    served.staff().create(&person(1)).await;
    let done = import(&served, format!("{PLAIN},person1@example.org,Eve,Stranger,1990-01-01\n")).await;
    assert_eq!(counts(&done), [0, 0, 0, 1]);
    assert_eq!(failures(&done), [(1, "email_taken".to_owned())]);
}

async fn an_address_with_the_name_or_the_birthday_is_a_match(world: World) {
    let served = world.serve().await;
    let mut body = person(1);
    body["date_of_birth"] = json!("1990-02-28");
    served.staff().create(&body).await;
    for (row, expected) in [
        (",person1@example.org,Given1,Family001,", [0, 1, 0, 0]),
        (",person1@example.org,Given1,Family001,1990-02-28", [0, 1, 0, 0]),
        (",PERSON1@example.org,given1,FAMILY001,", [0, 0, 1, 0]),
        (",person1@example.org,Given1,Married,1990-02-28", [0, 0, 1, 0]),
        ("m1,person1@example.org,Given1,Family001,", [0, 0, 1, 0]),
        (",person1@example.org,Given1,Married,1990-02-27", [0, 0, 0, 1]),
    ] {
        assert_eq!(counts(&import(&served, format!("{PLAIN}{row}\n")).await), expected, "{row}");
    }
}

async fn two_patients_for_one_row_are_ambiguous(world: World) {
    let served = world.serve().await;
    let mut first = person(1);
    first["external_id"] = json!("m1");
    served.staff().create(&first).await;
    served.staff().create(&person(2)).await;
    let done = import(&served, format!("{PLAIN}m1,person2@example.org,Given1,Family001,\n")).await;
    assert_eq!(failures(&done), [(1, "ambiguous".to_owned())]);
}

async fn a_match_with_another_external_id_is_ambiguous(world: World) {
    let served = world.serve().await;
    let mut first = person(1);
    first["external_id"] = json!("m1");
    served.staff().create(&first).await;
    let done = import(&served, format!("{PLAIN}m2,person1@example.org,Given1,Family001,\n")).await;
    assert_eq!(failures(&done), [(1, "ambiguous".to_owned())]);
}

async fn a_family_with_one_address_is_imported_where_the_clinic_shares(world: World) {
    let served = world.serve().await;
    served.admin().patch("/api/clinic", "*", &json!({ "allow_shared_email": true })).await.is(200);
    // Twins among them, and a mother who has another name.
    let family = format!(
        "{PLAIN},home@example.org,Tim,Smith,2015-01-01\n,home@example.org,Tom,Smith,2015-01-01\n\
         ,home@example.org,Ann,Smith,1980-05-05\n,home@example.org,Eve,Jones,1981-06-06\n"
    );
    assert_eq!(counts(&import(&served, family.clone()).await), [4, 0, 0, 0]);
    assert_eq!(counts(&import(&served, family.clone()).await), [0, 4, 0, 0]);
    let changed = family.replace("Ann,Smith", "Ann,Brown");
    assert_eq!(counts(&import(&served, changed).await), [0, 3, 1, 0]);
    assert_eq!(number!(served, "select count(*) from patients"), 4);

    // Two of one name cannot be told apart by it.
    let id = served.staff().all("/api/patients?search=tom").await[0]["id"].as_str().unwrap().parse().unwrap();
    served.staff().patch(&at(id), "*", &json!({ "first_name": "Tim" })).await.is(200);
    let done = import(&served, format!("{PLAIN},home@example.org,Tim,Smith,\n")).await;
    assert_eq!(failures(&done), [(1, "ambiguous".to_owned())]);
}

async fn names_as_people_have_them_are_imported(world: World) {
    let served = world.serve().await;
    let file = format!(
        "{PLAIN}m1,a@example.org,Siobhán,O'Brien,\nm2,b@example.org,محمد,\"بن سلمان\",\n\
         m3,c@example.org,🙂,\"Smith, the \"\"elder\"\"\",\nm4,d@example.org,'; drop table,patients;--,\n"
    );
    assert_eq!(counts(&import(&served, file.clone()).await), [4, 0, 0, 0]);
    assert_eq!(counts(&import(&served, file).await), [0, 4, 0, 0]);
    let elder = served.staff().all("/api/patients?search=elder").await;
    assert_eq!(elder[0]["last_name"], "Smith, the \"elder\"");
    // The same from an old office program, and as UTF-16.
    let latin = b"id;email;first;last\r\nm5;e@example.org;J\xf6rg;M\xfcller\r\n".to_vec();
    assert_eq!(counts(&import(&served, latin).await), [1, 0, 0, 0]);
    let text = "id\temail\tfirst\tlast\r\nm5\te@example.org\tJörg\tMüller\r\n";
    let wide: Vec<u8> =
        [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    assert_eq!(counts(&import(&served, wide).await), [0, 1, 0, 0]);
}
