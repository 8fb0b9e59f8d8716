//! Calls that are run again.

use crate::call::Call;
use crate::ticket::Outcome;

use super::{Closing, Settled, State};

impl State {
    /// An attempt of a call has ended: that was all, or it goes back into the queue, behind those
    /// that have not been tried.
    pub(super) fn conclude(&mut self, mut call: Call, outcome: Outcome, settled: &mut Settled) {
        let error = match outcome {
            Ok(payload) => return settled.push((call, Ok(payload))),
            Err(error) => error,
        };
        let can_run =
            self.breaker.refusal().is_none() && !matches!(self.closing, Some(Closing::Now { .. }));
        if call.retry.after(&error) && can_run {
            if call.target.requeued() {
                self.counters.retried += u64::from(call.items());
                self.queue.push_back(call);
            } else {
                self.forget(call);
            }
            return;
        }
        let verdict = call.retry.verdict(error);
        settled.push((call, Err(verdict)));
    }
}
