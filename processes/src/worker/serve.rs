//! The worker's loop: take a frame, execute its calls and their items one after the other, publish
//! each result before the next one is claimed.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::RefCell;
use std::io;
use std::os::fd::AsFd;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::thread;

use ipc_channel::IpcError;

use crate::arena::lend::Lender;
use crate::arena::places::Places;
use crate::arena::{ARENA_ABOVE, Block, Draft, window};
use crate::call::{Code, Encoded, Fault, Init, Resolved};
use crate::clock;
use crate::codec;
use crate::control::{Control, Up};
use crate::fault::{self, Step};
use crate::frame::{
    Body, CallHeader, Kind, MAX_INLINE, RESULT_HEADER, finish_result, start_result, take_call,
};
use crate::results::QUIET_NS;
use crate::scope::{NO_DESCRIPTOR, arrivals};
use crate::segment::{Sealed, SegmentId, random_id};
use crate::shortage;
use crate::unwind;

use super::arguments::Arguments;
use super::{Channels, EXIT_UNUSABLE, watchdog};

/// The longest panic message that travels.
const LONGEST_MESSAGE: usize = 16 * 1024;

/// The longest backtrace that travels; with the message it fits into a frame.
const LONGEST_BACKTRACE: usize = 14 * 1024;

/// The longest reason why a worker does not serve; it fits into a control message.
const LONGEST_REASON: usize = 3 * 1024;

thread_local! {
    /// Where the last panic of this thread happened, and its backtrace, as the panic hook saw them.
    static PANIC: RefCell<(Option<String>, Option<String>)> = const { RefCell::new((None, None)) };
}

/// Serves calls until the parent closes the channel.
pub(super) fn run(channels: Channels, socket: Control) -> ! {
    let socket = Arc::new(socket);
    remember_panics(channels.backtraces);
    if let Err(error) = watchdog::start(Arc::clone(&socket)) {
        let reason = format!("the worker cannot start a thread: {error}");
        drop(socket.send(&Up::Refused(reason), None, true));
        std::process::exit(EXIT_UNUSABLE);
    }
    if let Some(init) = &channels.init
        && let Err(reason) = initialise(init)
    {
        drop(socket.send(&Up::Refused(reason), None, true));
        std::process::exit(EXIT_UNUSABLE);
    }
    let ready = Up::Ready { arena: channels.sees_arena };
    if socket.send(&ready, None, true).is_err() {
        std::process::exit(EXIT_UNUSABLE);
    }
    let mut server = Server { channels, socket, out: Vec::new(), announced_ns: 0 };
    loop {
        match server.channels.calls.recv() {
            Ok(frame) => server.serve(&frame),
            Err(IpcError::Io(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            // The parent closed the channel: flush stdout, run exit handlers, go.
            Err(_) => std::process::exit(0),
        }
    }
}

/// Calls the initializer.
///
/// # Errors
/// A sentence for the parent.
fn initialise(init: &Init) -> Result<(), String> {
    let run = AssertUnwindSafe(|| {
        let large = init.argument.map(fetch).transpose()?;
        let bytes = large.as_deref().unwrap_or_default();
        let argument = Encoded { bytes, places: Places::default() };
        let mut out = Draft::short(None);
        let code = Code { function: init.function, trampoline: init.trampoline };
        code.resolve()?.run(argument, &mut out)?;
        let (out, _block) = out.finish();
        codec::decode::<Result<(), String>>(&out).map_err(Fault::Result)
    });
    let mut reason = match panic::catch_unwind(run) {
        Ok(Ok(Ok(()))) => return Ok(()),
        Ok(Ok(Err(reason))) => format!("the initializer failed: {reason}"),
        Ok(Err(Fault::Argument(reason) | Fault::Unreceived(reason))) => {
            format!("the initializer's argument could not be decoded: {reason}")
        }
        Ok(Err(Fault::Result(reason))) => {
            format!("the initializer's error could not be encoded: {reason}")
        }
        Err(payload) => {
            let (location, _backtrace) = PANIC.take();
            let at = location.map(|at| format!(" at {at}")).unwrap_or_default();
            format!("the initializer panicked: {}{at}", message_of(payload))
        }
    };
    reason.truncate(reason.floor_char_boundary(LONGEST_REASON));
    Err(reason)
}

/// Lets the panic hook note location and backtrace, then do what it did before.
fn remember_panics(backtraces: bool) {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let location = info.location().map(ToString::to_string);
        let trace = if backtraces { Backtrace::force_capture() } else { Backtrace::capture() };
        let captured = matches!(trace.status(), BacktraceStatus::Captured);
        let trace = captured.then(|| shorten(trace.to_string(), LONGEST_BACKTRACE));
        // A thread that is ending may panic after its own `PANIC` is gone.
        let _gone = PANIC.try_with(|last| *last.borrow_mut() = (location, trace));
        before(info);
    }));
}

/// The state of the loop.
struct Server {
    /// Calls, results and the board.
    channels: Channels,
    /// Large results go ahead through here.
    socket: Arc<Control>,
    /// The result frame; kept for its memory.
    out: Vec<u8>,
    /// When results were announced last.
    announced_ns: u64,
}

impl Server {
    /// Executes the calls of a frame.
    fn serve(&mut self, mut frame: &[u8]) {
        while let Some((header, body)) = take_call(&mut frame) {
            fault::here(Step::Claim);
            let now_ns = clock::now_ns();
            if self.channels.board.claim(header.slot, header.sequence, now_ns) {
                self.run_items(&header, Arguments::of(body, header.places), now_ns);
            } else {
                if let Body::Payload(id) = body {
                    // Taken all the same: here it would keep its descriptor and its memory.
                    drop(arrivals().payload(id));
                }
                start_result(&mut self.out, header.slot, header.sequence, Kind::Skipped);
                self.flush();
                self.channels.results.announce();
            }
        }
    }

    /// Executes the items of a call that is claimed, up to the last one or to where the parent has
    /// cut it.
    fn run_items(&mut self, header: &CallHeader, mut items: Arguments<'_>, begun_ns: u64) {
        let CallHeader { slot, sequence, function, trampoline, .. } = *header;
        let code = Code { function, trampoline }.resolve();
        let mut index = 0;
        while let Some((item, places)) = items.next() {
            fault::here(Step::Claimed);
            self.execute((slot, sequence), &code, item, places);
            if !self.channels.board.finish(slot, sequence, index) {
                // The parent is about to kill this process for this item; no other one may be
                // hit, so nothing is executed any more.
                loop {
                    thread::park();
                }
            }
            fault::here(Step::Publish);
            if items.is_empty() {
                let now_ns = clock::now_ns();
                self.channels.board.note_taken(slot, now_ns.saturating_sub(begun_ns));
                self.flush();
                self.announce(now_ns);
                fault::here(Step::Sent);
                return;
            }
            self.flush();
            // After publishing; `crate::results` says why.
            let now_ns = clock::now_ns();
            if now_ns.saturating_sub(self.announced_ns) >= QUIET_NS {
                self.announce(now_ns);
            }
            fault::here(Step::Next);
            if !self.channels.board.advance(slot, sequence, index, now_ns) {
                // The result of this item is the last one of the frame.
                self.announce(now_ns);
                return;
            }
            index += 1;
        }
    }

    /// Executes one item, which may end with a list of buffers, and leaves its result frame in `out`.
    fn execute(
        &mut self,
        (slot, sequence): (u16, u32),
        code: &Result<Resolved, Fault>,
        body: Body<'_>,
        places: bool,
    ) {
        if let Some(lender) = &mut self.channels.lender {
            lender.collect();
        }
        start_result(&mut self.out, slot, sequence, Kind::Value);
        let arena = self.channels.lender.as_ref().map(Lender::arena);
        let mut out = Draft::behind(std::mem::take(&mut self.out), arena, ARENA_ABOVE);
        let run = AssertUnwindSafe(|| {
            let code = code.as_ref().map_err(Clone::clone)?;
            let (large, steady);
            let bytes = match body {
                Body::Inline(bytes) | Body::Items(bytes) => bytes,
                Body::Payload(id) => {
                    large = fetch(id)?;
                    &*large
                }
                Body::Arena { at, len } => {
                    let window = window().ok_or_else(unseen)?;
                    steady = window.payload(at, len).map_err(Fault::Argument)?;
                    &*steady
                }
            };
            code.run(encoded(bytes, places)?, &mut out)
        });
        let ended = panic::catch_unwind(run);
        let (out, block) = out.finish();
        self.out = out;
        let failed = match ended {
            Ok(Ok(())) => return self.fit(slot, sequence, block),
            Ok(Err(Fault::Argument(reason))) => (Kind::BadArgument, reason.into_bytes()),
            Ok(Err(Fault::Unreceived(reason))) => (Kind::Unreceived, reason.into_bytes()),
            Ok(Err(Fault::Result(reason))) => (Kind::BadResult, reason.into_bytes()),
            Err(payload) => {
                let (location, backtrace) = PANIC.take();
                let report = (message_of(payload), location, backtrace);
                let report = codec::encode(&report).expect("strings can be encoded");
                (Kind::Panicked, report)
            }
        };
        let (kind, mut text) = failed;
        text.truncate(MAX_INLINE / 2);
        start_result(&mut self.out, slot, sequence, kind);
        self.out.extend_from_slice(&text);
    }

    /// Chooses the way of a result: the frame that `out` is, the arena, or a sealed memfd.
    fn fit(&mut self, slot: u16, sequence: u32, block: Option<Block>) {
        let size = block.as_ref().map_or(self.out.len() - RESULT_HEADER, Block::len);
        if size > self.channels.max_payload {
            start_result(&mut self.out, slot, sequence, Kind::TooLarge);
            self.out.extend_from_slice(&(size as u64).to_le_bytes());
            return;
        }
        let sent = match block {
            None if size <= MAX_INLINE => return,
            None => {
                let result = std::mem::take(&mut self.out);
                self.seal(&result[RESULT_HEADER..])
            }
            Some(block) => {
                let lender = self.channels.lender.as_mut().expect("the block is of its arena");
                match lender.lend(block) {
                    Ok(place) => {
                        start_result(&mut self.out, slot, sequence, Kind::Lent);
                        self.out.extend_from_slice(&place);
                        return;
                    }
                    Err(block) => self.seal(&block.steady()),
                }
            }
        };
        match sent {
            Ok(id) => {
                start_result(&mut self.out, slot, sequence, Kind::Payload);
                self.out.extend_from_slice(&id.to_le_bytes());
            }
            Err(error) => {
                start_result(&mut self.out, slot, sequence, Kind::BadResult);
                let error = shortage::explain(error);
                let reason = format!("no shared memory for {size} bytes in the worker: {error}");
                self.out.extend_from_slice(reason.as_bytes());
            }
        }
    }

    /// Sends a result ahead in a sealed memfd.
    fn seal(&self, result: &[u8]) -> io::Result<SegmentId> {
        let (id, fd) = (random_id()?, Sealed::write(result)?);
        self.socket.send(&Up::Payload(id), Some(fd.as_fd()), true)?;
        Ok(id)
    }

    /// Publishes the result frame.
    fn flush(&mut self) {
        finish_result(&mut self.out);
        self.channels.results.publish(&self.out);
    }

    /// Announces what was published.
    fn announce(&mut self, now_ns: u64) {
        self.announced_ns = now_ns;
        self.channels.results.announce();
    }
}

/// A call whose argument is in an arena came to a worker that sees none.
fn unseen() -> Fault {
    Fault::Argument("this worker does not see the arena of its pool".to_owned())
}

/// An argument, behind which there may be a list of the buffers that it brings.
fn encoded(bytes: &[u8], places: bool) -> Result<Encoded<'_>, Fault> {
    let (bytes, places) = if places {
        let cut = || Fault::Argument("the list of the call's buffers is not whole".to_owned());
        Places::split(bytes).ok_or_else(cut)?
    } else {
        (bytes, Places::default())
    };
    Ok(Encoded { bytes, places })
}

/// The large argument that went ahead.
fn fetch(id: SegmentId) -> Result<Sealed, Fault> {
    let fd = arrivals().payload(id).map_err(|why| {
        let reason = format!("the large argument is lost: {why}");
        if why == NO_DESCRIPTOR { Fault::Unreceived(reason) } else { Fault::Argument(reason) }
    })?;
    Sealed::map(&fd)
        .map_err(|error| Fault::Unreceived(format!("the large argument cannot be mapped: {error}")))
}

/// The text of a panic that was just caught, and where it happened.
pub(crate) fn report(payload: Box<dyn Any + Send>) -> (String, Option<String>) {
    let (location, _backtrace) = PANIC.take();
    (message_of(payload), location)
}

/// The text of a panic.
fn message_of(payload: Box<dyn Any + Send>) -> String {
    let message = match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(other) => match other.downcast::<&'static str>() {
            Ok(text) => (*text).to_owned(),
            Err(other) => {
                unwind::discard(other);
                "a panic with a payload that is not text".to_owned()
            }
        },
    };
    shorten(message, LONGEST_MESSAGE)
}

/// Cuts a text that would not fit into a frame.
pub(crate) fn shorten(mut text: String, longest: usize) -> String {
    text.truncate(text.floor_char_boundary(longest));
    text
}
