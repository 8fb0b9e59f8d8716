//! Sockets, pipes, and whatever else has a descriptor.

mod calls;
mod connect;
mod happy;
pub(crate) mod io;
mod io_traits;
mod listener;
mod pipe;
mod reaction;
mod reserve;
mod stream;
mod udp;
mod unix;
mod watch;

pub use happy::{connect_happy, connect_happy_with};
pub use listener::TcpListener;
pub use pipe::{PipeReader, PipeWriter, pipe};
pub(crate) use reaction::is_passing;
pub use stream::TcpStream;
pub use udp::UdpSocket;
pub use unix::{UnixDatagram, UnixListener, UnixStream};
pub use watch::Watch;
