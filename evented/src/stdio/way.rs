//! How a descriptor that others share is used.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::task::{Context, Poll};

use rustix::fs::{FileType, Mode, OFlags, Stat};
use rustix::net::{RecvFlags, SendFlags};

use super::pooled::Pooled;
use crate::net::{Watch, io::Io};
use crate::sources::Direction;

/// See the table in the module's documentation.
#[derive(Debug)]
pub(super) enum Way {
    /// A non-blocking open file that nobody else has.
    Own(Io<OwnedFd>),
    /// A duplicate of the shared descriptor: looked at before each call.
    Shared(Watch<OwnedFd>),
    /// A duplicate of a socket: told not to block with each call.
    Socket(Watch<OwnedFd>),
    /// A duplicate of the descriptor of a file.
    Pooled(Pooled),
}

/// The device numbers of `/dev/ptmx`, of which every opening makes another terminal.
#[cfg(target_os = "linux")]
const MASTER: (u32, u32) = (5, 2);

impl Way {
    pub(super) fn reading(fd: BorrowedFd<'_>) -> io::Result<Self> {
        Self::choose(fd, OFlags::RDONLY)
    }

    pub(super) fn writing(fd: BorrowedFd<'_>) -> io::Result<Self> {
        Self::choose(fd, OFlags::WRONLY)
    }

    fn choose(fd: BorrowedFd<'_>, access: OFlags) -> io::Result<Self> {
        let stat = rustix::fs::fstat(fd)?;
        Ok(match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile | FileType::BlockDevice => {
                Self::Pooled(Pooled::new(fd.try_clone_to_owned()?))
            }
            FileType::Socket => Self::Socket(Watch::new(fd.try_clone_to_owned()?)?),
            kind => match open_again(fd, kind, &stat, access) {
                Some(own) => Self::Own(Io::new(own)),
                None => Self::Shared(Watch::new(fd.try_clone_to_owned()?)?),
            },
        })
    }

    pub(super) fn poll_read(
        &mut self,
        cx: &Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Own(io) => {
                io.poll_io(cx, Direction::Read, |fd| Ok(rustix::io::read(fd, &mut *buffer)?))
            }
            Self::Shared(watch) => watch
                .poll_with(cx, Direction::Read, &mut |fd| Ok(rustix::io::read(fd, &mut *buffer)?)),
            Self::Socket(watch) => watch.poll_with(cx, Direction::Read, &mut |fd| {
                Ok(rustix::net::recv(fd, &mut *buffer, RecvFlags::DONTWAIT)?.0)
            }),
            Self::Pooled(pooled) => pooled.poll_read(cx, buffer),
        }
    }

    pub(super) fn poll_write(
        &mut self,
        cx: &Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Own(io) => {
                io.poll_io(cx, Direction::Write, |fd| Ok(rustix::io::write(fd, buffer)?))
            }
            Self::Shared(watch) => {
                // A pipe that is ready has room for this much.
                let piece = &buffer[..buffer.len().min(rustix::pipe::PIPE_BUF)];
                watch.poll_with(cx, Direction::Write, &mut |fd| Ok(rustix::io::write(fd, piece)?))
            }
            Self::Socket(watch) => watch.poll_with(cx, Direction::Write, &mut |fd| {
                let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
                Ok(rustix::net::send(fd, buffer, flags)?)
            }),
            Self::Pooled(pooled) => pooled.poll_write(cx, buffer),
        }
    }

    pub(super) fn poll_flush(&mut self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Pooled(pooled) => pooled.poll_flush(cx),
            // The kernel has every byte that was written.
            _ => Poll::Ready(Ok(())),
        }
    }
}

/// Opens a pipe or terminal once more, non-blocking, as an open file of its own. None where that cannot
/// be done: no `/proc`, no permission (another user's), a pipe that nobody reads, a kind for which it
/// means something else.
#[cfg(target_os = "linux")]
fn open_again(fd: BorrowedFd<'_>, kind: FileType, stat: &Stat, access: OFlags) -> Option<OwnedFd> {
    let device = (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev));
    let is_terminal =
        kind == FileType::CharacterDevice && device != MASTER && rustix::termios::isatty(fd);
    if kind != FileType::Fifo && !is_terminal {
        return None;
    }
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let flags = access | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let own = rustix::fs::open(path, flags, Mode::empty()).ok()?;
    let opened = rustix::fs::fstat(own.as_fd()).ok()?;
    // Something else may lie at the place by now, if `/proc` is not what it should be.
    ((opened.st_dev, opened.st_ino) == (stat.st_dev, stat.st_ino)).then_some(own)
}

/// Elsewhere, opening `/dev/fd/N` gives the same open file once more.
#[cfg(not(target_os = "linux"))]
fn open_again(_: BorrowedFd<'_>, _: FileType, _: &Stat, _: OFlags) -> Option<OwnedFd> {
    None
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;

    /// A pipe that is ready has room for a piece and for no more: all else would block the loop.
    #[test]
    fn a_shared_pipe_takes_a_piece_at_a_time() {
        let (reader, mut writer) = io::pipe().unwrap();
        // All but one of its pages are full.
        let room = rustix::pipe::fcntl_getpipe_size(&writer).unwrap() - rustix::pipe::PIPE_BUF;
        writer.write_all(&vec![0; room]).unwrap();
        let (done, waits) = mpsc::channel();
        let write = thread::spawn(move || {
            let mut way = Way::Shared(Watch::new(writer.into()).unwrap());
            let bytes = [0; 4 * rustix::pipe::PIPE_BUF];
            let written = crate::block_on(std::future::poll_fn(|cx| way.poll_write(cx, &bytes)));
            done.send(()).unwrap();
            written.unwrap()
        });
        let is_done = waits.recv_timeout(Duration::from_secs(30)).is_ok();
        // Lets one go that is blocked.
        drop(reader);
        assert!(is_done, "it has blocked the loop");
        assert_eq!(write.join().unwrap(), rustix::pipe::PIPE_BUF);
    }
}
