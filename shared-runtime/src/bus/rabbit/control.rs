//! One connection kept for questions: is the broker there, how long is a queue. Made when first asked,
//! made again when it broke. It carries no messages.

use super::super::BusError;
use super::connect::{Address, within};
use lapin::{Channel, Connection};
use tokio::sync::Mutex;

#[derive(Debug, Default)]
pub(super) struct Control {
    connection: Mutex<Option<Connection>>,
}

impl Control {
    /// A new channel; to get one is itself a round trip. It closes when dropped, so a question that
    /// makes the broker close it harms no other.
    pub(super) async fn channel(&self, address: &Address) -> Result<Channel, BusError> {
        let mut kept = self.connection.lock().await;
        if let Some(connection) = kept.take()
            && let Ok(channel) = within(connection.create_channel()).await
        {
            *kept = Some(connection);
            return Ok(channel);
        }
        let connection = address.connect("control").await?;
        let channel = within(connection.create_channel()).await?;
        *kept = Some(connection);
        Ok(channel)
    }

    pub(super) async fn close(&self) {
        if let Some(connection) = self.connection.lock().await.take() {
            // It is going away in any case.
            let _ = within(connection.close(200, "done".into())).await;
        }
    }
}
