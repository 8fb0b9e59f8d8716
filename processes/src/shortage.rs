//! What is said when descriptors run out, and a look whether they do.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::io::{Errno, fcntl_dupfd_cloexec};
use rustix::process::{Resource, getrlimit};
use thiserror::Error;

/// The system's error, with what can be done about it.
#[derive(Debug, Error)]
enum Shortage {
    /// This process has as many as it may have.
    #[error(
        "too many open files: this process may have {limit}{needs}; raise the limit (`ulimit -n`){or}"
    )]
    Process {
        /// The limit in words.
        limit: String,
        /// What they are needed for.
        needs: &'static str,
        /// What else may help.
        or: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The machine has as many as it may have.
    #[error("too many open files on this machine; raise its limit (`sysctl fs.file-max`)")]
    Machine {
        /// What the system said.
        source: io::Error,
    },
}

/// An error of anything: a lack of descriptors says what to do, any other stays.
pub(crate) fn explain(error: io::Error) -> io::Error {
    with_remedy(error, "", " or close some")
}

/// As [`explain`], for the start of workers.
pub(crate) fn explain_start(error: io::Error) -> io::Error {
    let needs = ", and each worker needs four, and ten while it starts";
    with_remedy(error, needs, ", or ask for fewer workers")
}

/// With what is needed, and what may help beside a higher limit.
fn with_remedy(error: io::Error, needs: &'static str, or: &'static str) -> io::Error {
    let kind = error.kind();
    match Errno::from_io_error(&error) {
        Some(Errno::MFILE) => {
            let limit = getrlimit(Resource::Nofile).current;
            let limit = limit.map_or_else(|| "no more".to_owned(), |limit| limit.to_string());
            io::Error::new(kind, Shortage::Process { limit, needs, or, source: error })
        }
        Some(Errno::NFILE) => io::Error::new(kind, Shortage::Machine { source: error }),
        _ => error,
    }
}

/// True for an error that says that there are no descriptors, explained or not.
pub(crate) fn is_of_descriptors(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
        || error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<Shortage>)
}

/// The true error of ipc-channel's one-shot server: 0.23.1 does not check the socket that it
/// makes, so without a descriptor left it binds none, which is EBADF.
pub(crate) fn of_server(error: io::Error) -> io::Error {
    if Errno::from_io_error(&error) == Some(Errno::BADF) { Errno::MFILE.into() } else { error }
}

/// Opens so many descriptors, all of them the file of `model`.
///
/// # Errors
/// There are not so many; none is open then.
pub(crate) fn open(model: BorrowedFd<'_>, count: usize) -> io::Result<Vec<OwnedFd>> {
    (0..count).map(|_| Ok(fcntl_dupfd_cloexec(model, 0)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortage_names_the_remedy_and_keeps_its_source() {
        for explained in [explain, explain_start] {
            let error = explained(of_server(Errno::BADF.into()));
            assert!(error.to_string().contains("`ulimit -n`"), "{error}");
            assert!(is_of_descriptors(&error));
            let source = std::error::Error::source(error.get_ref().unwrap()).unwrap();
            let source = source.downcast_ref::<io::Error>().unwrap();
            assert_eq!(source.raw_os_error(), Some(Errno::MFILE.raw_os_error()));
            assert!(explained(Errno::NFILE.into()).to_string().contains("fs.file-max"));
            let other = explained(Errno::NOMEM.into());
            assert_eq!(other.raw_os_error(), Some(Errno::NOMEM.raw_os_error()));
            assert!(!is_of_descriptors(&other));
        }
    }
}
