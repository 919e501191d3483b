//! The service over HTTP, on both databases: `cargo test -p invites-service --test service`.

mod whole_way;
mod world;
