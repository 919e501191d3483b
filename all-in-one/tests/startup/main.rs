//! What a person sees who starts things the wrong way: each mistake by name, and what to do.

mod program;

use program::{Scratch, Started, patient_first, patients_service, stderr};
use std::time::Duration;

mod embedded {
    mod sqlite {
        use super::super::*;

        #[test]
        fn a_second_server_on_one_directory_is_refused_and_says_why() {
            let scratch = Scratch::new("second");
            let first = Started::serve(&scratch);
            let again = patient_first(&["serve", "--data-dir", scratch.data(), "--listen", "127.0.0.1:0"]);
            assert_eq!(again.status.code(), Some(1));
            let said = stderr(&again);
            assert!(said.contains("bus.db") && said.contains("process"), "{said}");
            assert!(first.ready(), "the first one is none the worse");
        }

        #[test]
        fn an_address_in_use_is_named() {
            let scratch = Scratch::new("port");
            let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
            let at = taken.local_addr().expect("an address").to_string();
            let said = stderr(&patient_first(&["serve", "--data-dir", scratch.data(), "--listen", &at]));
            assert!(said.contains(&format!("cannot listen on {at}")), "{said}");
        }

        #[test]
        fn another_wrapping_key_is_found_at_the_start() {
            let scratch = Scratch::new("key");
            let server = Started::serve(&scratch);
            assert_eq!(server.create("ada@example.org"), 201);
            drop(server);
            std::fs::remove_file(scratch.path("data/secrets/wrapping-patients.keys")).expect("removed");
            let said =
                stderr(&patient_first(&["serve", "--data-dir", scratch.data(), "--listen", "127.0.0.1:0"]));
            assert!(said.contains("is this the right secrets directory?"), "{said}");
        }

        #[test]
        fn a_damaged_key_file_is_named_by_line() {
            let scratch = Scratch::new("line");
            std::fs::create_dir_all(scratch.path("data/secrets")).expect("made");
            std::fs::write(scratch.path("data/secrets/bus.keys"), "k1 short\n").expect("written");
            let said =
                stderr(&patient_first(&["serve", "--data-dir", scratch.data(), "--listen", "127.0.0.1:0"]));
            assert!(said.contains("line 1 of the key file") && said.contains("bus.keys"), "{said}");
        }

        #[test]
        fn a_token_is_one_line_and_nothing_else() {
            let scratch = Scratch::new("token");
            let said = patient_first(&["token", "--data-dir", scratch.data()]);
            let text = String::from_utf8(said.stdout.clone()).expect("text");
            assert_eq!(text.lines().count(), 1);
            assert_eq!(text.trim().split('.').count(), 3, "a JWT");
            assert_eq!(stderr(&said), "");
        }

        #[test]
        fn an_import_needs_no_running_server_and_prints_one_object() {
            let scratch = Scratch::new("offline");
            drop(Started::serve(&scratch));
            let file = scratch.path("people.csv");
            std::fs::write(&file, "Email,First,Last\nada@example.org,Ada,Lovelace\nnobody,,\n")
                .expect("written");
            let file = file.display().to_string();
            let said = patient_first(&["import", &file, "--data-dir", scratch.data(), "--json"]);
            assert!(said.status.success(), "{}", stderr(&said));
            let counts: serde_json::Value = serde_json::from_slice(&said.stdout).expect("one JSON object");
            let wanted =
                serde_json::json!({"read":2,"created":1,"updated":0,"unchanged":0,"skipped":0,"failed":1});
            assert_eq!(counts, wanted);
        }

        #[test]
        fn what_cannot_be_imported_is_said_in_words() {
            let scratch = Scratch::new("nocsv");
            let _server = Started::serve(&scratch);
            let said = stderr(&patient_first(&["import", "nowhere.csv", "--data-dir", scratch.data()]));
            assert!(said.contains("cannot read nowhere.csv"), "{said}");
            let file = scratch.path("book.csv");
            std::fs::write(&file, b"PK\x03\x04\x00\x00\x00").expect("written");
            let file = file.display().to_string();
            let said = stderr(&patient_first(&["import", &file, "--data-dir", scratch.data()]));
            assert!(said.contains("unpack it and send the CSV"), "{said}");
        }

        #[test]
        fn a_token_without_a_server_is_refused_instead_of_ignored() {
            let scratch = Scratch::new("tokenless");
            drop(Started::serve(&scratch));
            let file = scratch.path("people.csv");
            std::fs::write(&file, "Email,First,Last\nada@example.org,Ada,Lovelace\n").expect("written");
            let file = file.display().to_string();
            let said =
                stderr(&patient_first(&["import", &file, "--data-dir", scratch.data(), "--token", "x"]));
            assert!(said.contains("no --url"), "{said}");
        }

        #[test]
        fn a_server_is_known_by_its_lock_and_not_by_an_old_file() {
            let scratch = Scratch::new("stale");
            drop(Started::serve(&scratch));
            // Somebody else listens where the killed server did, and would take whatever it is sent.
            let other = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
            let url = format!("http://{}\n", other.local_addr().expect("an address"));
            std::fs::write(scratch.path("data/server-url"), url).expect("written");
            let file = scratch.path("people.csv");
            std::fs::write(&file, "Email,First,Last\nada@example.org,Ada,Lovelace\n").expect("written");
            let file = file.display().to_string();
            let said = patient_first(&["import", &file, "--data-dir", scratch.data(), "--json"]);
            assert!(said.status.success(), "{}", stderr(&said));
            other.set_nonblocking(true).expect("set");
            assert!(other.accept().is_err(), "nobody asked the other one");
        }

        #[test]
        fn a_directory_that_is_not_there_is_named() {
            let scratch = Scratch::new("nodir");
            let file = scratch.path("people.csv");
            std::fs::write(&file, "Email,First,Last\nada@example.org,Ada,Lovelace\n").expect("written");
            let file = file.display().to_string();
            let said = stderr(&patient_first(&["import", &file, "--data-dir", "/nonexistent/pf"]));
            assert!(said.contains("there is no data directory /nonexistent/pf"), "{said}");
        }
    }
}

mod postgres {
    use super::*;

    #[test]
    fn a_database_that_is_away_is_named_without_its_password() {
        let scratch = Scratch::new("nodb");
        let said = stderr(&patients_service(
            &scratch,
            &[("PF_DATABASE_URL", "postgres://me:s3cret@127.0.0.1:9/db")],
        ));
        assert!(said.contains("cannot open the database at postgres://me@127.0.0.1:9/db"), "{said}");
        assert!(!said.contains("s3cret"), "{said}");
    }

    #[test]
    fn an_unusable_url_is_named() {
        let scratch = Scratch::new("url");
        let said = stderr(&patients_service(&scratch, &[("PF_DATABASE_URL", "mysql://me@host/db")]));
        assert!(said.contains("use postgres://USER@HOST/NAME or sqlite:PATH"), "{said}");
    }

    #[test]
    fn missing_secrets_say_how_to_make_them() {
        let scratch = Scratch::new("nosecrets");
        let said = stderr(&patients_service(&scratch, &[("PF_SECRETS_DIR", "/nonexistent/secrets")]));
        assert!(said.contains("patient-first keys init"), "{said}");
    }

    #[test]
    fn nobody_to_believe_is_said() {
        let scratch = Scratch::new("nojwt");
        let both = ("PF_JWKS_URL", "https://id.example.org/jwks");
        let said = stderr(&patients_service(&scratch, &[both]));
        assert!(said.contains("either --jwt-public-key-file or --jwks-url"), "{said}");
    }
}

mod rabbitmq {
    use super::*;

    #[test]
    fn a_broker_that_is_away_fails_neither_the_start_nor_a_write() {
        let scratch = Scratch::new("nobus");
        let server = Started::patients_service(&scratch, "amqp://me:s3cret@127.0.0.1:9");
        let ready = server.get_until("/readyz", "degraded", Duration::from_secs(10));
        assert!(ready.contains("\"bus\":{\"status\":\"degraded\""), "{ready}");
        assert_eq!(server.create("ada@example.org"), 201);
    }
}
