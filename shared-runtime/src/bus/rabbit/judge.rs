//! How much of a window counts as published.

use super::super::{BusError, Message, Published};
use std::collections::HashSet;
use uuid::Uuid;

/// What became of one message, as far as its own confirm tells.
pub(super) enum Outcome {
    Taken { returned: Option<Uuid> },
    Nacked { returned: Option<Uuid> },
    Failed(BusError),
}

/// Counts the messages before the first that was nacked, failed, late or returned.
///
/// lapin hands a returned message to whichever confirm completes next, which after one confirm for
/// many is any of them. So the ids of all returned messages are gathered over the whole window first.
pub(super) fn judge(window: &[Message], outcomes: Vec<Outcome>) -> Published {
    let returned: HashSet<Uuid> = outcomes
        .iter()
        .filter_map(|outcome| match outcome {
            Outcome::Taken { returned } | Outcome::Nacked { returned } => *returned,
            Outcome::Failed(_) => None,
        })
        .collect();
    let mut confirmed = 0;
    for (message, outcome) in window.iter().zip(outcomes) {
        let failure = match outcome {
            _ if returned.contains(&message.id) => {
                BusError::Returned { routing_key: message.routing_key.clone() }
            }
            Outcome::Taken { .. } => {
                confirmed += 1;
                continue;
            }
            Outcome::Nacked { .. } => {
                BusError::Refused { id: message.id, reason: "the broker nacked it".to_owned() }
            }
            Outcome::Failed(error) => error,
        };
        return Published { confirmed, failure: Some(failure) };
    }
    Published { confirmed, failure: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn window(count: u128) -> Vec<Message> {
        let message = |number| Message {
            id: Uuid::from_u128(number),
            routing_key: format!("key{number}"),
            body: Vec::new(),
            traceparent: None,
        };
        (0..count).map(message).collect()
    }

    fn taken() -> Outcome {
        Outcome::Taken { returned: None }
    }

    fn judged(outcomes: Vec<Outcome>) -> (usize, Option<String>) {
        let published = judge(&window(outcomes.len() as u128), outcomes);
        (published.confirmed, published.failure.map(|failure| failure.to_string()))
    }

    #[test]
    fn all_taken_is_all_confirmed() {
        assert_eq!(judged(vec![taken(), taken(), taken()]), (3, None));
    }

    /// The confirm of message 4 brings word that message 1 came back.
    #[test]
    fn a_return_counts_for_its_own_message_whoever_brings_it() {
        let stray = Outcome::Taken { returned: Some(Uuid::from_u128(1)) };
        let (confirmed, failure) = judged(vec![taken(), taken(), taken(), taken(), stray]);
        assert_eq!(confirmed, 1);
        assert!(failure.is_some_and(|words| words.contains("key1")));
    }

    #[test]
    fn a_return_is_believed_from_behind_a_failure_too() {
        let late = Outcome::Failed(BusError::Late(Duration::ZERO));
        let stray = Outcome::Nacked { returned: Some(Uuid::from_u128(0)) };
        assert_eq!(judged(vec![taken(), late, stray]).0, 0);
    }

    #[test]
    fn what_follows_a_failure_does_not_count() {
        for failure in [Outcome::Nacked { returned: None }, Outcome::Failed(BusError::Late(Duration::ZERO))] {
            assert_eq!(judged(vec![taken(), failure, taken(), taken()]).0, 1);
        }
    }

    /// A window of which only the front could be sent.
    #[test]
    fn the_unsent_do_not_count() {
        let outcomes = vec![taken(), Outcome::Failed(BusError::Away("cut".to_owned()))];
        assert_eq!(judge(&window(5), outcomes).confirmed, 1);
    }
}
