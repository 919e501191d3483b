//! The one place that asks the machine for the time and for new identities.

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use uuid::{ContextV7, Timestamp, Uuid};

/// Tells the time, and makes identities from it.
#[derive(Debug, Clone, Default)]
pub enum Clock {
    /// The machine's clock.
    #[default]
    System,
    /// A clock that a test moves: microseconds since 1970.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at `at` until it is moved.
    pub fn manual(at: DateTime<Utc>) -> Clock {
        Clock::Manual(Arc::new(AtomicI64::new(at.timestamp_micros())))
    }

    /// The time, in whole microseconds: what both databases can keep.
    pub fn now(&self) -> DateTime<Utc> {
        match self {
            #[expect(clippy::disallowed_methods, reason = "this is the clock")]
            Clock::System => {
                let now = Utc::now();
                now.duration_trunc(TimeDelta::microseconds(1)).unwrap_or(now)
            }
            Clock::Manual(micros) => {
                DateTime::from_timestamp_micros(micros.load(Ordering::SeqCst)).unwrap_or_default()
            }
        }
    }

    /// Moves a manual clock. A system clock cannot be moved, and this does nothing to it.
    pub fn advance(&self, by: TimeDelta) {
        if let (Clock::Manual(micros), Some(by)) = (self, by.num_microseconds()) {
            micros.fetch_add(by, Ordering::SeqCst);
        }
    }

    /// A new identity (UUID v7: sorts by time, so that indexes grow at their end).
    pub fn new_id(&self) -> Uuid {
        static CONTEXT: std::sync::Mutex<Option<ContextV7>> = std::sync::Mutex::new(None);
        let now = self.now();
        let seconds = u64::try_from(now.timestamp()).unwrap_or(0);
        let guard = CONTEXT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let context = ContextLock(std::cell::RefCell::new(guard));
        Uuid::new_v7(Timestamp::from_unix(&context, seconds, now.timestamp_subsec_nanos()))
    }
}

/// Lends the process-wide counter to `uuid`, so that identities made within one millisecond still sort.
struct ContextLock<'a>(std::cell::RefCell<std::sync::MutexGuard<'a, Option<ContextV7>>>);

impl uuid::ClockSequence for ContextLock<'_> {
    type Output = u64;

    fn generate_sequence(&self, seconds: u64, nanos: u32) -> u64 {
        self.0.borrow_mut().get_or_insert_with(ContextV7::new).generate_sequence(seconds, nanos)
    }

    fn generate_timestamp_sequence(&self, seconds: u64, nanos: u32) -> (u64, u64, u32) {
        self.0.borrow_mut().get_or_insert_with(ContextV7::new).generate_timestamp_sequence(seconds, nanos)
    }

    fn usable_bits(&self) -> usize {
        self.0.borrow_mut().get_or_insert_with(ContextV7::new).usable_bits()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_has_whole_microseconds() {
        assert_eq!(Clock::System.now().timestamp_subsec_nanos() % 1000, 0);
    }

    #[test]
    fn identities_of_one_millisecond_sort() {
        let clock = Clock::manual(DateTime::UNIX_EPOCH);
        let ids: Vec<_> = (0..1000).map(|_| clock.new_id()).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn a_manual_clock_moves_when_told() {
        let clock = Clock::manual(DateTime::UNIX_EPOCH);
        clock.advance(TimeDelta::days(1));
        assert_eq!(clock.now().timestamp(), 86_400);
    }
}
