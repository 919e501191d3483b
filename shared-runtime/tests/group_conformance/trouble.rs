//! Desks that panic or miscount, databases that go away.

use crate::desk::{Bench, Does};
use shared_runtime::group::Unanswered;
use testkit::core::soon;
use testkit::databases::Door;

testkit::on_both_databases!(
    a_desk_that_panics_harms_one_caller_and_works_on,
    a_desk_that_forgets_a_caller_commits_nothing_for_it,
    a_closed_database_is_answered_as_busy,
);

async fn a_desk_that_panics_harms_one_caller_and_works_on(door: Door) {
    let mut bench = Bench::new(door).await;
    // More often than there are writers.
    for round in 0..3 {
        bench.hold().await;
        let does = |n| if n == 1 { Does::Panics } else { Does::Nothing };
        let commands = (0..3).map(|n| (bench.world.id(), format!("{round}{n}"), does(n))).collect();
        let callers = bench.gather(commands).await;
        bench.release().await;
        for (n, caller) in callers.into_iter().enumerate() {
            match soon("an answer", caller).await.unwrap() {
                Ok(word) => assert_eq!((word, n == 1), (format!("{round}{n}"), false)),
                Err(failed) => assert!(n == 1 && matches!(failed, Unanswered::Failed(_)), "{n}: {failed}"),
            }
        }
    }
    assert_eq!(bench.words().await, ["00", "02", "10", "12", "20", "22"]);
}

async fn a_desk_that_forgets_a_caller_commits_nothing_for_it(door: Door) {
    let mut bench = Bench::new(door).await;
    bench.hold().await;
    let does = |n| if n == 0 { Does::Unanswered } else { Does::Nothing };
    let commands = (0..3).map(|n| (bench.world.id(), format!("{n}"), does(n))).collect();
    let callers = bench.gather(commands).await;
    bench.release().await;
    for (n, caller) in callers.into_iter().enumerate() {
        match soon("an answer", caller).await.unwrap() {
            Ok(word) => assert_eq!(word, n.to_string(), "another's answer"),
            Err(failed) => assert!(n == 0 && matches!(failed, Unanswered::Failed(_)), "{n}: {failed}"),
        }
    }
    assert_eq!(bench.words().await, ["1", "2"]);
}

async fn a_closed_database_is_answered_as_busy(door: Door) {
    let bench = Bench::new(door).await;
    bench.world.db.close().await;
    let answer = soon("an answer", bench.submit("word", Does::Nothing)).await.unwrap();
    assert!(matches!(answer, Err(Unanswered::Busy(_))), "{answer:?}");
}

mod on_a_server {
    mod postgres {
        use crate::desk::{Bench, Does};
        use shared_runtime::group::Unanswered;
        use shared_runtime::{Db, fetch_one};
        use std::time::{Duration, Instant};
        use testkit::core::{World, soon};
        use testkit::databases::Door;
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        use tokio::net::{TcpListener, TcpStream};

        /// One connection after the other is carried to the server. Once a client says COMMIT, the
        /// server hears it, and the client never hears the answer.
        async fn deaf_to_commits(server: (String, u16)) -> u16 {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            tokio::spawn(async move {
                while let Ok((client, _)) = listener.accept().await {
                    tokio::spawn(carry(client, TcpStream::connect(server.clone()).await.unwrap()));
                }
            });
            port
        }

        async fn carry(mut client: TcpStream, mut server: TcpStream) -> std::io::Result<()> {
            let (mut up, mut down) = ([0; 65536], [0; 65536]);
            loop {
                tokio::select! {
                    read = client.read(&mut up) => {
                        let said = &up[..read?];
                        server.write_all(said).await?;
                        if said.is_empty() {
                            return Ok(());
                        }
                        if said.windows(6).any(|word| word == b"COMMIT") {
                            let _answer = server.read(&mut down).await?; // so it is done
                            return Ok(());
                        }
                    }
                    read = server.read(&mut down) => client.write_all(&down[..read?]).await?,
                }
            }
        }

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn a_commit_whose_answer_was_lost_is_not_done_again() {
            let world = World::new(Door::Postgres).await;
            let url = world.databases.url("service").await;
            let (before, place) = url.rsplit_once('@').unwrap();
            let (host, name) = place.split_once('/').unwrap();
            let (host, port) = host.rsplit_once(':').unwrap();
            let port = deaf_to_commits((host.to_owned(), port.parse().unwrap())).await;
            let db =
                Db::open(&format!("{before}@127.0.0.1:{port}/{name}?sslmode=disable"), 4, &[]).await.unwrap();
            let bench = Bench::on(world, db);
            let answer = soon("an answer", bench.submit("word", Does::Nothing)).await.unwrap();
            // Whether it took effect is not known, and that is what is said.
            assert!(matches!(answer, Err(Unanswered::Busy(_))), "{answer:?}");
            assert_eq!(bench.words().await, ["word"], "and it is there once");
        }

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn when_no_connection_can_be_had_the_whole_group_is_told_at_once() {
            let world = World::new(Door::Postgres).await;
            let url = world.databases.url("service").await;
            let db = Db::open(&url, 1, &[]).await.unwrap();
            let mut only = db.read().await.unwrap();
            assert_eq!(fetch_one!(only.conn(), (i32,), "select 1").unwrap().0, 1);
            let bench = Bench::on(world, db);
            let began = Instant::now();
            let callers: Vec<_> = (0..6).map(|n| bench.submit(&n.to_string(), Does::Nothing)).collect();
            for caller in callers {
                let answer = soon("an answer", caller).await.unwrap();
                assert!(matches!(answer, Err(Unanswered::Busy(_))), "{answer:?}");
            }
            // Waiting for a connection takes five seconds: twice, since the first group may be one alone.
            assert!(began.elapsed() < Duration::from_secs(14), "{:?}", began.elapsed());
        }
    }
}
