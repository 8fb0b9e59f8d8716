//! Connections as objects whose methods are called: for those who come from Twisted or asyncio.
//!
//! A [`Protocol`] is what is to be done about one connection; a [`Transport`] is how it writes.
//!
//! ```
//! use evented::protocol::{Protocol, Transport, attach, serve};
//! use evented::net::{TcpListener, TcpStream};
//! use futures_lite::{AsyncReadExt, AsyncWriteExt};
//!
//! /// Says everything twice.
//! #[derive(Default)]
//! struct Twice(Option<Transport>);
//!
//! impl Protocol for Twice {
//!     fn connection_made(&mut self, transport: &Transport) {
//!         self.0 = Some(transport.clone());
//!     }
//!
//!     fn data_received(&mut self, data: &[u8]) {
//!         if let Some(transport) = &self.0 {
//!             transport.write(data);
//!             transport.write(data);
//!         }
//!     }
//! }
//!
//! # evented::block_on(async {
//! let listener = TcpListener::bind("127.0.0.1:0".parse().unwrap())?;
//! let mut client = TcpStream::connect(listener.local_addr()?).await?;
//! let server = serve(listener, Twice::default);
//! client.write_all(b"hear").await?;
//! client.close().await?;
//! let mut reply = String::new();
//! client.read_to_string(&mut reply).await?;
//! assert_eq!(reply, "hearhear");
//! # drop((server, attach::<TcpStream, Twice>));
//! # Ok::<(), std::io::Error>(())
//! # }).unwrap();
//! ```
//!
//! # What is called, and in which order
//!
//! 1. [`connection_made`](Protocol::connection_made), once, before anything else;
//! 2. [`data_received`](Protocol::data_received), [`pause_writing`](Protocol::pause_writing) and
//!    [`resume_writing`](Protocol::resume_writing) in turns, any number of times;
//! 3. [`eof_received`](Protocol::eof_received) at most once, after the last data;
//! 4. [`connection_lost`](Protocol::connection_lost), exactly once, after everything else: also when the
//!    reactor ends, and when one of the methods above panics.
//!
//! No method is called inside of another, nor inside of a method of [`Transport`]: all calls come from
//! the task of the connection. After the connection was lost, writes do nothing.

mod connection;
mod server;
mod transport;

use std::io;

pub use connection::attach;
pub use server::{Accept, Ended, Server, serve};
pub use transport::Transport;

/// What is to be done about a connection. See the [module](self) for the order of the calls.
pub trait Protocol: 'static {
    /// The connection is there. Clone the transport in order to write later.
    fn connection_made(&mut self, transport: &Transport) {
        // A protocol that only listens needs none.
        let _: &Transport = transport;
    }

    /// Some data came. How it is divided means nothing: it is a stream.
    fn data_received(&mut self, data: &[u8]);

    /// The other end will send no more. True: it goes on reading, so the connection stays open until
    /// [`Transport::close`] or [`Transport::write_eof`]. False, the default: the connection is closed as
    /// soon as what was written is sent.
    fn eof_received(&mut self) -> bool {
        false
    }

    /// The connection is no more. None: it was closed, by either end. Else what went wrong; of kind
    /// `Interrupted` when the reactor has ended, `Other` when a method of the protocol panicked.
    fn connection_lost(&mut self, reason: Option<io::Error>) {
        drop(reason);
    }

    /// More waits to be sent than [the limit](Transport::set_write_limits): the other end reads slower
    /// than this one writes. Stop, if you can: what is written meanwhile is kept in memory.
    fn pause_writing(&mut self) {}

    /// Most of it was sent: go on.
    fn resume_writing(&mut self) {}
}
