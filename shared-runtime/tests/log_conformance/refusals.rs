//! A database that does not open says so in words for the person who starts the service, and never with
//! a password.

use shared_runtime::Db;
use shared_runtime::db::shown;
use testkit::databases::{Door, TestDatabases};

async fn refusal(url: &str) -> String {
    let error = Db::open(url, 2, migrations::CORE).await.expect_err("it does not open");
    let words = error.to_string();
    assert!(!words.contains("hunter2"), "{words}");
    assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    words
}

mod sqlite {
    use super::*;

    #[tokio::test]
    async fn a_folder_that_is_not_there_is_named() {
        let words = refusal("sqlite:/nowhere/at/all/patients.db").await;
        assert!(words.contains("/nowhere/at/all/patients.db"), "{words}");
    }

    #[tokio::test]
    async fn what_is_no_url_is_refused_in_words() {
        for url in ["", "patients.db", "mysql://me:hunter2@host/db", "postgres:me:hunter2@host/db"] {
            let words = refusal(url).await;
            assert!(words.contains("postgres://") && words.contains("sqlite:PATH"), "{words}");
        }
    }
}

mod postgres {
    use super::*;

    #[tokio::test]
    async fn a_server_that_is_not_there_is_named_without_the_password() {
        // Port 1 belongs to nobody.
        let words = refusal("postgres://me:hunter2@127.0.0.1:1/patients").await;
        assert!(words.contains("postgres://me@127.0.0.1:1/patients"), "{words}");
    }

    #[tokio::test]
    async fn a_wrong_password_and_a_missing_database_are_told_apart() {
        let databases = TestDatabases::new(Door::Postgres).await;
        let url = databases.url("service").await;
        let (scheme, rest) = url.split_once("://").unwrap();
        let host = rest.rsplit_once('@').unwrap().1;
        let words = refusal(&format!("{scheme}://nobody:hunter2@{host}")).await;
        assert!(words.contains("nobody@"), "{words}");
        let words = refusal(&format!("{url}_gone")).await;
        assert!(words.contains("does not exist"), "{words}");
    }

    #[test]
    fn no_url_shows_its_password() {
        for url in [
            "postgres://me:hunter2@host/db",
            "postgres://me:hun@ter2hunter2@host/db",
            "postgres://me:hunter2/x@host/db",
            "postgres://host/db?user=me&password=hunter2",
            "postgres://me:hunter2@host/db?sslmode=require",
        ] {
            assert!(!shown(url).contains("hunter2"), "{}", shown(url));
            assert!(shown(url).starts_with("postgres://"), "{}", shown(url));
        }
    }
}
