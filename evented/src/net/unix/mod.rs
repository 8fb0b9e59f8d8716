//! Unix sockets: streams and datagrams.

mod datagram;
mod listener;
mod stream;

use std::time::Duration;

pub use datagram::UnixDatagram;
pub use listener::UnixListener;
pub use stream::UnixStream;

/// The first wait for room in a queue whose room the system does not report; each is twice the one
/// before.
const FIRST_RETRY: Duration = Duration::from_millis(1);
/// The longest such wait.
const LAST_RETRY: Duration = Duration::from_millis(64);
