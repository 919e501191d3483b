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
mod kept;
mod limits;
mod links;
mod manners;
mod pending;
mod person;
mod quiet;
mod races;
mod readdressed;
mod resets;
mod secrets;
mod sessions;
mod sharing;
mod streams;
mod whole_way;
mod world;
