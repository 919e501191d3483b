//! Connections, and what their errors mean.

use super::super::BusError;
use lapin::uri::AMQPUri;
use lapin::{Connection, ConnectionProperties};
use std::fmt;
use std::future::Future;
use std::time::Duration;

/// Longest wait for TCP, TLS and the AMQP handshake together, and for any other single answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between heartbeats. The broker gives up on us, and we on it, after about two of them.
const HEARTBEAT_SECONDS: u16 = 15;

/// A broker's address. Prints without its password.
pub(super) struct Address {
    uri: AMQPUri,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.uri.authority.host, self.uri.authority.port)
    }
}

impl Address {
    pub(super) fn parse(url: &str) -> Result<Address, BusError> {
        // The parser's own words are left out: they may quote the password.
        let mut uri: AMQPUri = url.parse().map_err(|_| {
            BusError::Away("its URL is none of embedded:PATH, amqp://… and amqps://…".to_owned())
        })?;
        uri.query.heartbeat.get_or_insert(HEARTBEAT_SECONDS);
        Ok(Address { uri })
    }

    /// A new connection. `role` is what an operator sees beside it in the broker's list.
    pub(super) async fn connect(&self, role: &str) -> Result<Connection, BusError> {
        let name = format!("{} {role}", process_name());
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        within(Connection::connect_uri(self.uri.clone(), properties)).await
    }
}

fn process_name() -> String {
    let program = std::env::args_os().next().unwrap_or_default();
    let stem = std::path::Path::new(&program).file_stem().unwrap_or_default();
    stem.to_string_lossy().into_owned()
}

/// Waits for one answer, but not for ever: behind a silent network lapin would.
pub(super) async fn within<T>(answer: impl Future<Output = lapin::Result<T>>) -> Result<T, BusError> {
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(answer) => answer.map_err(|error| away(&error)),
        Err(_) => Err(BusError::Late(PATIENCE)),
    }
}

/// What most errors come to.
pub(super) fn away(error: &lapin::Error) -> BusError {
    BusError::Away(error.to_string())
}
