//! The ends of a reactor: what is left is cancelled, and what was begun elsewhere is waited for.
//!
//! `cargo run -p evented --example evented_shutdown`

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::{cell::RefCell, rc::Rc, sync::Arc, time::Duration};

use evented::{CancelToken, Reactor, blocking, sleep, sync::oneshot};

/// Says when it goes.
struct Last(&'static str, Rc<RefCell<Vec<&'static str>>>);

impl Drop for Last {
    fn drop(&mut self) {
        self.1.borrow_mut().push(self.0);
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // In good order: tasks are told, end what they are at, and are waited for.
    let reactor = Reactor::new()?;
    let (stop, told) = (CancelToken::new(), CancelToken::new());
    let (server, done) = (stop.child(), told.clone());
    let server = reactor.spawn(async move {
        let ticks = server.run(async { sleep(Duration::from_hours(1)).await }).await;
        done.cancel();
        ticks.is_err()
    });
    std::thread::spawn(move || stop.cancel()); // Ctrl-C, for example.
    println!("ended in order: {}", reactor.block_on(server)? && told.is_cancelled());

    // From another thread, at once: `run` returns, and tasks are cancelled, the newest first.
    let gone = Rc::new(RefCell::new(Vec::new()));
    let tasks = ["first", "second"].map(|name| {
        let last = Last(name, Rc::clone(&gone));
        reactor.spawn(async move {
            std::future::pending::<()>().await;
            drop(last);
        })
    });
    let handle = reactor.handle();
    std::thread::spawn(move || handle.shutdown());
    reactor.run();
    println!(
        "gone: {:?}, finished: {}",
        gone.borrow(),
        tasks.iter().all(evented::Task::is_finished)
    );
    println!("too late: {}", reactor.block_on(reactor.spawn(async {})).is_err());

    // A closure on a thread is not interrupted: dropping the reactor waits for it.
    let (reactor, finished) = (Reactor::new()?, Arc::new(AtomicBool::new(false)));
    let (flag, (sender, begun)) = (Arc::clone(&finished), oneshot::channel());
    let slow = blocking(move || sender.send(()).map(|()| flag.store(true, SeqCst)));
    reactor.spawn(slow).detach();
    reactor.block_on(begun)?;
    drop(reactor);
    println!("closure finished: {}", finished.load(SeqCst));
    Ok(())
}
