//! Are the calls that are under way still in the stream? A broker may have lost them with its disk, or
//! its memory.

use std::rc::Rc;
use std::time::Duration;

use async_nats::connection::State as Connection;
use async_nats::jetstream::stream::RawMessageErrorKind;
use tokio::sync::watch;
use tokio::task::spawn_local;
use tokio::time::timeout;

use crate::error::JoinError;

use super::Remote;
use super::run::Desk;

/// How often it is looked whether calls that are under way are still in the stream.
const AUDIT_EVERY: Duration = Duration::from_secs(30);

/// Looks whether calls that are under way are still in the stream: from time to time, and when the
/// connection is a new one. A broker may have lost them with its disk, or its memory.
pub(super) async fn audit(desk: Rc<Desk>, mut connections: watch::Receiver<u64>) {
    loop {
        let (Ok(_) | Err(_)) = timeout(AUDIT_EVERY, connections.changed()).await;
        if desk.client.connection_state() != Connection::Connected {
            continue;
        }
        let flights: Vec<_> = {
            let state = desk.remote.lock();
            let sent = state
                .flights
                .iter()
                .filter_map(|(&number, flight)| Some((number, flight.sequence?, flight.resent)));
            sent.collect()
        };
        for (number, sequence, resent) in flights {
            let lost = desk.has_lost(&desk.message_id(number, resent), sequence).await;
            if lost && desk.remote.resend(number, sequence) {
                spawn_local(Rc::clone(&desk).publish(number));
            }
        }
    }
}

impl Remote {
    /// The broker has lost a call. False when that is no news.
    fn resend(&self, number: u64, sequence: u64) -> bool {
        let mut state = self.lock();
        let flight = state.flights.get_mut(&number);
        let Some(flight) = flight.filter(|flight| flight.sequence == Some(sequence)) else {
            return false;
        };
        if flight.withdrawn {
            self.end(state, number, JoinError::Cancelled);
            return false;
        }
        flight.sequence = None;
        // A broker that remembers the id, but has not the message, would drop it as a duplicate.
        flight.resent += 1;
        true
    }
}

impl Desk {
    /// Whether a broker that can be asked has not the message of this name at this place.
    async fn has_lost(&self, name: &str, sequence: u64) -> bool {
        for retry in [true, false] {
            match self.broker.calls.get_raw_message(sequence).await {
                Ok(found) => {
                    let id = found.headers.get("Nats-Msg-Id");
                    return id.is_none_or(|id| id.as_str() != name);
                }
                Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => return true,
                // Perhaps there is no stream.
                Err(_why) if retry && self.reopen().await => {}
                Err(_why) => return false,
            }
        }
        false
    }
}
