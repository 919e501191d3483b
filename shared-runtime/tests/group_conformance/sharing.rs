//! Commands that wait share what a commit costs, and nothing else.

use crate::desk::{Bench, Does};
use shared_runtime::group::Unanswered;
use std::sync::atomic::Ordering::SeqCst;
use testkit::core::soon;
use testkit::databases::Door;

testkit::on_both_databases!(
    waiting_commands_share_transactions,
    one_that_fails_does_not_harm_its_neighbours,
    one_that_meets_contention_is_tried_again_alone,
    contention_without_end_is_answered_in_the_end,
);

async fn waiting_commands_share_transactions(door: Door) {
    let mut bench = Bench::new(door).await;
    bench.hold().await;
    let commands = (0..100).map(|n| (bench.world.id(), format!("{n:03}"), Does::Nothing)).collect();
    let callers = bench.gather(commands).await;
    bench.release().await;
    for caller in callers {
        soon("an answer", caller).await.unwrap().unwrap();
    }
    assert_eq!(bench.words().await.len(), 100);
    let writers = bench.world.db.writers();
    let commits = bench.notes.commits.load(SeqCst);
    assert!(commits <= 2 * writers, "{commits} commits for 100 commands");
    let tried = bench.notes.tried.lock().unwrap().clone();
    assert!(tried.iter().all(|(size, round)| *size <= 128 && *round == 0), "{tried:?}");
}

async fn one_that_fails_does_not_harm_its_neighbours(door: Door) {
    let mut bench = Bench::new(door).await;
    bench.hold().await;
    let does = |n| if n == 5 { Does::Fails } else { Does::Nothing };
    let commands = (0..10).map(|n| (bench.world.id(), format!("{n}"), does(n))).collect();
    let callers = bench.gather(commands).await;
    bench.release().await;
    for (n, caller) in callers.into_iter().enumerate() {
        match soon("an answer", caller).await.unwrap() {
            Ok(word) => assert_eq!((word, n == 5), (n.to_string(), false)),
            Err(failed) => assert!(n == 5 && matches!(failed, Unanswered::Failed(_)), "{n}: {failed}"),
        }
    }
    // Once each, though the group was tried first.
    assert_eq!(bench.words().await, ["0", "1", "2", "3", "4", "6", "7", "8", "9"]);
    let tried = bench.notes.tried.lock().unwrap().clone();
    assert!(tried.iter().all(|(size, round)| *round == 0 || *size == 1), "{tried:?}");
}

async fn one_that_meets_contention_is_tried_again_alone(door: Door) {
    let bench = Bench::new(door).await;
    let answer = soon("an answer", bench.submit("word", Does::Conflicts(4))).await.unwrap();
    assert_eq!(answer.unwrap(), "word");
    assert_eq!(bench.words().await, ["word"]);
    let tried = bench.notes.tried.lock().unwrap().clone();
    assert_eq!(tried, [(1, 0), (1, 1), (1, 2), (1, 3), (1, 4)]);
}

async fn contention_without_end_is_answered_in_the_end(door: Door) {
    let bench = Bench::new(door).await;
    let answer = soon("an answer", bench.submit("word", Does::Conflicts(u32::MAX))).await.unwrap();
    assert!(matches!(answer, Err(Unanswered::Busy(_))), "{answer:?}");
    assert!(bench.words().await.is_empty());
}
