//! The service over HTTP, on both databases: `cargo test -p invites-service --test service`.

mod bulk;
mod bulk_orders;
mod bulk_worker;
mod bulk_world;
mod events;
mod hearing;
mod issuing;
mod kept;
mod limits;
mod links;
mod manners;
mod person;
mod quiet;
mod races;
mod resets;
mod secrets;
mod sessions;
mod sharing;
mod streams;
mod whole_way;
mod world;
