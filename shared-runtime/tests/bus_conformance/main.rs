//! What a bus must do, asked of both sides in the same words.
//!
//! `embedded::…` needs nothing. `rabbitmq::…` needs a broker in `PF_TEST_AMQP_URL`; every case works
//! under a prefix of its own, so a broker may be shared.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking there")]

mod cases;
mod children;
mod embedded_only;
mod measure;
mod proxy;
mod rabbitmq_only;
mod world;

macro_rules! suite {
    ($side:ident, $($group:ident: [$($case:ident),+ $(,)?]),+ $(,)?) => {
        $($(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let world = crate::world::World::new(crate::world::Side::$side, stringify!($case));
                crate::cases::$group::$case(&world).await;
                world.end().await;
            }
        )+)+
    };
}

macro_rules! suites {
    ($($cases:tt)+) => {
        mod embedded {
            suite!(Embedded, $($cases)+);
        }
        mod rabbitmq {
            suite!(RabbitMq, $($cases)+);
        }
    };
}

suites! {
    carrying: [
        a_message_reaches_every_bound_queue,
        patterns_match_by_words,
        order_is_kept_within_a_queue,
        bytes_are_identical,
        a_message_published_twice_arrives_twice,
        a_window_of_two_thousand,
        a_waiting_subscriber_is_woken,
        what_was_published_before_the_first_subscriber_waits_for_it,
    ],
    settling: [
        unacked_comes_again_after_a_drop,
        unacked_comes_again_after_reopening,
        acked_does_not_come_again_after_reopening,
        an_ack_covers_its_batch_alone,
        a_delivery_of_another_subscription_is_not_acked,
        a_refused_message_is_parked_under_its_own_key,
        a_message_that_fails_too_often_is_parked,
        a_message_refused_in_the_parking_queue_is_gone,
    ],
    flowing: [
        prefetch_bounds_what_is_in_hand,
        two_consumers_share_without_doubling,
        a_cancelled_next_loses_nothing,
        publishing_goes_on_while_a_consumer_is_slow,
        several_publishers_at_once,
    ],
    refusing: [
        unroutable_is_returned_and_the_prefix_is_exact,
        a_routing_key_that_is_too_long_is_refused,
        another_topology_is_refused,
        unknown_queues_and_logs_are_not_subscribed_to,
        an_empty_window_is_confirmed,
        an_open_bus_answers_a_ping,
    ],
}
