//! Exit codes.
//!
//! | code | when |
//! |---|---|
//! | 0 | everything went well |
//! | 1 | something failed: the machine does not allow it, or a lane or a file failed on the way |
//! | 2 | wrong use: an argument that cannot be met, found before anything is measured |
//! | 3 | with `--gate`: a required goal is not met |
//! | 4 | a lane or a contender gave a wrong result |
//! | 5 | with `--strict`: two lanes cannot be told apart; with `--gate`: a goal cannot be judged |
//! | 130 | interrupted; what was measured until then is kept |
//!
//! A file that was asked for and cannot be written is wrong use (2) when that is seen up front, as it
//! nearly always is, and a failure (1) when writing it at the end fails. A lane that does not exist is
//! wrong use, though it takes the lane hosts, which are built first, to know.

use std::process::ExitCode;

/// What ends `compare --help`: the table above for people in a hurry.
pub const HELP: &str = "Exit codes: 0 ok; 1 something failed, on the machine, in a lane or while \
writing; 2 wrong use, found before anything was measured: also a file of --export, --splice or \
--files that cannot be used; 4 a lane gave a wrong result; 5 inconclusive, with --strict; 130 \
interrupted (what was measured is kept).";

/// How a command ended. Several may be true of one run: the first in this order that holds wins,
/// see [`Exit::worse`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Everything went well.
    Ok,
    /// With `--strict`: a verdict is inconclusive. With `--gate`: a required goal cannot be judged.
    Inconclusive,
    /// With `--gate`: a required goal is not met.
    GoalMissed,
    /// Something failed.
    Failed,
    /// A lane or a contender gave a wrong answer.
    WrongOutput,
    /// The command was called wrongly.
    Usage,
    /// Interrupted; what was measured until then is kept.
    Interrupted,
}

impl Exit {
    /// The code the process ends with.
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::GoalMissed => 3,
            Self::WrongOutput => 4,
            Self::Inconclusive => 5,
            Self::Interrupted => 130,
        }
    }

    /// The graver of the two.
    #[must_use]
    pub fn worse(self, other: Self) -> Self {
        self.max(other)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
