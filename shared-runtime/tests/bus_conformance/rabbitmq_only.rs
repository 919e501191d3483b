//! What only a broker at the far end of a network can be asked.

mod rabbitmq {
    use crate::proxy::{Proxy, target};
    use crate::world::*;
    use lapin::options::{BasicGetOptions, QueueBindOptions, QueueDeclareOptions};
    use lapin::types::{AMQPValue, FieldTable};
    use lapin::{Channel, Connection, ConnectionProperties};
    use shared_runtime::bus::topology::{LOG, PATIENTS};
    use shared_runtime::bus::{Bus, BusError};
    use std::time::Duration;
    use tokio::time::{Instant, timeout};

    async fn through_a_proxy(world: &World, query: &str) -> (Proxy, Bus) {
        let broker = broker_url();
        let proxy = Proxy::start(target(&broker).0).await;
        let bus = Bus::open(&proxy.url(&broker, query), world.topology.clone()).await.unwrap();
        (proxy, bus)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn after_a_cut_all_err_and_new_ones_work() {
        let world = World::new(Side::RabbitMq, "cut");
        let (proxy, bus) = through_a_proxy(&world, "").await;
        let mut publisher = bus.publisher().await.unwrap();
        let mut subscription = bus.subscribe(PATIENTS, 10).await.unwrap();
        publisher.publish(&window(0..5, TO_PATIENTS), PATIENCE).await;
        let taken = take(&mut subscription, 5).await;
        bus.ping().await.unwrap();

        proxy.cut();
        let next = timeout(PATIENCE, subscription.next(1)).await.unwrap();
        assert!(matches!(next, Err(BusError::Away(_))), "{next:?}");
        let published = publisher.publish(&window(5..10, TO_PATIENTS), PATIENCE).await;
        assert_eq!(published.confirmed, 0);
        assert!(matches!(published.failure, Some(BusError::Away(_))), "{:?}", published.failure);
        assert!(subscription.ack(&taken).await.is_err());
        assert!(bus.ping().await.is_err());

        proxy.heal();
        bus.ping().await.unwrap();
        drop((publisher, subscription));
        publish(&bus, &window(5..10, TO_PATIENTS)).await;
        assert_eq!(ids(&consume(&bus, PATIENTS, 10).await), ids_of(0..10));
        world.end().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_silent_network_is_late_then_away() {
        let world = World::new(Side::RabbitMq, "silent");
        let (proxy, bus) = through_a_proxy(&world, "?heartbeat=1").await;
        let mut publisher = bus.publisher().await.unwrap();
        let mut subscription = bus.subscribe(PATIENTS, 10).await.unwrap();
        proxy.swallow();
        let (start, deadline) = (Instant::now(), Duration::from_millis(200));
        let published = publisher.publish(&window(0..5, TO_PATIENTS), deadline).await;
        assert_eq!(published.confirmed, 0);
        assert!(matches!(published.failure, Some(BusError::Late(_))), "{:?}", published.failure);
        assert!(start.elapsed() < Duration::from_secs(2));
        let next = timeout(PATIENCE, subscription.next(1)).await.expect("heartbeats must end the wait");
        assert!(matches!(next, Err(BusError::Away(_))), "{next:?}");
        world.end().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_broker_in_alarm_is_late_and_gets_no_further_connections() {
        let world = World::new(Side::RabbitMq, "alarm");
        let (proxy, bus) = through_a_proxy(&world, "").await;
        let mut publisher = bus.publisher().await.unwrap();
        publisher.publish(&window(0..5, TO_PATIENTS), PATIENCE).await;
        proxy.alarm();
        let mut failure = None;
        // The word of the alarm is on its way; what is published before it arrives is late as well.
        for _ in 0..2 {
            let published = publisher.publish(&window(5..10, TO_PATIENTS), SILENCE).await;
            assert_eq!(published.confirmed, 0);
            failure = published.failure;
        }
        assert!(matches!(failure, Some(BusError::Late(_))), "{failure:?}");
        drop(publisher);
        proxy.heal();
        let refused = bus.publisher().await.map(drop);
        assert!(matches!(&refused, Err(BusError::Away(words)) if words.contains("alarm")), "{refused:?}");
        // It ends with the connection that was held back.
        proxy.cut();
        proxy.heal();
        let again = async {
            while bus.publisher().await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, again).await.unwrap();
        world.end().await;
    }

    /// A queue of the test's own on the events exchange, without the bus between.
    async fn bound_queue(
        world: &World,
        arguments: FieldTable,
        pattern: &str,
    ) -> (Connection, Channel, String) {
        let connection = Connection::connect(&broker_url(), ConnectionProperties::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        let name = world.topology.full_name("own");
        let exclusive = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(name.as_str().into(), exclusive, arguments).await.unwrap();
        let (exchange, options) = (world.topology.full_name("pf.events"), QueueBindOptions::default());
        let bound = channel.queue_bind(
            name.as_str().into(),
            exchange.into(),
            pattern.into(),
            options,
            FieldTable::default(),
        );
        bound.await.unwrap();
        (connection, channel, name)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_message_says_on_the_wire_what_it_is() {
        let world = World::new(Side::RabbitMq, "wire");
        let bus = world.open().await;
        let mut publisher = bus.publisher().await.unwrap();
        let (_connection, channel, name) = bound_queue(&world, FieldTable::default(), "invites.#").await;
        let sent = message(1, TO_PATIENTS);
        publisher.publish(std::slice::from_ref(&sent), PATIENCE).await;
        let got = channel.basic_get(name.into(), BasicGetOptions::default()).await.unwrap().unwrap();
        let properties = &got.properties;
        assert_eq!(*properties.delivery_mode(), Some(2), "it must be written to disk");
        assert_eq!(properties.message_id().as_ref().unwrap().as_str(), sent.id.to_string());
        assert_eq!(properties.content_type().as_ref().unwrap().as_str(), "application/cloudevents+json");
        let headers = properties.headers().as_ref().unwrap().inner();
        let traceparent = AMQPValue::LongString(sent.traceparent.unwrap().into());
        assert_eq!(headers.get("traceparent"), Some(&traceparent));
        assert_eq!(got.data, sent.body);
        world.end().await;
    }

    /// A queue that is full nacks; a nacked message is not confirmed, and neither is what follows it.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_nacked_message_ends_the_prefix() {
        let world = World::new(Side::RabbitMq, "nack");
        let bus = world.open_with(world.topology.clone().without(LOG)).await;
        let mut publisher = bus.publisher().await.unwrap();
        let mut arguments = FieldTable::default();
        arguments.insert("x-max-length".into(), AMQPValue::LongInt(0));
        arguments.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
        let _full = bound_queue(&world, arguments, "full.#").await;

        // It may take a first one before it notices that it is full.
        publisher.publish(&window(100..101, "full.x"), PATIENCE).await;
        let mut messages = window(0..20, TO_PATIENTS);
        messages[12].routing_key = "full.x".to_owned();
        let published = publisher.publish(&messages, PATIENCE).await;
        assert_eq!(published.confirmed, 12);
        assert!(
            matches!(published.failure, Some(BusError::Refused { id: refused, .. }) if refused == id(12))
        );
        world.end().await;
    }

    #[tokio::test]
    async fn a_broker_that_is_away_does_not_keep_a_service_from_starting() {
        let bus = Bus::open("amqp://guest:secret@127.0.0.1:1/%2f", shared_runtime::bus::Topology::standard())
            .await
            .unwrap();
        for error in [
            bus.ping().await.unwrap_err(),
            bus.publisher().await.map(drop).unwrap_err(),
            bus.subscribe(PATIENTS, 1).await.map(drop).unwrap_err(),
        ] {
            assert!(matches!(error, BusError::Away(_)), "{error}");
        }
        assert!(!format!("{bus:?}").contains("secret"));
    }

    #[tokio::test]
    async fn a_url_that_cannot_be_read_is_not_repeated() {
        let error = Bus::open("ampq://guest:secret@host", shared_runtime::bus::Topology::standard())
            .await
            .unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
