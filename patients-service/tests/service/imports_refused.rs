//! Files that cannot be imported at all: refused in words, and nothing is kept.

use crate::common::{World, number, on_both_databases};
use reqwest::Method;

on_both_databases!(a_file_that_is_none_is_refused_in_words, an_upload_that_breaks_off_is_no_import);

async fn a_file_that_is_none_is_refused_in_words(world: World) {
    let served = world.serve().await;
    let wide = |text: &str| -> Vec<u8> {
        [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect()
    };
    for (file, words) in [
        (b"".to_vec(), "empty"),
        (b" \r\n\t\n".to_vec(), "empty"),
        (b"PK\x03\x04\x14\x00\x06\x00\x08\x00xl/workbook.xml [Content_Types].xml".to_vec(), "save"),
        (wide("email,first,last,odd\u{0}column\na@b.org,A,B,C\n"), "zero byte"),
        (b"email,first,last\n".to_vec(), "headers but no rows"),
        (b"email,first,last".to_vec(), "headers but no rows"),
        (b"just some words about patients\n".to_vec(), "no column for email, first_name, last_name"),
        (b"email,first\na@b.org,A\n".to_vec(), "no column for last_name"),
        (b"a@b.org,Ada,Lovelace\nc@d.org,Eve,Adams\n".to_vec(), "no column for email"),
        (b"email,E-Mail,first,last\na@b.org,a@b.org,A,B\n".to_vec(), "two columns would fill email"),
        (b"{\"email\":\"a@b.org\"}".to_vec(), "JSON"),
        ([b"h,".repeat(10_000), b"\nx\n".to_vec()].concat(), "1000"),
    ] {
        let reply = served.staff().upload(file.clone()).await;
        let shown = String::from_utf8_lossy(&file).into_owned();
        let body = reply.refused(422, "file_unreadable");
        let detail = body["detail"].as_str().unwrap();
        assert!(detail.contains(words), "{shown:?}: {detail}");
        assert!(!["a@b.org", "Ada", "Lovelace", "c@d.org"].iter().any(|value| detail.contains(value)));
    }
    assert_eq!(number!(served, "select count(*) from imports"), 0);
    assert_eq!(number!(served, "select count(*) from import_chunks"), 0);
}

async fn an_upload_that_breaks_off_is_no_import(world: World) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let served = world.serve().await;
    let staff = served.staff();
    let mut line = tokio::net::TcpStream::connect(served.url.trim_start_matches("http://")).await.unwrap();
    let head = format!(
        "POST /api/patients/import HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: text/csv\r\n\
         content-length: 1000\r\n\r\nemail,first,last\na@b.org,A,B\n",
        staff.token.as_deref().unwrap()
    );
    line.write_all(head.as_bytes()).await.unwrap();
    line.shutdown().await.unwrap();
    let mut answer = Vec::new();
    line.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert_eq!(number!(served, "select count(*) from imports"), 0);
    staff.send(staff.request(Method::GET, "/api/patients")).await.is(200);
}
