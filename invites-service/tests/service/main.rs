//! The service over HTTP, on both databases: `cargo test -p invites-service --test service`.

mod access;
mod audit;
mod bulk;
mod bulk_orders;
mod bulk_worker;
mod bulk_world;
mod events;
mod hearing;
mod issuing;
mod manners;
mod person;
mod races;
mod secrets;
mod streams;
mod whole_way;
mod world;
