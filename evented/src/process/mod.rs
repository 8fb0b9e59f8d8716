//! Child processes that are waited for without a signal handler.
//!
//! Each child has a descriptor that becomes readable when it ends, a *pidfd*. So nothing of the process
//! is taken over: no `SIGCHLD` handler, no thread, and other children, of [`std::process`] or of C code,
//! are left alone.
//!
//! ```
//! use evented::process::{Command, Stdio};
//! use futures_lite::{AsyncReadExt, AsyncWriteExt};
//!
//! # evented::block_on(async {
//! let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
//! child.stdin.take().unwrap().write_all(b"through cat").await?;
//! let mut text = String::new();
//! child.stdout.take().unwrap().read_to_string(&mut text).await?;
//! assert!(child.wait().await?.success());
//! assert_eq!(text, "through cat");
//!
//! let output = Command::new("sh").arg("-c").arg("echo out; exit 3").output().await?;
//! assert_eq!((output.status.code(), &output.stdout[..]), (Some(3), &b"out\n"[..]));
//! # Ok::<(), std::io::Error>(())
//! # }).unwrap();
//! ```
//!
//! # When a [`Child`] is dropped
//!
//! The process goes on, unless [`Command::kill_on_drop`] was asked for; then it is killed. In both cases
//! no zombie stays behind: a task of the reactor waits for it in the background. Should the reactor end
//! first, or there be none, the process is remembered, and asked for with each further child of this
//! module that is spawned, waited for or dropped.
//!
//! Linux 5.3 or newer. Elsewhere [`Command::spawn`] is an error (`Unsupported`).

mod child;
mod command;
mod orphans;
mod pidfd;

pub use std::process::{ExitStatus, Output, Stdio};

pub use child::Child;
pub use command::Command;
