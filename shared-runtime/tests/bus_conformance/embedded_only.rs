//! What only a file can be asked.

mod embedded {
    use crate::children;
    use crate::world::*;
    use shared_runtime::bus::topology::{LOG, PATIENTS};
    use shared_runtime::bus::{Bus, BusError, Topology};
    use std::collections::BTreeSet;
    use std::io::{BufRead as _, BufReader};
    use uuid::Uuid;

    /// Killed in the midst of publishing, three times over, it has kept whatever it said it had.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_was_confirmed_survives_kill_9() {
        for round in 1..=3 {
            let world = World::new(Side::Embedded, "kill");
            let mut child = children::start("children::publishes_until_killed", &world.file());
            let mut confirmed = BTreeSet::new();
            for line in BufReader::new(child.stdout.take().unwrap()).lines() {
                // Lines that were in the pipe when the kill came are read, too.
                if let Some(id) = line.unwrap().strip_prefix("confirmed ") {
                    confirmed.insert(id.parse::<Uuid>().unwrap());
                }
                if confirmed.len() == round * 150 {
                    child.kill().unwrap();
                }
            }
            child.wait().unwrap();
            assert!(confirmed.len() >= round * 150);

            let bus = world.open_with(Topology::standard()).await;
            let waiting = bus.depth(PATIENTS).await.unwrap();
            let came = id_set(&consume(&bus, PATIENTS, usize::try_from(waiting).unwrap()).await);
            let lost: Vec<_> = confirmed.difference(&came).collect();
            assert!(lost.is_empty(), "confirmed and lost: {lost:?}");
            bus.close().await;
            world.end().await;
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_was_in_hand_at_kill_9_comes_again_and_counts() {
        let world = World::new(Side::Embedded, "hold");
        let bus = world.open_with(Topology::standard()).await;
        publish(&bus, &window(0..12, TO_PATIENTS)).await;
        bus.close().await;
        let mut child = children::start("children::takes_and_holds_until_killed", &world.file());
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap() == "holding"));
        child.kill().unwrap();
        child.wait().unwrap();
        let bus = world.open_with(Topology::standard()).await;
        let came = consume(&bus, PATIENTS, 7).await;
        assert_eq!(ids(&came), ids_of(5..12));
        assert_eq!(came.iter().filter(|delivery| delivery.redelivered).count(), 5);
        bus.close().await;
        world.end().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_second_process_is_refused_by_name() {
        let world = World::new(Side::Embedded, "second");
        let bus = world.open_with(Topology::standard()).await;
        let child = children::start("children::opens_what_is_open", &world.file());
        let output = child.wait_with_output().unwrap();
        let words = String::from_utf8(output.stdout).unwrap();
        assert!(words.contains("refused: ") && words.contains("in use by another process"), "{words}");
        assert!(words.contains(&world.file().display().to_string()), "{words}");
        publish(&bus, &window(0..1, TO_PATIENTS)).await;
        bus.close().await;
        world.end().await;
    }

    #[tokio::test]
    async fn a_second_opening_in_one_process_is_refused_too() {
        let world = World::new(Side::Embedded, "twice");
        let bus = world.open().await;
        assert!(matches!(Bus::open(&world.url, world.topology.clone()).await, Err(BusError::InUse(_))));
        bus.close().await;
        world.open().await.close().await;
        world.end().await;
    }

    #[tokio::test]
    async fn a_missing_folder_is_named() {
        let error = Bus::open("embedded:/nowhere/at/all/bus.db", Topology::standard()).await.unwrap_err();
        assert!(error.to_string().contains("/nowhere/at/all/bus.db"), "{error}");
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn the_file_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let world = World::new(Side::Embedded, "mode");
        let bus = world.open().await;
        publish(&bus, &window(0..1, TO_PATIENTS)).await;
        for entry in std::fs::read_dir(world.file().parent().unwrap()).unwrap() {
            let (path, mode) =
                entry.map(|entry| (entry.path(), entry.metadata().unwrap().permissions())).unwrap();
            assert_eq!(mode.mode() & 0o777, 0o600, "{}", path.display());
        }
        bus.close().await;
        world.end().await;
    }

    #[tokio::test]
    async fn closing_ends_those_who_wait() {
        let world = World::new(Side::Embedded, "closing");
        let bus = world.open().await;
        let mut publisher = bus.publisher().await.unwrap();
        let mut subscription = bus.subscribe(PATIENTS, 1).await.unwrap();
        let waiting = tokio::spawn(async move { subscription.next(1).await.map(drop) });
        bus.clone().close().await;
        assert!(matches!(waiting.await.unwrap(), Err(BusError::Away(_))));
        let published = publisher.publish(&window(0..1, TO_PATIENTS), PATIENCE).await;
        assert!(matches!(published.failure, Some(BusError::Away(_))));
        assert!(bus.ping().await.is_err());
        world.end().await;
    }

    /// Not a queue of the topology any more: its file may still be opened.
    #[tokio::test]
    async fn a_queue_that_left_the_table_is_no_hindrance() {
        let world = World::new(Side::Embedded, "left");
        let bus = world.open().await;
        publish(&bus, &window(0..3, TO_PATIENTS)).await;
        bus.close().await;
        let bus = world.open_with(world.topology.clone().without(PATIENTS).without(LOG)).await;
        let published = bus.publisher().await.unwrap().publish(&window(3..4, TO_PATIENTS), PATIENCE).await;
        assert!(matches!(published.failure, Some(BusError::Returned { .. })));
        bus.close().await;
        world.end().await;
    }
}
