//! What a job body may ask of the lane it runs in.

use std::{io, net::SocketAddr, ops::Range, path::Path, time::Duration};

use futures_io::{AsyncRead, AsyncWrite};

/// The services of a lane, so that a job body is written once for all of them.
///
/// Lanes that block (a thread or process waits) return futures that are ready when they return at
/// all, see [`BlockingIo`](crate::BlockingIo); event loops return futures that suspend.
pub trait Io {
    /// A connection.
    type Stream: AsyncRead + AsyncWrite + Unpin;

    /// Lets `duration` go by without using the processor.
    fn wait(&self, duration: Duration) -> impl Future<Output = ()>;

    /// Connects over TCP.
    ///
    /// # Errors
    /// Those of `connect(2)`.
    fn connect(&self, to: SocketAddr) -> impl Future<Output = io::Result<Self::Stream>>;

    /// Reads `range` of the file at `path`, all of it without one; a range that ends behind the end
    /// of the file is cut there.
    ///
    /// # Errors
    /// Those of `open(2)` and `read(2)`.
    fn read_file(
        &self,
        path: &Path,
        range: Option<Range<u64>>,
    ) -> impl Future<Output = io::Result<Vec<u8>>>;

    /// The end of a slice of computing: lanes that share one thread or one lock may let others in.
    fn yield_now(&self) -> impl Future<Output = ()>;
}
