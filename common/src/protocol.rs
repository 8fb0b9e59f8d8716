//! The lane protocol: JSON lines between the harness and a lane host.
//!
//! The harness writes one [`Request`] a line to the host's standard input and reads one [`Reply`] a
//! line from what was the host's standard output; a host points descriptor 1 at standard error
//! before anything else, so that a stray print cannot corrupt the stream. One reply follows each
//! request, in order; [`Reply::Hello`] comes unasked, first. Unknown fields are ignored, so that
//! either side may be newer.
//!
//! | request | reply | |
//! |---|---|---|
//! | | `hello` | version and lanes |
//! | `calibrate` | `calibrated` | time of one step of computing in the host's language |
//! | `support` | `support` | how a lane can run a plan |
//! | `open` | `opened` | start-up, not measured as work |
//! | `run` | `outcome` | measured |
//! | `close` | `closed` | what was left behind |
//! | `bye` | `bye` | the host ends |
//!
//! Any request may be answered by `error`, after which the session, if one was open, is gone. End
//! of standard input without `bye` also ends the host.

use serde::{Deserialize, Serialize};

use crate::lane::{Config, LaneInfo, Outcome, Plan, Support};

/// The version of the protocol; a host of another version is refused.
pub const VERSION: u32 = 1;

/// What the harness asks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "t", rename_all = "kebab-case")]
pub enum Request {
    /// Time the steps of computing for about this long.
    Calibrate {
        /// In milliseconds.
        budget_ms: u64,
    },
    /// Say how the lane could run the plan.
    Support {
        /// The lane's name.
        lane: String,
        /// The plan.
        plan: Plan,
    },
    /// Make the lane ready to run the plan.
    Open {
        /// The lane's name.
        lane: String,
        /// Workers and so on.
        config: Config,
        /// The plan.
        plan: Plan,
    },
    /// Run the plan once.
    Run {
        /// The plan.
        plan: Plan,
    },
    /// End all that the lane has started.
    Close,
    /// End.
    Bye,
}

/// What a host answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "t", rename_all = "kebab-case")]
pub enum Reply {
    /// Who is there.
    Hello {
        /// [`VERSION`].
        version: u32,
        /// The host's name.
        host: String,
        /// What the lanes run on: "rustc 1.95", "Python 3.11.7, GIL".
        runtime: String,
        /// The lanes it offers.
        lanes: Vec<LaneInfo>,
    },
    /// Answer to [`Request::Calibrate`].
    Calibrated {
        /// Time of one step in nanoseconds.
        ns_per_iteration: f64,
    },
    /// Answer to [`Request::Support`].
    Support {
        /// How.
        support: Support,
    },
    /// Answer to [`Request::Open`].
    Opened,
    /// Answer to [`Request::Run`].
    Outcome {
        /// Wall-clock time of the run as the host saw it, in nanoseconds.
        wall_ns: u64,
        /// What came of it.
        outcome: Outcome,
    },
    /// Answer to [`Request::Close`].
    Closed {
        /// What the lane left behind.
        left: Left,
    },
    /// Answer to [`Request::Bye`].
    Bye,
    /// The request could not be carried out.
    Error {
        /// Why, in a sentence.
        why: String,
    },
}

/// What a lane left behind after it was closed, over what there was before it was opened. `None`:
/// not known here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// Threads.
    pub threads: Option<i64>,
    /// Child processes, dead ones that nobody waited for among them.
    pub children: Option<i64>,
    /// Open descriptors.
    pub descriptors: Option<i64>,
}

impl Left {
    /// Whether anything is known to be left.
    pub fn is_clean(&self) -> bool {
        [self.threads, self.children, self.descriptors].iter().flatten().all(|&count| count <= 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_fields_are_ignored() {
        let reply = r#"{"t":"closed","left":{"threads":0,"new":1},"later":true}"#;
        let Reply::Closed { left } = serde_json::from_str(reply).unwrap() else {
            panic!("not closed")
        };
        assert!(left.is_clean() && left.children.is_none());
    }

    #[test]
    fn leaks_are_not_clean() {
        assert!(!Left { children: Some(1), ..Left::default() }.is_clean());
    }
}
