//! What the dummies do: lane hosts that misbehave, to show that the harness notices.

use common::Dummy;

use crate::exit::Exit;

/// What their names begin with.
pub(crate) const FAMILY: &str = "dummy.";

/// The name of a workload with the way in which its lane host misbehaves, if it does.
pub(crate) fn of(workload: &'static str) -> Option<(&'static str, Dummy)> {
    let kind = workload.strip_prefix(FAMILY)?;
    let (dummy, _) = Dummy::ALL.into_iter().find(|(_, name)| *name == kind)?;
    Some((workload, dummy))
}

/// What the lane host does.
pub(crate) fn says(dummy: Dummy) -> &'static str {
    match dummy {
        Dummy::WrongDigest => "the lane host reports a wrong result",
        Dummy::Panic => "the lane host panics",
        Dummy::Hang => "the lane host never answers",
        Dummy::Crash => "the lane host dies of a signal",
        Dummy::Rubbish => "the lane host prints what is not a message",
        Dummy::SetUp => "the lane host cannot make its lane ready",
    }
}

/// The word that the comparison has to have for it, and how it has to end.
pub(super) fn expected(dummy: Dummy) -> (&'static str, Exit) {
    match dummy {
        Dummy::WrongDigest => ("wrong", Exit::WrongOutput),
        Dummy::Panic | Dummy::Crash => ("crashed", Exit::Failed),
        Dummy::Hang => ("timeout", Exit::Failed),
        Dummy::Rubbish => ("rubbish", Exit::Failed),
        Dummy::SetUp => ("failed", Exit::Failed),
    }
}
