//! TCP.

mod connect;
mod io;
mod listener;
mod stream;

pub use listener::TcpListener;
pub use stream::TcpStream;
