//! What the keys promise, on both databases: nobody shares one, none is used before it is durable, a
//! service with the wrong ones does not start and says why, and what was destroyed stays destroyed.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is how a failure is said")]

use shared_runtime::bus::{Bus, Topology};
use shared_runtime::core::{Core, StartError};
use shared_runtime::keys::{DataKeys, Found, Keyring, KeyringError, KeysError};
use shared_runtime::secrets::{Missing, Secrets};
use shared_runtime::{Db, execute};
use std::collections::HashSet;
use testkit::core::{World, soon};
use testkit::databases::{Door, TestDatabases};
use tokio::task::JoinSet;

testkit::on_both_databases!(
    takers_at_once_get_keys_of_their_own_which_are_durable,
    more_than_a_batch_can_be_taken_at_once,
    what_one_copy_erased_another_finds_erased,
    a_rotated_wrapping_key_opens_what_the_old_one_wrapped,
    a_service_with_the_wrong_keys_does_not_start_and_says_why,
    keys_that_cannot_be_kept_are_not_given_out,
);

async fn takers_at_once_get_keys_of_their_own_which_are_durable(door: Door) {
    let world = World::new(door).await;
    let mut takers = JoinSet::new();
    for taker in 0..20 {
        let keys = world.log.keys().clone();
        takers.spawn(async move { keys.take(1 + taker % 70).await.unwrap() });
    }
    let taken: Vec<_> = soon("the takers", takers.join_all()).await.into_iter().flatten().collect();
    let ids: Vec<_> = taken.iter().map(|key| key.id).collect();
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len(), "one key was given out twice");
    // Another copy, which has nothing in its memory, finds every one, and it is the same key.
    let fresh = world.fresh_log();
    let found = fresh.keys().find(&ids).await.unwrap();
    for key in &taken {
        let sealed = key.seal(b"aad", b"word".to_vec());
        let Found::Key(same) = found[&key.id] else { panic!("erased") };
        assert_eq!(same.open(b"aad", &sealed).unwrap(), b"word");
        assert!(same.open(b"other", &sealed).is_err());
    }
    let blocks: HashSet<_> =
        taken.iter().map(|key| key.open(b"", &taken[0].seal(b"", vec![1])).is_ok()).collect();
    assert_eq!(blocks.len(), 2, "keys differ: only the first opens its block");
}

async fn more_than_a_batch_can_be_taken_at_once(door: Door) {
    let world = World::new(door).await;
    world.log.keys().take(3).await.unwrap();
    let taken = world.log.keys().take(1300).await.unwrap();
    assert_eq!(taken.iter().map(|key| key.id).collect::<HashSet<_>>().len(), 1300);
    assert!(world.log.keys().take(0).await.unwrap().is_empty());
}

async fn what_one_copy_erased_another_finds_erased(door: Door) {
    let world = World::new(door).await;
    let key = world.log.keys().take(1).await.unwrap()[0];
    world.log.keys().erase(key.id).await.unwrap();
    for keys in [world.log.keys(), world.fresh_log().keys()] {
        let found = keys.find(&[key.id, key.id]).await.unwrap();
        assert!(matches!(found[&key.id], Found::Erased));
    }
    // The bytes are gone, not marked.
    let mut reader = world.keys_db.read().await.unwrap();
    let sql =
        "select count(*) from data_keys where key_id = $1 and wrapped is null and erased_at is not null";
    assert_eq!(shared_runtime::fetch_one!(reader.conn(), (i64,), sql, key.id).unwrap().0, 1);
}

async fn a_rotated_wrapping_key_opens_what_the_old_one_wrapped(door: Door) {
    let world = World::new(door).await;
    let path = world.databases.folder().join("wrapping.keys");
    let ring = Keyring::load_or_create(&path).unwrap();
    let old = DataKeys::new(world.keys_db.clone(), ring, world.clock.clone());
    let key = old.take(1).await.unwrap()[0].id;
    let mut text = std::fs::read_to_string(&path).unwrap();
    text.push_str("k2 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n");
    std::fs::write(&path, text).unwrap();
    let ring = Keyring::load(&path).unwrap();
    assert_eq!(ring.current_id(), "k2");
    let new = DataKeys::new(world.keys_db.clone(), ring, world.clock.clone());
    new.check().await.unwrap();
    assert!(matches!(new.find(&[key]).await.unwrap()[&key], Found::Key(_)));
    // A copy that runs with the old one learns of the new one where it meets it.
    let newer = new.take(1).await.unwrap()[0].id;
    assert!(matches!(old.find(&[newer]).await.unwrap()[&newer], Found::Key(_)));
    // What the old one wrapped is wrapped anew, and then opens without it; what was destroyed stays so.
    let gone = old.take(1).await.unwrap()[0].id;
    new.erase(gone).await.unwrap();
    assert!(new.wrapped_under("k1").await.unwrap() >= 499);
    while new.rewrap_once().await.unwrap() > 0 {}
    assert_eq!(new.wrapped_under("k1").await.unwrap(), 0);
    new.wrapping().retire("k1").unwrap();
    let alone = DataKeys::new(world.keys_db.clone(), Keyring::load(&path).unwrap(), world.clock.clone());
    let found = alone.find(&[key, newer, gone]).await.unwrap();
    assert!(matches!(
        (found[&key], found[&newer], found[&gone]),
        (Found::Key(_), Found::Key(_), Found::Erased)
    ));
}

async fn a_service_with_the_wrong_keys_does_not_start_and_says_why(door: Door) {
    let databases = TestDatabases::new(door).await;
    let (url, keys_url) = (databases.url("service").await, databases.url("keys").await);
    let place = databases.folder();
    let open = async |secrets: &Secrets| {
        let bus = Bus::open("amqp://127.0.0.1:1/%2f", Topology::standard()).await.unwrap();
        let db = Db::open(&url, 4, migrations::CORE).await.unwrap();
        let keys_db = Db::open(&keys_url, 4, migrations::KEYS).await.unwrap();
        Core::new("patients", db, keys_db, bus, secrets, shared_runtime::Clock::System).await
    };
    let right = Secrets::open(&place.join("right"), "patients", Missing::Make).unwrap();
    let core = open(&right).await.unwrap();
    core.log.keys().take(1).await.unwrap();
    core.close().await;
    let wrong = Secrets::open(&place.join("wrong"), "patients", Missing::Make).unwrap();
    let refused = open(&wrong).await.map(drop).expect_err("refused");
    assert!(matches!(refused, StartError::Keys(KeysError::WrongWrappingKey(_))), "{refused:?}");
    assert!(refused.to_string().contains("is this the right secrets directory?"), "{refused}");
    open(&right).await.unwrap().close().await;
    // Where keys must be there already, none are made.
    let refused = Secrets::open(&place.join("empty"), "patients", Missing::Refuse).expect_err("refused");
    assert!(matches!(refused, KeyringError::File { .. }), "{refused:?}");
    assert!(!place.join("empty").exists());
}

async fn keys_that_cannot_be_kept_are_not_given_out(door: Door) {
    let world = World::new(door).await;
    let db: Db = world.keys_db.clone();
    let mut tx = db.begin().await.unwrap();
    execute!(tx.conn(), "alter table data_keys rename to hidden").unwrap();
    tx.commit().await.unwrap();
    assert!(world.log.keys().take(1).await.is_err());
    let mut tx = db.begin().await.unwrap();
    execute!(tx.conn(), "alter table hidden rename to data_keys").unwrap();
    tx.commit().await.unwrap();
    let key = world.log.keys().take(1).await.unwrap()[0].id;
    assert!(world.fresh_log().keys().find(&[key]).await.is_ok());
}

/// Key files, which both sides share; counted with the side that needs no server.
mod files {
    mod sqlite {
        use super::super::*;

        #[tokio::test]
        async fn a_start_that_was_killed_while_it_made_a_key_can_be_repeated() {
            let databases = TestDatabases::new(Door::Sqlite).await;
            let path = databases.folder().join("secrets/bus.keys");
            let made = Keyring::load_or_create(&path).unwrap();
            // Whatever else lies there, the file is there whole or not at all.
            let left: Vec<_> = std::fs::read_dir(path.parent().unwrap()).unwrap().collect();
            assert_eq!(left.len(), 1, "{left:?}");
            assert_eq!(Keyring::load_or_create(&path).unwrap().current(), made.current());
        }

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn two_that_make_a_key_at_once_have_the_same() {
            let databases = TestDatabases::new(Door::Sqlite).await;
            for round in 0..50 {
                let path = databases.folder().join(format!("{round}.keys"));
                let make = || {
                    let path = path.clone();
                    tokio::task::spawn_blocking(move || Keyring::load_or_create(&path))
                };
                let (one, other) = (make(), make());
                let (one, other) = (one.await.unwrap().unwrap(), other.await.unwrap().unwrap());
                assert_eq!(one.current(), other.current());
            }
        }

        #[tokio::test]
        async fn two_keys_of_one_name_are_refused() {
            let databases = TestDatabases::new(Door::Sqlite).await;
            let path = databases.folder().join("bus.keys");
            let line = "k1 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n";
            std::fs::write(&path, line.repeat(2)).unwrap();
            // What the second sealed, the first would be asked to open.
            assert!(Keyring::load(&path).is_err());
        }
    }
}
