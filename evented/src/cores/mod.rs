//! One loop per core: several reactors, each on a thread of its own, and a server over all of them.
//!
//! A reactor is one core. A program that needs more has one per core, whose tasks share nothing and do
//! not move; what crosses goes through a [`Handle`](crate::Handle) or a channel.
//!
//! ```
//! use evented::cores::{Balance, Cores};
//! use futures_lite::{AsyncReadExt, AsyncWriteExt};
//! use std::time::Duration;
//!
//! let cores = Cores::builder().count(2).build()?;
//! let address = cores.serve("127.0.0.1:0".parse().unwrap(), Balance::Fewest, |stream, _stop| async move {
//!     // What goes wrong with one connection is its own business.
//!     let _ = futures_lite::io::copy(&stream, &mut &stream).await;
//! })?;
//! // Anything else runs on them as well.
//! let echo = cores.spawn(move || async move {
//!     let mut stream = evented::net::TcpStream::connect(address).await?;
//!     stream.write_all(b"hear").await?;
//!     stream.close().await?;
//!     let mut reply = String::new();
//!     stream.read_to_string(&mut reply).await?;
//!     Ok::<_, std::io::Error>(reply)
//! });
//! assert_eq!(echo.join().expect("nothing panics")?, "hear");
//! let ended = cores.shutdown(Duration::from_secs(5));
//! assert_eq!((ended.cut_off, ended.failures.len()), (0, 0));
//! # Ok::<(), std::io::Error>(())
//! ```

mod balance;
mod live;
mod pool;
mod serve;
mod stuck;

pub use balance::Balance;
pub use live::Stop;
pub use pool::{Builder, Cores, Ended};
pub use stuck::{KeptBy, Stuck, StuckLoop};
