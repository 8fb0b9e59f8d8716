//! Standard input, output and error, without blocking the loop.
//!
//! The three descriptors are most often shared: with the shell, with other programs of a pipeline, with
//! the parent. To be non-blocking is a property of what is shared, so a program that makes its standard
//! input non-blocking breaks others, and goes on breaking them after it has ended. Nothing here changes
//! anything about a descriptor, the settings of the terminal included, so there is nothing to restore.
//! Instead:
//!
//! | what it is | how it is used |
//! |---|---|
//! | terminal, pipe | opened once more, non-blocking: another open file, which nobody shares (Linux) |
//! | regular file, disk | on the blocking pool, in pieces of at most 64 KiB; the position in the file is the shared one |
//! | socket | asked not to block call by call |
//! | all else, and what cannot be opened again | the system is asked before each call whether it would block, and a write is of at most 4,096 bytes |
//!
//! The last way blocks the loop when a reader in another process takes the data between the question and
//! the call, or when a write does not fit: into a terminal that was stopped, for example.
//!
//! ```no_run
//! use evented::stdio::{stdin, stdout};
//!
//! # evented::block_on(async {
//! // Copies until the end of the input.
//! let (mut input, mut output) = (stdin()?, stdout()?);
//! futures_lite::io::copy(&mut input, &mut output).await?;
//! futures_lite::AsyncWriteExt::flush(&mut output).await?;
//! # Ok::<(), std::io::Error>(())
//! # }).unwrap();
//! ```
//!
//! Neither the lock nor the buffers of [`std::io::Stdin`] and [`std::io::Stdout`] are used: what those
//! hold back comes later, and what they have read ahead is not seen here.

mod pooled;
mod way;

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};

use way::Way;

/// Standard input. Each call gives a handle of its own; several that read take data from each other.
///
/// # Errors
///
/// When the descriptor is closed, is a directory, or none is left for a copy.
pub fn stdin() -> io::Result<Stdin> {
    Ok(Stdin { way: Way::reading(rustix::stdio::stdin())? })
}

/// Standard output. Each call gives a handle of its own.
///
/// # Errors
///
/// As [`stdin`].
pub fn stdout() -> io::Result<Stdout> {
    Ok(Stdout { way: Way::writing(rustix::stdio::stdout())? })
}

/// Standard error. Each call gives a handle of its own.
///
/// # Errors
///
/// As [`stdin`].
pub fn stderr() -> io::Result<Stderr> {
    Ok(Stderr { way: Way::writing(rustix::stdio::stderr())? })
}

/// See [`stdin`]. A read that is dropped before it was ready has lost nothing: what a thread of the pool
/// has read meanwhile comes with the next read of this handle.
#[derive(Debug)]
pub struct Stdin {
    way: Way,
}

impl AsyncRead for Stdin {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.way.poll_read(cx, buffer)
    }
}

/// See [`stdout`].
///
/// **Flush before you drop it**: when the output is a regular file, a write is ready as soon as a thread
/// of the pool has it, and its error comes with the next write or flush. A handle that is dropped in a
/// running reactor has its last write carried out; one that is dropped later, or with its reactor, may
/// lose it.
#[derive(Debug)]
pub struct Stdout {
    way: Way,
}

/// See [`stderr`]; to be flushed as [`Stdout`].
#[derive(Debug)]
pub struct Stderr {
    way: Way,
}

macro_rules! async_write {
    ($type:ty) => {
        impl AsyncWrite for $type {
            fn poll_write(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buffer: &[u8],
            ) -> Poll<io::Result<usize>> {
                self.way.poll_write(cx, buffer)
            }

            fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.way.poll_flush(cx)
            }

            /// Flushes. The descriptor stays open: it is not this handle's.
            fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.poll_flush(cx)
            }
        }
    };
}

async_write!(Stdout);
async_write!(Stderr);
