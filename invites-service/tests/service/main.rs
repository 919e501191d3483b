//! The service over HTTP, on both databases: `cargo test -p invites-service --test service`.

mod bulk;
mod bulk_orders;
mod bulk_worker;
mod bulk_world;
mod erasing;
mod events;
mod hearing;
mod helping;
mod issuing;
mod manners;
mod pending;
mod person;
mod races;
mod readdressed;
mod secrets;
mod streams;
mod whole_way;
mod world;
