//! What limits promise, on both databases: never more than a simple bucket in memory would let through, over
//! any number of connections; what is refused or rolled back takes nothing; nobody stands in the table.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is how a failure is said")]

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use shared_runtime::limits::{self, Bucket, Levels, Limit, Limiter};
use std::sync::Arc;
use std::time::Duration;
use testkit::core::World;
use testkit::databases::Door;
use tokio::task::JoinSet;

testkit::on_both_databases!(
    as_a_bucket_in_memory,
    two_hundred_at_once_over_two_pools,
    groups_over_two_pools_take_no_more,
    what_is_rolled_back_takes_nothing,
    empty_buckets_go_and_say_nothing,
);

const FIVE: Limit = Limit::new("test.five", 5, 60);

fn start() -> DateTime<Utc> {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

fn limiter() -> Limiter {
    Limiter::new(&[7; 32])
}

async fn take(world: &World, bucket: &Bucket, at: DateTime<Utc>) -> Result<(), Duration> {
    let mut tx = world.db.begin().await.unwrap();
    let taken = limits::take(&mut tx, bucket, at).await.unwrap();
    tx.commit().await.unwrap();
    taken
}

async fn take_in_group(world: &World, bucket: &Bucket, at: DateTime<Utc>) -> Result<(), Duration> {
    let mut tx = world.db.begin().await.unwrap();
    let mut levels = Levels::load(&mut tx, [*bucket]).await.unwrap();
    let room = levels.room(bucket, at);
    levels.take(bucket, at);
    levels.put(&mut tx).await.unwrap();
    tx.commit().await.unwrap();
    room
}

/// A bucket as one would explain it: it holds so many, and leaks one in every share of the time. Counted in
/// microseconds of leak, so that it is exact.
struct Simple {
    held: i64,
    seen: DateTime<Utc>,
}

impl Simple {
    fn take(&mut self, limit: &Limit, at: DateTime<Utc>) -> bool {
        let share = limit.per.num_microseconds().unwrap() / i64::from(limit.burst);
        let leaked = (at - self.seen).num_microseconds().unwrap();
        (self.held, self.seen) = ((self.held - leaked).max(0), at);
        let fits = self.held + share <= share * i64::from(limit.burst);
        self.held += if fits { share } else { 0 };
        fits
    }
}

async fn as_a_bucket_in_memory(door: Door) {
    let world = World::new(door).await;
    let steps = prop::collection::vec((0..30_000_000_i64, any::<bool>()), 1..40);
    let any_limit = (1..7_u32, 1..120_i64);
    let same_every_time = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), same_every_time);
    for case in 0..24_u32 {
        let ((burst, seconds), steps) =
            (any_limit.clone(), steps.clone()).new_tree(&mut runner).unwrap().current();
        let limit = Limit::new("test.any", burst, seconds);
        let bucket = limiter().bucket(&limit, case.to_be_bytes());
        let (mut simple, mut at) = (Simple { held: 0, seen: start() }, start());
        for (micros, in_group) in steps {
            at += TimeDelta::microseconds(micros);
            let taken = match in_group {
                true => take_in_group(&world, &bucket, at).await,
                false => take(&world, &bucket, at).await,
            };
            assert_eq!(taken.is_ok(), simple.take(&limit, at), "{limit:?} at {at}");
            let Err(wait) = taken else { continue };
            // The wait is exact: a moment before its end it is still too early.
            let then = at + TimeDelta::from_std(wait).unwrap();
            assert!(take(&world, &bucket, then - TimeDelta::microseconds(1)).await.is_err());
            assert_eq!(take(&world, &bucket, then).await, Ok(()));
            assert!(simple.take(&limit, then));
            at = then;
        }
    }
}

async fn two_hundred_at_once_over_two_pools(door: Door) {
    let world = Arc::new(World::new(door).await);
    let other = world.open_again().await;
    let bucket = limiter().bucket(&FIVE, "eve@example.org");
    let mut taking = JoinSet::new();
    for number in 0..200 {
        let db = if number % 2 == 0 { world.db.clone() } else { other.clone() };
        taking.spawn(async move {
            let mut tx = db.begin().await.unwrap();
            let taken = limits::take(&mut tx, &bucket, start()).await.unwrap();
            tx.commit().await.unwrap();
            taken.is_ok()
        });
    }
    let taken = taking.join_all().await.into_iter().filter(|taken| *taken).count();
    assert_eq!(taken, 5);
    assert_eq!(take(&world, &bucket, start()).await, Err(Duration::from_secs(12)));
}

/// Groups that want the same buckets in other orders: none waits in a circle, and together they take no more.
async fn groups_over_two_pools_take_no_more(door: Door) {
    let world = Arc::new(World::new(door).await);
    let other = world.open_again().await;
    let buckets: Vec<Bucket> = (0..6_u8).map(|subject| limiter().bucket(&FIVE, [subject])).collect();
    let mut taking = JoinSet::new();
    for number in 0..60_usize {
        let db = if number % 2 == 0 { world.db.clone() } else { other.clone() };
        let mut wanted = buckets.clone();
        wanted.rotate_left(number % 6);
        taking.spawn(async move {
            let mut tx = db.begin().await.unwrap();
            let mut levels = Levels::load(&mut tx, wanted.clone()).await.unwrap();
            let room = wanted.iter().filter(|bucket| levels.room(bucket, start()).is_ok()).count();
            wanted.iter().for_each(|bucket| levels.take(bucket, start()));
            levels.put(&mut tx).await.unwrap();
            tx.commit().await.unwrap();
            room
        });
    }
    assert_eq!(taking.join_all().await.into_iter().sum::<usize>(), 30);
}

async fn what_is_rolled_back_takes_nothing(door: Door) {
    let world = World::new(door).await;
    let bucket = limiter().bucket(&FIVE, "a");
    for _ in 0..10 {
        let mut tx = world.db.begin().await.unwrap();
        limits::take(&mut tx, &bucket, start()).await.unwrap().unwrap();
        tx.rollback().await.unwrap();
        let mut tx = world.db.begin().await.unwrap();
        let mut levels = Levels::load(&mut tx, [bucket]).await.unwrap();
        levels.take(&bucket, start());
        levels.put(&mut tx).await.unwrap();
        tx.rollback().await.unwrap();
    }
    for _ in 0..5 {
        assert_eq!(take(&world, &bucket, start()).await, Ok(()));
    }
    // Nor does what is refused: the wait does not grow.
    for _ in 0..10 {
        assert_eq!(take(&world, &bucket, start()).await, Err(Duration::from_secs(12)));
    }
}

async fn empty_buckets_go_and_say_nothing(door: Door) {
    let world = World::new(door).await;
    let (soon, late) = (limiter().bucket(&FIVE, "soon"), limiter().bucket(&FIVE, "late"));
    take(&world, &soon, start()).await.unwrap();
    for _ in 0..5 {
        take(&world, &late, start()).await.unwrap();
    }
    let prune = async |seconds: i64| {
        let mut tx = world.db.begin().await.unwrap();
        let pruned = limits::prune(&mut tx, start() + TimeDelta::seconds(seconds)).await.unwrap();
        tx.commit().await.unwrap();
        pruned
    };
    assert_eq!((prune(11).await, prune(12).await, prune(59).await), (0, 1, 0));
    assert_eq!(world.number_of("select count(*) from limits").await, 1);
    assert_eq!(prune(60).await, 1);
}

#[test]
fn other_limits_subjects_and_keys_are_other_buckets() {
    let one = limiter().bucket(&FIVE, "ab");
    assert_eq!(one, limiter().bucket(&FIVE, "ab"));
    let renamed = Limit { name: "test.fivea", ..FIVE };
    for other in [
        limiter().bucket(&FIVE, "ac"),
        limiter().bucket(&renamed, "b"),
        Limiter::new(&[8; 32]).bucket(&FIVE, "ab"),
    ] {
        assert_ne!(one, other);
    }
}
