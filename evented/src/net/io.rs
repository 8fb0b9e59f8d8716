//! A descriptor that does not block, tied to the reactor that first had to wait for it.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::AsRawFd;
use std::sync::OnceLock;
use std::task::{Context, Poll};

use crate::current;
use crate::engine::Engine;
use crate::handle::Handle;
use crate::record::WaitsFor;
use crate::sources::{Direction, Source, SourceId};

/// A socket and its place in a poll set, if it has one yet.
#[derive(Debug)]
pub(crate) struct Io<S: AsRawFd> {
    /// None once taken by `into_inner`.
    socket: Option<S>,
    /// Set when a call first would block, and never changed.
    source: OnceLock<(Handle, SourceId)>,
    /// It was made elsewhere, so duplicates of it may be, too.
    may_be_shared: bool,
}

impl<S: AsRawFd> Io<S> {
    /// `socket` must be in non-blocking mode.
    pub(crate) fn new(socket: S) -> Self {
        Self { socket: Some(socket), source: OnceLock::new(), may_be_shared: false }
    }

    /// The same of a descriptor that comes from somebody who may have duplicates of it.
    pub(crate) fn of_others(socket: S) -> Self {
        Self { socket: Some(socket), source: OnceLock::new(), may_be_shared: true }
    }

    pub(crate) fn socket(&self) -> &S {
        self.socket.as_ref().expect("only `into_inner` takes the socket, and it consumes the `Io`")
    }

    /// Calls `op` until it does not say `WouldBlock`, waiting for readiness in between.
    ///
    /// # Errors
    ///
    /// Those of `op`; `Other` when the socket waits in the poll set of another reactor.
    ///
    /// # Panics
    ///
    /// Outside a reactor.
    pub(crate) fn poll_io<R>(
        &self,
        cx: &Context<'_>,
        direction: Direction,
        op: impl FnMut(&S) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.poll_draining(cx, direction, op, |_| false)
    }

    /// As [`poll_io`](Self::poll_io); `drains` tells of a result that the next call would block, see
    /// [`Source::short_read`].
    #[inline]
    pub(crate) fn poll_draining<R>(
        &self,
        cx: &Context<'_>,
        direction: Direction,
        mut op: impl FnMut(&S) -> io::Result<R>,
        drains: impl Fn(&R) -> bool,
    ) -> Poll<io::Result<R>> {
        current::with_engine(|engine| {
            if !engine.may_operate(cx) {
                return Poll::Pending;
            }
            // What is the same nearly always, with one look at the source.
            let Some(source) = self.source_at_hand(engine) else {
                return self.poll_anew(engine, cx, direction, op, drains, false);
            };
            let mut blocks = true;
            if source.is_ready(direction) {
                match op(self.socket()) {
                    Ok(done) => {
                        if drains(&done) {
                            source.short_read();
                        }
                        return Poll::Ready(Ok(done));
                    }
                    Err(error) => match error.kind() {
                        io::ErrorKind::WouldBlock => {}
                        io::ErrorKind::Interrupted => blocks = false,
                        _ => return Poll::Ready(Err(error)),
                    },
                }
            }
            if blocks && engine.wait_first(source, direction, cx.waker()) {
                engine.waits_for(WaitsFor::Io { fd: self.socket().as_raw_fd(), direction });
                return Poll::Pending;
            }
            self.poll_anew(engine, cx, direction, op, drains, blocks)
        })
    }

    /// As [`poll_draining`](Self::poll_draining), whatever has come before. `blocks`: it is known that `op`
    /// would, as it has said so, or no event has come.
    #[cold]
    fn poll_anew<R>(
        &self,
        engine: &Engine,
        cx: &Context<'_>,
        direction: Direction,
        mut op: impl FnMut(&S) -> io::Result<R>,
        drains: impl Fn(&R) -> bool,
        blocks: bool,
    ) -> Poll<io::Result<R>> {
        let known = self.source_in(engine)?;
        let source = known.and_then(|id| engine.sources.get(id));
        let mut worth_trying = !blocks && source.is_none_or(|source| source.is_ready(direction));
        while worth_trying {
            match op(self.socket()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => worth_trying = false,
                result => {
                    if let (Ok(done), Some(source)) = (&result, source)
                        && drains(done)
                    {
                        source.short_read();
                    }
                    return Poll::Ready(result);
                }
            }
        }
        let id = known.map_or_else(|| self.register(engine, direction), Ok)?;
        engine.wait_for_source(id, direction, cx.waker().clone())?;
        engine.waits_for(WaitsFor::Io { fd: self.socket().as_raw_fd(), direction });
        Poll::Pending
    }

    /// Calls `op` once, or again when a signal interrupted it, and does not wait. Needs no reactor.
    ///
    /// What is known of the readiness stays as it is: at worst one call later is tried in vain.
    pub(crate) fn try_io<R>(&self, mut op: impl FnMut(&S) -> io::Result<R>) -> io::Result<R> {
        loop {
            match op(self.socket()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    /// Waits for the next event in a direction, whatever is known so far. Ready with the second call.
    pub(crate) fn poll_event(
        &self,
        cx: &Context<'_>,
        direction: Direction,
        asked: &mut bool,
    ) -> Poll<io::Result<()>> {
        let engine = current::engine();
        let id = match self.source_in(&engine)? {
            Some(id) => id,
            None => self.register(&engine, direction)?,
        };
        let is_ready = || engine.sources.get(id).is_none_or(|source| source.is_ready(direction));
        if *asked && is_ready() {
            return Poll::Ready(Ok(()));
        }
        *asked = true;
        engine.wait_for_source(id, direction, cx.waker().clone())?;
        engine.waits_for(WaitsFor::Io { fd: self.socket().as_raw_fd(), direction });
        Poll::Pending
    }

    /// Forgets a source whose reactor is gone: the next wait is in the one that runs here.
    pub(crate) fn leave_gone_reactor(&mut self) {
        if let Some((handle, _)) = self.source.get()
            && !current::is_running(handle.id())
            && handle.is_closed()
        {
            // Its poll set is gone, too, or will be soon without a look at what is in it.
            self.source = OnceLock::new();
        }
    }

    /// Forgets the source without a word to the poll set; the caller has a reactor to tell.
    pub(crate) fn take_source(&mut self) -> Option<SourceId> {
        self.source.take().map(|(_, id)| id)
    }

    /// The socket; there must be no source.
    pub(crate) fn take_socket(&mut self) -> S {
        debug_assert!(!self.has_source(), "the poll set knows the descriptor");
        self.socket.take().expect("only `into_inner` takes the socket, and it consumes the `Io`")
    }

    /// Whether it is in a poll set.
    pub(crate) fn has_source(&self) -> bool {
        self.source.get().is_some()
    }

    /// Takes the socket out of the poll set.
    ///
    /// # Errors
    ///
    /// When it is in that of another reactor, or the system refuses.
    pub(crate) fn into_inner(mut self) -> io::Result<S> {
        if let Some((handle, id)) = self.source.take() {
            match current::try_engine() {
                Some(engine) if engine.id() == handle.id() => engine.remove_source(id)?,
                // A reactor that is gone has no poll set any more.
                _ if handle.is_closed() => {}
                _ => return Err(elsewhere()),
            }
        }
        Ok(self.socket.take().expect("only this function takes it"))
    }

    /// The source, if there is one in this reactor.
    #[inline]
    fn source_at_hand<'a>(&self, engine: &'a Engine) -> Option<&'a Source> {
        let (handle, id) = self.source.get()?;
        if handle.id() == engine.id() { engine.sources.get(*id) } else { None }
    }

    /// The source, if there is one yet.
    fn source_in(&self, engine: &Engine) -> io::Result<Option<SourceId>> {
        match self.source.get() {
            None => Ok(None),
            Some((handle, id)) if handle.id() == engine.id() => Ok(Some(*id)),
            Some(_) => Err(elsewhere()),
        }
    }

    fn register(&self, engine: &Engine, direction: Direction) -> io::Result<SourceId> {
        let id = engine.add_source(self.socket().as_raw_fd(), direction)?;
        if self.source.set((Handle::new(engine), id)).is_err() {
            // Another thread's reactor was faster.
            engine.remove_source(id)?;
            return Err(elsewhere());
        }
        Ok(id)
    }
}

impl<S: AsRawFd> Io<S>
where
    for<'a> &'a S: Read,
{
    pub(crate) fn poll_read(&self, cx: &Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.poll_io(cx, Direction::Read, |mut socket| socket.read(buffer))
    }

    pub(crate) fn poll_read_vectored(
        &self,
        cx: &Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_io(cx, Direction::Read, |mut socket| socket.read_vectored(buffers))
    }
}

impl<S: AsRawFd> Io<S>
where
    for<'a> &'a S: Write,
{
    pub(crate) fn poll_write(&self, cx: &Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_io(cx, Direction::Write, |mut socket| socket.write(buffer))
    }

    pub(crate) fn poll_write_vectored(
        &self,
        cx: &Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_io(cx, Direction::Write, |mut socket| socket.write_vectored(buffers))
    }
}

impl<S: AsRawFd> Drop for Io<S> {
    fn drop(&mut self) {
        let source = self.source.take();
        let engine = source.and_then(|(handle, _)| {
            current::try_engine().filter(|engine| engine.id() == handle.id())
        });
        if let (true, Some(engine), Some((_, id))) = (self.may_be_shared, &engine, source) {
            // While the number is still this one's. Fails only if it is not in the poll set.
            drop(engine.remove_source(id));
        }
        // Before the source is forgotten: the number may be given to another descriptor right after.
        // Closing takes the descriptor out of the poll set, if nobody else has its open file. If somebody has,
        // what is left there is void, and is replaced when it is in the way (`Sources::register`).
        drop(self.socket.take());
        let Some((handle, id)) = source else { return };
        match engine {
            Some(engine) => engine.forget_source(id),
            // On another thread. If the reactor is gone, so is the source.
            _ => {
                let _ = handle.call(move || {
                    if let Some(engine) = current::try_engine() {
                        engine.forget_source(id);
                    }
                });
            }
        }
    }
}

fn elsewhere() -> io::Error {
    io::Error::other(
        "it belongs to another reactor, in which it first had to wait: use it there. A socket can be moved \
         through `into_std`",
    )
}
