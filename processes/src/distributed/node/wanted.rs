//! Is what workers execute still wanted?
//!
//! That a call is not is said once, in plain messages, and a client may end without a word. A call that does not
//! end by itself would keep its worker for good. So a node asks for each call that has been in the pool for a
//! while, and goes on asking. A client that is not there is not asked in vain for ever: after a while nobody
//! fetches what comes of the call.

use std::cell::Cell;
use std::convert::Infallible;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::super::wire::{CallId, News, Verdict};
use super::held::Inside;
use super::look::ANSWER;
use super::outbox::Heard;
use super::run::Desk;

/// How often it is asked about a call.
const ASKED_EVERY: Duration = Duration::from_secs(6);

impl Desk {
    /// Asks about a call as long as it is in the pool, and ends it there when it is not wanted. Notes when nobody
    /// is there to be told how it has ended.
    pub(super) async fn asks_about(
        &self,
        id: CallId,
        inside: &Inside,
        forsaken: &Cell<bool>,
    ) -> Infallible {
        loop {
            sleep(ASKED_EVERY).await;
            let runs = |ticket| News::Runs { ticket };
            let mut ticket = self.outbox.ask(id.client, id.number, runs);
            match timeout(ANSWER, &mut ticket.answer).await {
                Ok(Ok(Heard::Said(Verdict::Drop))) => self.stop(inside, true),
                Ok(Ok(Heard::Said(Verdict::Wait))) => self.stop(inside, false),
                Ok(Ok(Heard::Nobody)) if self.shelf.is_forsaken(id.client) => {
                    forsaken.set(true);
                    self.stop(inside, true);
                }
                // It is, or nobody knows.
                Ok(Ok(Heard::Said(_) | Heard::Nobody) | Err(_)) | Err(_) => {}
            }
        }
    }

    /// Takes back what workers have not begun of a call; kills those that execute it, if asked to.
    pub(super) fn stop(&self, inside: &Inside, kill: bool) {
        let engine = self.pool.engine();
        match inside {
            Inside::One(ticket) => {
                let _ended = engine.cancel(ticket) || kill && engine.kill(ticket);
            }
            // What workers execute is here until it has ended.
            Inside::Items(harvest) => engine.withdraw(harvest, kill),
        }
    }
}
