//! Exit codes.

use std::process::ExitCode;

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
