#![allow(missing_docs)]
use std::time::Duration;
use uuid::Uuid;
#[derive(Debug, Clone)]
pub struct Message {
    pub id: Uuid,
    pub routing_key: String,
    pub body: Vec<u8>,
    pub traceparent: Option<String>,
}
#[derive(Debug)]
pub struct Published {
    pub confirmed: usize,
    pub failure: Option<BusError>,
}
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    #[error("the bus cannot be reached: {0}")]
    Away(String),
}
#[derive(Clone)]
pub struct Bus;
pub struct Publisher;
pub struct Subscription;
pub struct Delivery {
    pub id: Option<Uuid>,
    pub routing_key: String,
    pub body: Vec<u8>,
    pub redelivered: bool,
    pub tag: u64,
}
impl Bus {
    pub async fn publisher(&self) -> Result<Publisher, BusError> {
        todo!()
    }
    pub async fn subscribe(&self, _: &str, _: u16) -> Result<Subscription, BusError> {
        todo!()
    }
}
impl Publisher {
    pub async fn publish(&mut self, _: &[Message], _: Duration) -> Published {
        todo!()
    }
}
impl Subscription {
    pub async fn next(&mut self, _: usize) -> Result<Vec<Delivery>, BusError> {
        todo!()
    }
    pub async fn ack(&mut self, _: &[Delivery]) -> Result<(), BusError> {
        todo!()
    }
}
