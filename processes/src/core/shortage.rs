//! What the error says when descriptors run out.

use std::io;

use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};
use thiserror::Error;

/// The system's error, with what can be done about it.
#[derive(Debug, Error)]
enum Shortage {
    /// This process has as many as it may have.
    #[error(
        "too many open files: this process may have {limit}, and each worker needs four; raise \
         the limit (`ulimit -n`), or ask for fewer workers"
    )]
    Process {
        /// The limit in words.
        limit: String,
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

/// An error of starting something: a lack of descriptors says what to do, any other stays.
pub(super) fn explain(error: io::Error) -> io::Error {
    let kind = error.kind();
    match Errno::from_io_error(&error) {
        Some(Errno::MFILE) => {
            let limit = getrlimit(Resource::Nofile).current;
            let limit = limit.map_or_else(|| "no more".to_owned(), |limit| limit.to_string());
            io::Error::new(kind, Shortage::Process { limit, source: error })
        }
        Some(Errno::NFILE) => io::Error::new(kind, Shortage::Machine { source: error }),
        _ => error,
    }
}

/// The true error of ipc-channel's one-shot server: 0.23.1 does not check the socket that it
/// makes, so without a descriptor left it binds none, which is EBADF.
pub(super) fn of_server(error: io::Error) -> io::Error {
    if Errno::from_io_error(&error) == Some(Errno::BADF) { Errno::MFILE.into() } else { error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortage_names_the_remedy_and_keeps_its_source() {
        let error = explain(of_server(Errno::BADF.into()));
        assert!(error.to_string().contains("`ulimit -n`"), "{error}");
        let source = std::error::Error::source(error.get_ref().unwrap()).unwrap();
        let source = source.downcast_ref::<io::Error>().unwrap();
        assert_eq!(source.raw_os_error(), Some(Errno::MFILE.raw_os_error()));
        assert!(explain(Errno::NFILE.into()).to_string().contains("fs.file-max"));
        assert_eq!(explain(Errno::NOMEM.into()).raw_os_error(), Some(Errno::NOMEM.raw_os_error()));
    }
}
