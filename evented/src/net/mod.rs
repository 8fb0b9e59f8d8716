//! TCP.

mod connect;
mod io;
mod listener;
mod reaction;
mod stream;

pub use listener::TcpListener;
pub use stream::TcpStream;
