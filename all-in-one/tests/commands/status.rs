//! The operator's door: internal routes on the admin port alone, for who has the service token.

mod embedded {
    mod sqlite {
        use crate::world::{Running, Scratch, program, run};
        use serde_json::Value;
        use std::process::{Command, Stdio};
        use std::time::{Duration, Instant};

        /// A program that serves until it is dropped.
        async fn serving(command: &mut Command, ready: &str) -> Running {
            let running = Running::start(command.stdout(Stdio::null()).stderr(Stdio::null()));
            let until = Instant::now() + Duration::from_secs(30);
            while !reqwest::get(format!("{ready}/readyz")).await.is_ok_and(|answer| answer.status() == 200) {
                assert!(Instant::now() < until, "{ready} is not ready");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            running
        }

        fn free_address() -> String {
            let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
            socket.local_addr().expect("an address").to_string()
        }

        /// `patient-first serve`.
        async fn all_in_one(scratch: &Scratch) -> (Running, String) {
            let at = free_address();
            let mut command = Command::new(program("patient-first"));
            command.args(["serve", "--data-dir", &scratch.path("data"), "--listen", &at]);
            let url = format!("http://{at}");
            (serving(&mut command, &url).await, url)
        }

        /// A service apart, with or without a file of tokens; its public and admin addresses.
        async fn apart(scratch: &Scratch, name: &str, tokens: Option<&str>) -> (Running, String, String) {
            let secrets = scratch.path("secrets");
            assert_eq!(run(&["keys", "init", "--secrets-dir", &secrets]).await.code, Some(0));
            let (public, admin) = (free_address(), free_address());
            let file = |kind: &str| scratch.path(&format!("{name}-{kind}.db"));
            let mut command = Command::new(program(&format!("{name}-service")));
            command
                .env_remove("PF_SERVICE_TOKEN_FILE")
                .env("PF_LISTEN", &public)
                .env("PF_ADMIN_LISTEN", &admin)
                .env("PF_DATABASE_URL", format!("sqlite:{}", file("own")))
                .env("PF_KEYS_URL", format!("sqlite:{}", file("keys")))
                .env("PF_BUS_URL", format!("embedded:{}", file("bus")))
                .env("PF_SECRETS_DIR", &secrets)
                .env("PF_JWT_PUBLIC_KEY_FILE", format!("{secrets}/jwt-public.pem"))
                .envs(tokens.map(|path| ("PF_SERVICE_TOKEN_FILE", path)));
            let (public, admin) = (format!("http://{public}"), format!("http://{admin}"));
            (serving(&mut command, &public).await, public, admin)
        }

        async fn asked(url: &str, token: &str) -> u16 {
            let request = reqwest::Client::new().get(format!("{url}/internal/status"));
            let request = if token.is_empty() { request } else { request.bearer_auth(token) };
            request.send().await.expect("answered").status().as_u16()
        }

        #[tokio::test]
        async fn internal_routes_are_on_the_admin_port_for_who_has_the_token() {
            let scratch = Scratch::new("door");
            let (_server, public) = all_in_one(&scratch).await;
            let written = |name: &str| {
                std::fs::read_to_string(scratch.path(&format!("data/{name}")))
                    .expect("there")
                    .trim()
                    .to_owned()
            };
            let (admin, token) = (written("admin-url"), written("service-token"));
            let staff = run(&["token", "--data-dir", &scratch.path("data")]).await.out.trim().to_owned();
            for wrong in ["", "x", &staff, &token[1..]] {
                assert_eq!(asked(&admin, wrong).await, 401, "{wrong:?}");
            }
            assert_eq!(asked(&admin, &token).await, 200);
            for any in ["", &staff, &token] {
                assert_eq!(asked(&public, any).await, 404, "not on the public port, whoever asks");
            }
        }

        #[tokio::test]
        async fn either_token_of_a_file_opens_and_without_a_file_nothing_is_there() {
            let scratch = Scratch::new("two");
            let (old, new) = ("o".repeat(40), "n".repeat(40));
            let tokens = scratch.file("tokens", &format!("{new}\n\n{old}\n"));
            for name in ["patients", "invites"] {
                let (service, public, admin) = apart(&scratch, name, Some(&tokens)).await;
                for (token, status) in [(old.as_str(), 200), (&new, 200), (&"x".repeat(40), 401), ("", 401)] {
                    assert_eq!(asked(&admin, token).await, status, "{name} {token:?}");
                }
                assert_eq!(asked(&public, &new).await, 404, "{name}");
                drop(service);
                let (_service, public, admin) = apart(&scratch, name, None).await;
                for url in [public, admin] {
                    assert_eq!(asked(&url, &new).await, 404, "{name}: no token, no door");
                }
            }
        }

        #[tokio::test]
        async fn services_apart_are_asked_together() {
            let scratch = Scratch::new("together");
            let tokens = scratch.file("tokens", &"t".repeat(40));
            let (patients, _, first) = apart(&scratch, "patients", Some(&tokens)).await;
            let (_invites, public, second) = apart(&scratch, "invites", Some(&tokens)).await;
            let urls = format!("{first},{second}");
            let said = run(&["status", "--admin-url", &urls, "--token-file", &tokens, "--json"]).await;
            let told: Value = serde_json::from_str(&said.out).expect("an array");
            assert_eq!((&told[0]["service"], &told[1]["service"]), (&"patients".into(), &"invites".into()));
            assert_ne!(told[0]["log_id"], told[1]["log_id"]);
            let other = scratch.file("others", &"x".repeat(40));
            let said = run(&["status", "--admin-url", &urls, "--token-file", &other]).await;
            assert!(
                said.code == Some(1) && said.out.contains("does not take this service token"),
                "{said:?}"
            );
            let said = run(&["status", "--admin-url", &public, "--token-file", &tokens]).await;
            assert!(said.code == Some(1) && said.out.contains("is it the admin port"), "{said:?}");
            assert!(!said.out.contains(&"t".repeat(40)), "no token in an error");
            drop(patients);
            let said = run(&["status", "--admin-url", &urls, "--token-file", &tokens]).await;
            assert!(said.code == Some(1) && said.out.contains("cannot reach the server"), "{said:?}");
            assert!(said.out.contains("invites: log"), "the other is asked all the same: {said:?}");
        }

        #[tokio::test]
        async fn a_file_of_tokens_that_is_of_no_use_is_named_at_the_start() {
            let scratch = Scratch::new("useless");
            for (text, words) in [("short\n", "at least 32 characters"), ("\n", "a token in every line")] {
                let path = scratch.file("tokens", text);
                let mut command = Command::new(program("patients-service"));
                for name in ["PF_DATABASE_URL", "PF_KEYS_URL", "PF_BUS_URL", "PF_SECRETS_DIR"] {
                    command.env(name, "x");
                }
                let said = command.env("PF_SERVICE_TOKEN_FILE", &path).output().expect("run");
                let said = String::from_utf8_lossy(&said.stderr).into_owned();
                assert!(said.contains(&path) && said.contains(words), "{said}");
            }
        }

        #[tokio::test(flavor = "multi_thread")]
        async fn a_running_server_is_asked_and_without_one_the_files_are_read() {
            let scratch = Scratch::new("status");
            let data = scratch.path("data");
            let (server, _) = all_in_one(&scratch).await;
            let file = scratch.file("people.csv", "Email,First,Last\nada@example.org,Ada,Lovelace\n");
            assert_eq!(run(&["import", &file, "--data-dir", &data, "--json"]).await.code, Some(0));
            let said = run(&["status", "--data-dir", &data]).await;
            assert!(said.code == Some(0) && !said.out.contains("No server"), "{said:?}");
            assert!(
                said.out.contains("patients: log") && said.out.contains("the relay is at work"),
                "{said:?}"
            );

            let json = run(&["status", "--data-dir", &data, "--json"]).await;
            let asked: Value = serde_json::from_str(&json.out).expect("an array and nothing else");
            assert_eq!(asked[0]["events"], 1, "{asked}");
            assert_eq!((&asked[0]["parked"], &asked[0]["imports"]["running"]), (&0.into(), &0.into()));

            drop(server);
            let files = run(&["status", "--data-dir", &data]).await.out;
            assert!(files.contains("No server runs"), "{files}");
            assert!(files.contains("1  events in the log"), "{files}");
            assert!(
                !files.contains("the relay is at work"),
                "a killed server's relay has its turn no more: {files}"
            );
            let nowhere = run(&["status", "--data-dir", "/nonexistent/pf"]).await;
            assert!(nowhere.code == Some(1) && nowhere.err.contains("no data directory"), "{nowhere:?}");
        }
    }
}
