//! Publishers that a broker in alarm holds back.

use super::super::BusError;
use lapin::Connection;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// The connection on which a broker in alarm last held a publisher back.
///
/// Such a connection cannot even say that it closes, so each new attempt would leave one more behind.
/// It is kept instead, and as long as the broker has not let it go, no other is made.
#[derive(Default)]
pub(super) struct Blocked(Mutex<Option<Arc<Connection>>>);

impl fmt::Debug for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Blocked")
    }
}

impl Blocked {
    pub(super) fn check(&self) -> Result<(), BusError> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match kept.as_ref().map(|connection| connection.status()) {
            Some(status) if status.connected() && status.blocked() => {
                Err(BusError::Away("the broker holds publishers back: memory or disk alarm".to_owned()))
            }
            _ => {
                *kept = None;
                Ok(())
            }
        }
    }

    /// Keeps a connection whose publisher ran out of time, where the broker is to blame.
    pub(super) fn remember(&self, connection: &Arc<Connection>) {
        if connection.status().blocked() {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(connection.clone());
        }
    }
}
