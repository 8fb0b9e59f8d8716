//! Ctrl-C: the first one closes the pools that asked for it, the second one kills their workers.
//!
//! The terminal sends SIGINT to the program alone, since workers have process groups of their own.
//! Its handler writes a byte into a socket; a thread reads them, one for each signal, and does what
//! has to be done outside of a handler. It sleeps in between.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;

use signal_hook::consts::SIGINT;
use signal_hook::low_level::{emulate_default_handler, pipe};

use crate::engine::Engine;

/// The pools that asked for it; none before the first one did, which starts the thread.
static POOLS: Mutex<Option<Vec<Weak<dyn Engine>>>> = Mutex::new(None);

/// From now on Ctrl-C closes this pool, too.
///
/// # Errors
/// No descriptors or threads are left.
pub(crate) fn watch(engine: &Arc<dyn Engine>) -> io::Result<()> {
    let mut pools = lock();
    let pools = match &mut *pools {
        Some(pools) => pools,
        none => {
            let (reading, writing) = UnixStream::pair()?;
            thread::Builder::new().name("interrupt".to_owned()).spawn(move || listen(reading))?;
            pipe::register(SIGINT, writing)?;
            none.insert(Vec::new())
        }
    };
    pools.retain(|pool| pool.strong_count() > 0);
    if !pools.iter().any(|pool| std::ptr::addr_eq(pool.as_ptr(), Arc::as_ptr(engine))) {
        pools.push(Arc::downgrade(engine));
    }
    Ok(())
}

/// Does what each Ctrl-C asks for.
fn listen(mut reading: UnixStream) {
    let mut byte = [0];
    loop {
        match reading.read(&mut byte) {
            Ok(0) => return,
            Ok(_) => act(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// One step for each pool. When there is nothing more to do for any of them, the signal does what it
/// does where nobody handles it: it ends the program.
fn act() {
    let pools: Vec<_> = lock().iter().flatten().filter_map(Weak::upgrade).collect();
    let mut acted = false;
    for pool in pools {
        acted |= pool.interrupt();
    }
    if !acted {
        // It fails only for a signal that does not exist.
        let (Ok(()) | Err(_)) = emulate_default_handler(SIGINT);
    }
}

/// The list; nothing panics under this lock.
fn lock() -> MutexGuard<'static, Option<Vec<Weak<dyn Engine>>>> {
    POOLS.lock().unwrap_or_else(PoisonError::into_inner)
}
