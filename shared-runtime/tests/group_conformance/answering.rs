//! Every caller gets its own answer, once what it says is committed.

use crate::desk::{Bench, Does};
use testkit::core::{soon, until};
use testkit::databases::Door;
use uuid::Uuid;

testkit::on_both_databases!(
    each_caller_gets_its_own_answer_however_the_group_is_ordered,
    what_was_answered_can_be_read,
    a_caller_that_goes_away_does_not_stop_its_command,
    a_group_that_is_dropped_answers_those_who_wait,
);

async fn each_caller_gets_its_own_answer_however_the_group_is_ordered(door: Door) {
    let mut bench = Bench::new(door).await;
    bench.hold().await;
    // Their subjects come in the opposite order of their arrival.
    let commands = (0..60u128).map(|n| (Uuid::from_u128(1000 - n), format!("{n:02}"), Does::Nothing));
    let callers = bench.gather(commands.collect()).await;
    bench.release().await;
    for (n, caller) in callers.into_iter().enumerate() {
        assert_eq!(soon("an answer", caller).await.unwrap().unwrap(), format!("{n:02}"));
    }
}

async fn what_was_answered_can_be_read(door: Door) {
    let bench = Bench::new(door).await;
    for n in 0..30 {
        let word = format!("{n:02}");
        soon("an answer", bench.submit(&word, Does::Nothing)).await.unwrap().unwrap();
        assert_eq!(bench.words().await.last(), Some(&word));
    }
}

async fn a_caller_that_goes_away_does_not_stop_its_command(door: Door) {
    let mut bench = Bench::new(door).await;
    bench.hold().await;
    let commands = ["gone", "stays"].map(|word| (bench.world.id(), word.to_owned(), Does::Nothing));
    let callers = bench.gather(commands.into()).await;
    callers[0].abort();
    until("the caller is gone", || async { callers[0].is_finished() }).await;
    bench.release().await;
    until("both are done", || async { bench.words().await == ["gone", "stays"] }).await;
}

async fn a_group_that_is_dropped_answers_those_who_wait(door: Door) {
    let mut bench = Bench::new(door).await;
    bench.hold().await;
    let callers = bench.gather(vec![(bench.world.id(), "last".to_owned(), Does::Nothing)]).await;
    bench.release().await;
    let Bench { group, world, notes, .. } = bench;
    drop(group);
    for caller in callers {
        soon("an answer", caller).await.unwrap().unwrap();
    }
    // The writers end, and with them their hold on the desk.
    until("the writers end", || async { std::sync::Arc::strong_count(&notes) == 1 }).await;
    drop(world);
}

/// A commit that can be held up, which SQLite's cannot.
mod held {
    mod postgres {
        use crate::desk::{Bench, Does};
        use testkit::core::{soon, until};
        use testkit::databases::Door;

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn nobody_is_answered_before_the_commit() {
            let bench = Bench::new(Door::Postgres).await;
            for sql in [
                "create function wait() returns trigger language plpgsql as
                 $$ begin perform pg_advisory_xact_lock(7); return null; end $$",
                "create constraint trigger wait_at_commit after insert on notes
                 deferrable initially deferred for each row execute function wait()",
            ] {
                bench.world.execute(sql).await;
            }
            let mut holder = bench.world.db.begin().await.unwrap();
            shared_runtime::execute!(holder.conn(), "select pg_advisory_xact_lock(7)").unwrap();
            let caller = bench.submit("word", Does::Nothing);
            let waiters = "select count(*) from pg_locks where locktype = 'advisory' and not granted
                              and database = (select oid from pg_database where datname = current_database())";
            until("the commit waits", || async { bench.world.number_of(waiters).await == 1 }).await;
            // All that happens between the desk and the commit has happened.
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            assert!(!caller.is_finished(), "answered before the commit");
            holder.rollback().await.unwrap();
            soon("an answer", caller).await.unwrap().unwrap();
            assert_eq!(bench.words().await, ["word"]);
        }
    }
}
