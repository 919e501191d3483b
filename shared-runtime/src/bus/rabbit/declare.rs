//! Declaring the topology, on every new connection, before anything else is done with it.

use super::super::topology::{Exchange, Keeps, Queue};
use super::super::{BusError, Topology};
use super::connect::{away, within};
use lapin::options::{
    ExchangeDeclareOptions, ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, ErrorKind, ExchangeKind};

const PRECONDITION_FAILED: u16 = 406;
/// The log is cut in whole segments, so a segment must be small for its age to mean anything.
const SEGMENT_BYTES: i64 = 50_000_000;

/// Declares all of it.
pub(super) async fn all(connection: &Connection, topology: &Topology) -> Result<(), BusError> {
    let channel = within(connection.create_channel()).await?;
    for kind in Exchange::ALL {
        exchange(&channel, &topology.full_name(kind.name())).await?;
    }
    for row in &topology.queues {
        queue(&channel, topology, row).await?;
    }
    within(channel.close(200, "declared".into())).await
}

async fn exchange(channel: &Channel, name: &str) -> Result<(), BusError> {
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let declared = channel.exchange_declare(name.into(), ExchangeKind::Topic, options, FieldTable::default());
    within(clash(declared, "exchange", name)).await?
}

async fn queue(channel: &Channel, topology: &Topology, row: &Queue) -> Result<(), BusError> {
    let name = topology.full_name(&row.name);
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    let declared = channel.queue_declare(name.as_str().into(), options, arguments(topology, &row.keeps));
    within(clash(declared, "queue", &name)).await??;
    let exchange = topology.full_name(row.exchange.name());
    for pattern in &row.bindings {
        let bound = channel.queue_bind(
            name.as_str().into(),
            exchange.as_str().into(),
            pattern.as_str().into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        );
        within(bound).await?;
    }
    Ok(())
}

/// Sets a refusal over other arguments apart from all other errors: waiting does not mend it.
async fn clash<T>(
    declared: impl Future<Output = lapin::Result<T>>,
    kind: &str,
    name: &str,
) -> lapin::Result<Result<(), BusError>> {
    match declared.await {
        Ok(_) => Ok(Ok(())),
        Err(error) => match error.kind() {
            ErrorKind::ProtocolError(refusal) if refusal.get_id() == PRECONDITION_FAILED => {
                let words = refusal.get_message();
                Ok(Err(BusError::Topology(format!(
                    "{kind} {name} is on the broker with other arguments ({words}). Drain and delete it there, \
                     or give it a new version in its name"
                ))))
            }
            _ => Err(error),
        },
    }
}

fn arguments(topology: &Topology, keeps: &Keeps) -> FieldTable {
    let mut table = FieldTable::default();
    let mut set = |name: &str, value: AMQPValue| {
        table.insert(name.into(), value);
    };
    match keeps {
        Keeps::UntilAcked { delivery_limit } => {
            set("x-queue-type", text("quorum"));
            set("x-delivery-limit", AMQPValue::LongLongInt(i64::from(*delivery_limit)));
            // No x-dead-letter-routing-key: the original key tells what died.
            set("x-dead-letter-exchange", text(&topology.full_name(Exchange::Dead.name())));
            set("x-dead-letter-strategy", text("at-least-once"));
            set("x-overflow", text("reject-publish"));
        }
        Keeps::Parked { delivery_limit } => {
            set("x-queue-type", text("quorum"));
            set("x-delivery-limit", AMQPValue::LongLongInt(i64::from(*delivery_limit)));
        }
        Keeps::AsLog { max_age, max_bytes } => {
            set("x-queue-type", text("stream"));
            set("x-max-age", text(&format!("{}s", max_age.as_secs())));
            set("x-max-length-bytes", AMQPValue::LongLongInt(i64::try_from(*max_bytes).unwrap_or(i64::MAX)));
            set("x-stream-max-segment-size-bytes", AMQPValue::LongLongInt(SEGMENT_BYTES));
        }
    }
    table
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

/// Messages ready in a queue.
pub(super) async fn depth(channel: &Channel, full_name: &str) -> Result<u64, BusError> {
    let options = QueueDeclareOptions { passive: true, durable: true, ..QueueDeclareOptions::default() };
    let queue = within(channel.queue_declare(full_name.into(), options, FieldTable::default())).await?;
    Ok(u64::from(queue.message_count()))
}

/// Deletes all of it, queues first.
pub(super) async fn delete(channel: &Channel, topology: &Topology) -> Result<(), BusError> {
    for row in &topology.queues {
        let name = topology.full_name(&row.name);
        channel
            .queue_delete(name.into(), QueueDeleteOptions::default())
            .await
            .map_err(|error| away(&error))?;
    }
    for kind in Exchange::ALL {
        let name = topology.full_name(kind.name());
        let deleted = channel.exchange_delete(name.into(), ExchangeDeleteOptions::default());
        deleted.await.map_err(|error| away(&error))?;
    }
    Ok(())
}
