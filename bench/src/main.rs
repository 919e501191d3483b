//! The measuring half of `make bench`. Each subcommand does one thing and prints one JSON line;
//! `deploy/dev/bench.py` starts the servers, runs the limits beside it and makes the table.

mod creates;
mod relay;

use anyhow::Result;
use clap::Parser;

#[derive(Parser)]
enum Command {
    /// Creates patients over HTTP with a number of clients, each waiting for its answer.
    Creates(creates::Flags),
    /// Relays a log to RabbitMQ, then publishes the same bytes raw.
    Relay(relay::Flags),
}

#[tokio::main]
async fn main() -> Result<()> {
    match Command::parse() {
        Command::Creates(flags) => creates::run(flags).await,
        Command::Relay(flags) => relay::run(flags).await,
    }
}
