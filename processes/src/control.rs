//! The control socket: bootstrap, lifeline and the road of descriptors, one per worker.
//!
//! It is a `SOCK_SEQPACKET` pair, so one send is one message. The worker gets its end as stdin.
//! ipc-channel cannot carry descriptors beside bytes and cannot adopt one, so they go here,
//! *ahead* of the frame that needs them: [`Down::Segment`] and [`Down::Payload`] to the worker,
//! [`Up::Payload`] back. The socket stays open for the life of the worker, and nothing but the
//! parent holds the parent's end (it is close-on-exec): end of file means the parent is dead.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::cmsg_space;
use rustix::io::Errno;
use rustix::net::sockopt::socket_send_buffer_size;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::call::Init;
use crate::codec;
use crate::confines::Confines;
use crate::segment::SegmentId;

/// No message is longer; the longest holds a path and a sentence.
const MAX_MESSAGE: usize = 4096;

/// Parent to worker.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Down {
    /// The first message, with the descriptor of claim board and ring.
    Boot {
        /// The parent's image, see [`crate::image::fingerprint`].
        fingerprint: u64,
        /// The name of the one-shot server that waits for the far end of the calls' channel.
        server: String,
        /// How many pools deep this worker is; 1 for a worker of the program itself.
        depth: u32,
        /// The claim board's id.
        board: SegmentId,
        /// Largest encoded result the worker may send.
        max_payload: usize,
        /// What the worker does to itself before it executes anything.
        confines: Confines,
        /// What it calls before it is ready.
        init: Option<Init>,
        /// Whether panics have a backtrace whatever the environment says.
        backtraces: bool,
    },
    /// The second message: what wakes the parent's receiver, with its descriptor.
    Doorbell(SegmentId),
    /// The third message: what ends the worker when the parent ends, with its descriptor.
    Lifeline,
    /// The fourth message: the arena of the pool, with a descriptor for reading, if it has one.
    Arena(Option<SegmentId>),
    /// A shared object's memory, with its descriptor; kept until `Forget`.
    Segment(SegmentId),
    /// A large argument, with its descriptor; used once.
    Payload(SegmentId),
    /// The parent holds no handle of this segment any more.
    Forget(SegmentId),
}

/// Worker to parent.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Up {
    /// The channel is on its way through the one-shot server: `accept` will not block.
    Ready {
        /// Whether the worker sees the arena of the pool.
        arena: bool,
    },
    /// The worker cannot serve this parent, and says why.
    Refused(String),
    /// A large result, with its descriptor.
    Payload(SegmentId),
}

/// One end of a control socket.
#[derive(Debug)]
pub(crate) struct Control {
    /// The socket, close-on-exec.
    socket: OwnedFd,
}

impl Control {
    /// A connected pair.
    ///
    /// # Errors
    /// No descriptors are left.
    pub(crate) fn pair() -> io::Result<(Self, OwnedFd)> {
        let flags = SocketFlags::CLOEXEC;
        let (near, far) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        Ok((Self { socket: near }, far))
    }

    /// The worker's end.
    pub(crate) fn from_fd(socket: OwnedFd) -> Self {
        Self { socket }
    }

    /// How much the kernel may be made to hold in a socket like this one before a send blocks:
    /// the size of the send buffer that every new socket gets, less a reserve.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn credit(&self) -> io::Result<usize> {
        let bytes = socket_send_buffer_size(&self.socket)?;
        Ok(bytes - bytes / 16)
    }

    /// Sends a message and perhaps a descriptor. With `wait` false a full socket is
    /// `WouldBlock` and nothing is sent.
    ///
    /// # Errors
    /// The peer is gone, the socket is full, or the kernel has no memory.
    pub(crate) fn send<M: Serialize>(
        &self,
        message: &M,
        descriptor: Option<BorrowedFd<'_>>,
        wait: bool,
    ) -> io::Result<()> {
        let bytes = codec::encode(message).map_err(io::Error::other)?;
        if bytes.len() > MAX_MESSAGE {
            return Err(io::Error::other("the control message is too long"));
        }
        let descriptors: Vec<_> = descriptor.into_iter().collect();
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() {
            let pushed = control.push(SendAncillaryMessage::ScmRights(&descriptors));
            assert!(pushed, "the buffer has room for one descriptor");
        }
        let patience = if wait { SendFlags::empty() } else { SendFlags::DONTWAIT };
        let flags = SendFlags::NOSIGNAL | patience;
        loop {
            match sendmsg(&self.socket, &[IoSlice::new(&bytes)], &mut control, flags) {
                Ok(_whole_message) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Receives a message and the descriptor that came with it; `None` at end of file.
    ///
    /// # Errors
    /// With `wait` false, `WouldBlock` when nothing is there; a message that is no `M`; the
    /// kernel's errors.
    pub(crate) fn receive<M: DeserializeOwned>(
        &self,
        wait: bool,
    ) -> io::Result<Option<(M, Option<OwnedFd>)>> {
        let mut bytes = [0_u8; MAX_MESSAGE];
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let patience = if wait { RecvFlags::empty() } else { RecvFlags::DONTWAIT };
        let flags = RecvFlags::CMSG_CLOEXEC | patience;
        let received = loop {
            let mut into = [IoSliceMut::new(&mut bytes)];
            match recvmsg(&self.socket, &mut into, &mut control, flags) {
                Ok(message) => break message.bytes,
                Err(Errno::INTR) => {}
                // The peer died with messages unread; nothing more will come.
                Err(Errno::CONNRESET) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        };
        if received == 0 {
            return Ok(None);
        }
        let mut descriptor = None;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                descriptor = descriptors.last();
            }
        }
        let message = codec::decode(&bytes[..received])
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        Ok(Some((message, descriptor)))
    }
}

impl AsFd for Control {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_travels_with_its_message() {
        let (near, far) = Control::pair().unwrap();
        let far = Control::from_fd(far);
        let sent = crate::segment::Sealed::write(b"payload").unwrap();
        near.send(&Down::Payload(7), Some(sent.as_fd()), true).unwrap();
        let (message, descriptor) = far.receive::<Down>(true).unwrap().unwrap();
        assert!(matches!(message, Down::Payload(7)));
        let bytes = crate::segment::Sealed::map(&descriptor.unwrap()).unwrap();
        assert_eq!(&*bytes, b"payload");
    }

    #[test]
    fn nothing_and_the_end_are_told_apart() {
        let (near, far) = Control::pair().unwrap();
        let error = near.receive::<Up>(false).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        drop(far);
        assert!(near.receive::<Up>(false).unwrap().is_none());
    }
}
