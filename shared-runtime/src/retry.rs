//! Waiting between attempts: exponential, jittered, and without an end.
//!
//! The one place that names the crate `backoff`. Its `retry` helpers are not used: they give up after
//! fifteen minutes unless told otherwise, and a service that has given up on its broker is a service
//! that somebody has to restart by hand.

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff as _;
use std::time::Duration;

const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(15);

/// Delays that double from 0.2 s up to 15 s, each shortened or lengthened by up to a half, for ever.
#[derive(Debug)]
pub struct Backoff {
    inner: ExponentialBackoff,
}

/// A backoff at its start.
pub fn forever() -> Backoff {
    between(FIRST, LONGEST)
}

/// A backoff that starts and ends elsewhere than [`forever`].
pub fn between(first: Duration, longest: Duration) -> Backoff {
    let mut inner = ExponentialBackoff {
        initial_interval: first,
        max_interval: longest,
        multiplier: 2.0,
        randomization_factor: 0.5,
        max_elapsed_time: None,
        ..ExponentialBackoff::default()
    };
    inner.reset();
    Backoff { inner }
}

impl Backoff {
    /// How long to wait before the next attempt. Grows with every call.
    pub fn next_delay(&mut self) -> Duration {
        // The crate says `None` only where a maximal time is set. None is.
        self.inner.next_backoff().unwrap_or(LONGEST)
    }

    /// Waits that long.
    pub async fn wait(&mut self) {
        tokio::time::sleep(self.next_delay()).await;
    }

    /// Starts over. Call it after success, not after connecting: a peer that accepts connections and
    /// then fails each of them must still be left alone for longer and longer.
    pub fn reset(&mut self) {
        self.inner.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_the_longest_and_never_end() {
        let mut backoff = forever();
        let delays: Vec<Duration> = (0..1000).map(|_| backoff.next_delay()).collect();
        assert!(delays[0] <= FIRST * 3 / 2);
        assert!(delays.iter().skip(20).all(|delay| *delay >= LONGEST / 2 && *delay <= LONGEST * 3 / 2));
    }

    #[test]
    fn a_reset_starts_over() {
        let mut backoff = forever();
        for _ in 0..20 {
            backoff.next_delay();
        }
        backoff.reset();
        assert!(backoff.next_delay() <= FIRST * 3 / 2);
    }
}
