//! What a listener does when `accept` fails.

use std::io;

use rustix::io::Errno;

/// What follows an error of `accept`.
///
/// | reaction     | errors                                   | the connection                        |
/// |--------------|------------------------------------------|---------------------------------------|
/// | `Retry`      | `EINTR`, and errors of one connection that was lost while it waited | is gone already |
/// | `TurnAway`   | no descriptors: `EMFILE`, `ENFILE`       | waits; a free descriptor takes it out |
/// | `Pause`      | no memory: `ENOBUFS`, `ENOMEM`           | waits until there is memory            |
/// | `Report`     | all others: the listener itself is wrong | -                                     |
///
/// Linux hands the errors of a connection that is not accepted yet to `accept`, and its manual page,
/// accept(2), asks to treat those of the network like `EAGAIN`. `EOPNOTSUPP` is in that list, too, but
/// it is also what a socket that cannot accept at all says, for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reaction {
    /// Accept again at once.
    Retry,
    /// Close one connection to make the queue shorter, and report.
    TurnAway,
    /// Wait a little, and report: a caller that goes on must not spin.
    Pause,
    /// Report.
    Report,
}

impl Reaction {
    pub(super) fn to(error: &io::Error) -> Self {
        match error.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::MFILE | Errno::NFILE) => Self::TurnAway,
            Some(Errno::NOBUFS | Errno::NOMEM) => Self::Pause,
            Some(
                Errno::INTR
                | Errno::CONNABORTED
                | Errno::PROTO
                | Errno::NETDOWN
                | Errno::NETUNREACH
                | Errno::NOPROTOOPT
                | Errno::HOSTDOWN
                | Errno::HOSTUNREACH,
            ) => Self::Retry,
            #[cfg(target_os = "linux")]
            Some(Errno::NONET) => Self::Retry,
            _ => Self::Report,
        }
    }
}

/// Whether a server goes on after this error of `accept`: the process, or the system, has too much of
/// something, which passes.
pub(crate) fn is_passing(error: &io::Error) -> bool {
    matches!(Reaction::to(error), Reaction::TurnAway | Reaction::Pause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_has_its_reaction() {
        let table = [
            (Errno::INTR, Reaction::Retry),
            (Errno::CONNABORTED, Reaction::Retry),
            (Errno::PROTO, Reaction::Retry),
            (Errno::NETDOWN, Reaction::Retry),
            (Errno::NETUNREACH, Reaction::Retry),
            (Errno::NOPROTOOPT, Reaction::Retry),
            (Errno::HOSTDOWN, Reaction::Retry),
            (Errno::HOSTUNREACH, Reaction::Retry),
            (Errno::MFILE, Reaction::TurnAway),
            (Errno::NFILE, Reaction::TurnAway),
            (Errno::NOBUFS, Reaction::Pause),
            (Errno::NOMEM, Reaction::Pause),
            (Errno::BADF, Reaction::Report),
            (Errno::INVAL, Reaction::Report),
            (Errno::NOTSOCK, Reaction::Report),
            (Errno::OPNOTSUPP, Reaction::Report),
            (Errno::PERM, Reaction::Report),
            (Errno::FAULT, Reaction::Report),
        ];
        for (errno, reaction) in table {
            assert_eq!(Reaction::to(&errno.into()), reaction, "{errno:?}");
        }
        #[cfg(target_os = "linux")]
        assert_eq!(Reaction::to(&Errno::NONET.into()), Reaction::Retry);
        assert_eq!(Reaction::to(&io::Error::other("not from the system")), Reaction::Report);
    }
}
