//! `patient-first audit`, on a real directory: served, idle, and after somebody edited a file.

mod embedded {
    mod sqlite {
        use crate::world::{Said, Scratch, run};
        use shared_runtime::{Db, execute};

        async fn verify(scratch: &Scratch, more: &[&str]) -> Said {
            let dir = scratch.path("data");
            run(&[&["audit", "verify", "--data-dir", &dir], more].concat()).await
        }

        /// The head that was printed for patients-service.
        fn head(said: &Said) -> String {
            let head =
                said.out.split_whitespace().find(|word| word.starts_with("patients:") && word.len() > 70);
            head.unwrap_or_else(|| panic!("{said:?}")).to_owned()
        }

        /// A directory in which a patient was put on record, and who did it was looked up.
        async fn written(name: &str) -> Scratch {
            let scratch = Scratch::new(name);
            let dir = scratch.path("data");
            std::fs::create_dir_all(&dir).expect("made");
            let file = scratch.file("one.csv", "email,first_name,last_name\na@example.org,Ada,Lovelace\n");
            let imported = run(&["import", &file, "--data-dir", &dir]).await;
            assert_eq!(imported.code, Some(0), "{imported:?}");
            let listed = run(&["audit", "list", "--data-dir", &dir]).await;
            assert_eq!(listed.code, Some(0), "{listed:?}");
            assert!(listed.out.contains("import.started") && listed.out.contains("(admin)"), "{listed:?}");
            assert!(!listed.out.contains("example.org"), "{listed:?}");
            let one = ["audit", "list", "--data-dir", &dir, "--action", "import.started"];
            let one = run(&one).await;
            assert!(one.out.contains("import.started") && !one.out.contains("import.read"), "{one:?}");
            scratch
        }

        /// What somebody does who has the file.
        async fn edit(scratch: &Scratch, statements: &[&'static str]) {
            let url = format!("sqlite:{}", scratch.path("data/patients.db"));
            let db = Db::open(&url, 1, migrations::PATIENTS).await.expect("opened");
            let mut tx = db.begin().await.expect("begun");
            for sql in statements {
                execute!(tx.conn(), *sql).expect(sql);
            }
            tx.commit().await.expect("committed");
            db.close().await;
        }

        #[tokio::test]
        async fn a_whole_audit_is_told_from_an_edited_one() {
            let scratch = written("audit-edited").await;
            let whole = verify(&scratch, &[]).await;
            assert_eq!(whole.code, Some(0), "{whole:?}");
            assert!(
                whole.out.contains("patients: whole") && whole.out.contains("invites: whole"),
                "{whole:?}"
            );
            let kept = head(&whole);
            let same = verify(&scratch, &["--expect", &kept]).await;
            assert_eq!(same.code, Some(0), "{same:?}");

            edit(&scratch, &["drop trigger audit_stays", "delete from audit where place = 1"]).await;
            let broken = verify(&scratch, &[]).await;
            assert_eq!(broken.code, Some(1), "{broken:?}");
            assert!(broken.out.contains("patients: BROKEN: there is no row at place 1"), "{broken:?}");
            assert!(broken.out.contains("invites: whole"), "{broken:?}");
            let json = verify(&scratch, &["--json"]).await;
            let told: serde_json::Value = serde_json::from_str(&json.out).expect("JSON");
            assert_eq!((json.code, told[0]["rows"].as_i64()), (Some(1), Some(0)), "{told}");
        }

        #[tokio::test]
        async fn an_end_that_was_cut_off_is_told_by_a_head_kept_elsewhere() {
            let scratch = written("audit-cut").await;
            let kept = head(&verify(&scratch, &[]).await);
            edit(
                &scratch,
                &[
                    "drop trigger audit_stays",
                    "delete from audit where place > 1",
                    "update audit_head set place = 1, hash = (select hash from audit where place = 1)",
                ],
            )
            .await;
            assert_eq!(verify(&scratch, &[]).await.code, Some(0));
            let cut = verify(&scratch, &["--expect", &kept]).await;
            assert_eq!(cut.code, Some(1), "{cut:?}");
            assert!(cut.out.contains("not the one you expect"), "{cut:?}");
            let wrong = verify(&scratch, &["--expect", "patients:1"]).await;
            assert!(wrong.code == Some(2) && wrong.err.contains("PLACE:HASH"), "{wrong:?}");
        }
    }
}
