//! The owner's side: it starts the actor's process, is told of its end, and starts it again.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::builder::DEFAULT_MAX_PAYLOAD;
use crate::call::{Call, Sent, Ways};
use crate::clock;
use crate::core::back_off_ns;
use crate::error::JoinError;
use crate::handle::JoinHandle;
use crate::setup::Setup;
use crate::spawn;
use crate::worker;

use super::mailbox::{Mailbox, Status};
use super::serve::{Stop, serve};

/// What is needed to start the actor again.
struct Owner<A, S> {
    /// The argument of the process: its mailbox, how the state is made, and of what.
    argument: (Mailbox, Sent<A, S>, A),
    /// What `ps` shows.
    name: Option<String>,
    /// How often it may be started again.
    restarts: u32,
    /// How many messages were taken when the process was started.
    taken: u64,
    /// Processes in a row that have taken none.
    useless: u32,
}

/// Starts an actor.
///
/// # Errors
/// As [`super::ActorBuilder::spawn`].
pub(super) fn start<A, S>(
    mailbox: Mailbox,
    name: Option<String>,
    restarts: u32,
    init: fn(A) -> S,
    x: A,
) -> io::Result<()>
where
    A: Serialize + DeserializeOwned + Send + 'static,
    S: 'static,
{
    worker::may_start_workers()?;
    let argument = (mailbox, Sent(init), x);
    let owner = Owner { argument, name, restarts, taken: 0, useless: 0 };
    let handle = owner.launch()?;
    watch(owner, handle);
    Ok(())
}

/// Has `owner` told of the end of its process.
fn watch<A, S>(owner: Owner<A, S>, handle: JoinHandle<Stop>)
where
    A: Serialize + DeserializeOwned + Send + 'static,
    S: 'static,
{
    // In a cell that is `Sync`, as the argument need not be.
    let owner = Arc::new(Mutex::new(Some(owner)));
    handle.on_result(move |result| {
        let owner = owner.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(owner) = owner else { return };
        // It locks the mailbox, which a process that is stopped may have locked, and pauses before a
        // restart, and must not hold up the callbacks of others meanwhile.
        let waiting = Arc::new(Mutex::new(Some((owner, result))));
        let other = Arc::clone(&waiting);
        let started =
            thread::Builder::new().name("actor".to_owned()).spawn(move || end(&other, true));
        if started.is_err() {
            // Here, but without the pause, however often it is started again.
            end(&waiting, false);
        }
    });
}

/// What an owner and the end of its process wait in.
type Waiting<A, S> = Mutex<Option<(Owner<A, S>, Result<Stop, JoinError>)>>;

/// Tells an owner of the end of its process, once, and whether it may pause before a restart.
fn end<A, S>(waiting: &Waiting<A, S>, may_pause: bool)
where
    A: Serialize + DeserializeOwned + Send + 'static,
    S: 'static,
{
    let both = waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some((owner, result)) = both {
        owner.ended(result, may_pause);
    }
}

impl<A, S> Owner<A, S>
where
    A: Serialize + DeserializeOwned + Send + 'static,
    S: 'static,
{
    /// Starts the process.
    fn launch(&self) -> io::Result<JoinHandle<Stop>> {
        let setup = Setup { name: self.name.clone(), ..Setup::default() };
        setup.check()?;
        let call = Call::new(
            serve::<A, S>,
            &self.argument,
            Ways::without_arena(DEFAULT_MAX_PAYLOAD),
            None,
        );
        let invalid = |error| io::Error::new(io::ErrorKind::InvalidInput, error);
        spawn::start_call(call.map_err(invalid)?, setup)
    }

    /// The process has ended. It is started again at once where the thread may not pause.
    fn ended(mut self, result: Result<Stop, JoinError>, may_pause: bool) {
        let mailbox = self.argument.0.clone();
        let reason = match result {
            Ok(Stop::Asked) => return mailbox.end(Status::Stopped, "it was told to stop"),
            Ok(Stop::Panicked(message)) => format!("a handler panicked: {message}"),
            Err(error) => error.to_string(),
        };
        if self.restarts == 0 || !mailbox.is_wanted() {
            return mailbox.end(Status::Failed, &reason);
        }
        self.restarts -= 1;
        mailbox.bury(&reason);
        let taken = mailbox.taken();
        self.useless = if taken == self.taken { self.useless.saturating_add(1) } else { 0 };
        self.taken = taken;
        let pause_ns = if may_pause { back_off_ns(self.useless) } else { 0 };
        if pause_ns > 0 && !mailbox.rest(clock::now_ns().saturating_add(pause_ns)) {
            return mailbox.end(Status::Failed, &reason);
        }
        // The argument is encoded again, which is user code.
        let error = match catch_unwind(AssertUnwindSafe(|| self.launch())) {
            Ok(Ok(handle)) => return watch(self, handle),
            Ok(Err(error)) => error.to_string(),
            Err(payload) => format!("its argument has panicked: {}", worker::report(payload).0),
        };
        let reason = format!("{reason}; it could not be started again: {error}");
        mailbox.end(Status::Failed, &reason);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;
    use crate::ActorRef;

    /// Anything that takes longer is taken for a hang.
    const BOUND: Duration = Duration::from_secs(30);

    /// Can be encoded once.
    struct Once;

    impl Serialize for Once {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            static ENCODED: AtomicBool = AtomicBool::new(false);
            assert!(!ENCODED.swap(true, Ordering::Relaxed), "once is enough");
            serializer.serialize_unit()
        }
    }

    impl<'de> serde::Deserialize<'de> for Once {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            <()>::deserialize(deserializer).map(|()| Self)
        }
    }

    #[test]
    fn a_restart_that_panics_is_the_end() {
        let builder = crate::ActorBuilder::new().restarts(1);
        let actor: ActorRef<u8> = builder.spawn(|_: Once| 1, Once).unwrap();
        assert_eq!(actor.call(|x, ()| *x, ()).unwrap(), 1);
        assert!(actor.kill());
        let ended = actor.join_timeout(BOUND).expect("it has ended").unwrap_err().to_string();
        assert!(ended.contains("could not be started again"), "{ended}");
        assert!(ended.contains("once is enough"), "{ended}");
        assert!(actor.call(|x, ()| *x, ()).is_err());
    }

    #[test]
    fn one_that_cannot_begin_is_tried_later_and_later() {
        let begin = std::time::Instant::now();
        let builder = crate::ActorBuilder::new().restarts(u32::MAX);
        let actor: ActorRef<u8> = builder.spawn(|x: u8| panic!("no {x} on purpose"), 1).unwrap();
        while actor.starts() < 10 {
            assert!(begin.elapsed() < BOUND, "it is started again");
            thread::yield_now();
        }
        // 10 ms, 20 ms, 40 ms and so on, which is much longer than so many starts take.
        assert!(begin.elapsed() >= Duration::from_millis(1_900), "{:?}", begin.elapsed());
        actor.stop();
        let ended = actor.join_timeout(BOUND).expect("it has ended").unwrap_err();
        assert!(ended.to_string().contains("no 1 on purpose"), "{ended}");
    }

    /// As when a process is stopped in the middle of a `cast`, and then the actor dies.
    #[test]
    fn a_mailbox_that_is_locked_holds_up_no_callbacks() {
        let actor: ActorRef<u8> = crate::spawn_actor(|x: u8| x, 1).unwrap();
        assert_eq!(actor.call(|x, ()| *x, ()).unwrap(), 1);
        let life = actor.mailbox.life().unwrap();
        let held = actor.mailbox.lock();
        assert!(life.kill());
        let gone = std::time::Instant::now() + BOUND;
        while !life.is_over() {
            assert!(std::time::Instant::now() < gone, "it was killed");
            thread::yield_now();
        }
        // Both go through the same desk, one after the other.
        for x in 0..20 {
            let (said, heard) = mpsc::channel();
            let other = spawn(|x: u8| x, x).unwrap();
            other.on_result(move |result| said.send(result).unwrap());
            assert_eq!(heard.recv_timeout(BOUND).expect("it is called").unwrap(), x);
        }
        drop(held);
        assert!(actor.join_timeout(BOUND).expect("it has ended").is_err());
    }
}
