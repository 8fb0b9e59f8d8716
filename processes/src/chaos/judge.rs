//! What may become of a call, given what it does and what the weather is.

use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use super::act::{Act, Answer, END, EXIT_CODE, NO_DECODE, NO_ENCODE, pattern};
use crate::{JoinError, Side};

/// What a call has to reckon with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    /// What it does.
    pub(super) act: Act,
    /// Its number.
    pub(super) index: u64,
    /// How often it may be run again.
    pub(super) retries: u32,
    /// Whether it has a time limit.
    pub(super) limited: bool,
    /// Whether it was withdrawn, successfully.
    pub(super) cancelled: bool,
    /// Whether descriptors and memory run out now and then.
    pub(super) starved: bool,
}

/// How many calls ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ends {
    /// With a value.
    pub(super) returned: u64,
    /// With their worker.
    pub(super) lost: u64,
    /// In another way.
    pub(super) otherwise: u64,
    /// Those of the others that were never sent.
    pub(super) unsent: u64,
    /// Those of the others for which there was no memory or no descriptor: before they were calls of the
    /// pool, or when they were to be sent.
    pub(super) without_memory: u64,
}

impl Ends {
    /// All of them.
    pub(super) fn sum(self) -> u64 {
        self.returned + self.lost + self.otherwise
    }
}

impl Terms {
    /// Counts an outcome.
    ///
    /// # Errors
    /// It is none of those that the terms allow.
    pub(super) fn judge(
        &self,
        outcome: &Result<Answer, JoinError>,
        marks: &[AtomicU32],
        ends: &mut Ends,
    ) -> Result<(), String> {
        let runs = marks[usize::try_from(self.index).expect("an index")].load(Ordering::Relaxed);
        let verdict = self.of_runs(outcome, runs).and_then(|()| match outcome {
            Ok(answer) => self.of_answer(answer),
            Err(error) => self.of_error(error),
        });
        verdict.map_err(|why| format!("{why}: {self:?} became {}", describe(outcome)))?;
        *match outcome {
            Ok(_) => &mut ends.returned,
            Err(JoinError::WorkerLost { .. } | JoinError::Poison { .. }) => &mut ends.lost,
            Err(_) => &mut ends.otherwise,
        } += 1;
        match outcome {
            Err(JoinError::Encode { side: Side::Parent, message, .. })
                if message.starts_with("no shared memory") =>
            {
                ends.without_memory += 1;
            }
            Err(
                JoinError::Encode { side: Side::Parent, .. }
                | JoinError::TooLarge { side: Side::Parent, .. },
            ) => ends.unsent += 1,
            _ => {}
        }
        Ok(())
    }

    /// At most once, unless it asked for more; and each attempt is one that failed or the last.
    fn of_runs(&self, outcome: &Result<Answer, JoinError>, runs: u32) -> Result<(), String> {
        let most = match outcome {
            Err(
                JoinError::Encode { side: Side::Parent, .. }
                | JoinError::TooLarge { side: Side::Parent, .. },
            ) => 0,
            Err(JoinError::Cancelled) => self.retries,
            _ => 1 + self.retries,
        };
        // One that dies between the claim and its first line was blamed, and has not run.
        let least = u32::from(outcome.is_ok());
        if (least..=most).contains(&runs) {
            Ok(())
        } else {
            Err(format!("it ran {runs} times, not {least} to {most}"))
        }
    }

    /// What a call may give back.
    fn of_answer(&self, answer: &Answer) -> Result<(), String> {
        let bytes = match self.act {
            Act::Work(_) | Act::Arm(..) | Act::Hoard => 0,
            Act::Carry(bytes) => bytes,
            _ => return Err("this call cannot return".to_owned()),
        };
        let same = answer.index == self.index
            && answer.end == END
            && answer.load == pattern(self.index, bytes);
        if same { Ok(()) } else { Err("it has the answer of another call".to_owned()) }
    }

    /// How a call may fail.
    fn of_error(&self, error: &JoinError) -> Result<(), String> {
        let carries = matches!(self.act, Act::Carry(_)) && self.starved;
        let fair = match error {
            JoinError::Panicked { message, .. } => {
                self.act == Act::Panic && *message == format!("call {} panics", self.index)
            }
            JoinError::Cancelled => self.cancelled,
            JoinError::WorkerLost { signal, exit_code, .. } => self.may_lose(*signal, *exit_code),
            JoinError::Poison { attempts, last } => {
                let lost = matches!(**last, JoinError::WorkerLost { .. });
                lost && (2..=1 + self.retries).contains(attempts) && self.of_error(last).is_ok()
            }
            JoinError::TimedOut { .. } => self.limited,
            JoinError::NodeLost { .. } | JoinError::NotServed { .. } => false,
            JoinError::TooLarge { side, .. } => {
                self.act == Act::TooMuch(matches!(side, Side::Parent))
            }
            JoinError::Encode { side, message } => {
                let own = self.act == Act::NoEncode(matches!(side, Side::Parent));
                own && message == NO_ENCODE || carries && message.contains("no shared memory")
            }
            JoinError::Decode { side, message } => {
                let own = self.act == Act::NoDecode(matches!(side, Side::Worker));
                own && message == NO_DECODE || carries && message.contains("large")
            }
            JoinError::Broken { .. } => self.starved,
        };
        if fair { Ok(()) } else { Err("it must not end like this".to_owned()) }
    }

    /// Every worker may be killed at any time; any other end is that of the call itself.
    fn may_lose(&self, signal: Option<i32>, exit_code: Option<i32>) -> bool {
        match (signal, exit_code) {
            (Some(signal), None) => {
                signal == Signal::KILL.as_raw() || self.act == Act::Raise(signal)
            }
            (None, Some(code)) => self.act == Act::Exit && code == EXIT_CODE,
            _ => false,
        }
    }
}

/// An outcome without what it carries.
fn describe(outcome: &Result<Answer, JoinError>) -> String {
    match outcome {
        Ok(answer) => format!("answer {} with {} bytes", answer.index, answer.load.len()),
        Err(error) => format!("{error:?}"),
    }
}
