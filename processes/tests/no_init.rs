//! A program that cannot start workers must be told so, and never starts itself over and over.
//!
//! It has a `main` of its own and runs itself with the start-up hook switched off. What a run is
//! to do is told by the environment, which the workers it starts inherit: without the hook they
//! execute this `main` from its first line too.

#![expect(clippy::unwrap_used, reason = "this is a test, though clippy cannot see it")]

use std::error::Error;
use std::process::Command;

use processes::{NotInitialised, Pool, ProcessBuilder, spawn, spawn_actor};

/// Switches the start-up hook off.
const SWITCH: &str = "TRIPTYCH_PROCESSES_AUTO_INIT";

/// What a run is to do.
const ROLE: &str = "NO_INIT_ROLE";

fn main() {
    match std::env::var(ROLE).as_deref() {
        Ok("refused") => refused(),
        Ok("explicit") => explicit(),
        Ok("late") => late(),
        Ok(role) => panic!("there is no role {role}"),
        Err(_) => {
            for role in ["refused", "explicit", "late"] {
                let mut command = Command::new(std::env::current_exe().unwrap());
                let command = command.arg("something").env(ROLE, role).env(SWITCH, "0");
                let status = command.status().unwrap();
                assert!(status.success(), "{role}: {status}");
            }
            println!("no_init: all roles passed");
        }
    }
}

/// Without the hook and without `init`, the first constructor says what to do.
fn refused() {
    for error in [
        Pool::new(1).unwrap_err(),
        spawn(|x: u8| x, 1).unwrap_err(),
        ProcessBuilder::new().spawn(|x: u8| x, 1).unwrap_err(),
        spawn_actor(|x: u8| x, 1).unwrap_err(),
    ] {
        assert!(
            error.get_ref().is_some_and(<dyn Error + Send + Sync>::is::<NotInitialised>),
            "{error}"
        );
        assert!(error.to_string().contains("processes::init()"), "{error}");
    }
    let threads = std::fs::read_dir("/proc/self/task").unwrap().count();
    assert_eq!(threads, 1, "nothing was started");
}

/// With `init` as the first line it works: the workers come by here and stay in `init`.
fn explicit() {
    processes::init();
    let pool = Pool::new(2).unwrap();
    assert_eq!(pool.submit(|x: u8| x + 1, 1).join().unwrap(), 2);
    let nested: fn(()) -> u8 = |()| Pool::new(1).unwrap().submit(|x: u8| x, 3).join().unwrap();
    assert_eq!(pool.submit(nested, ()).join().unwrap(), 3);
}

/// A program that looks at its arguments first: its workers have none, and end there.
fn late() {
    if std::env::args().count() < 2 {
        std::process::exit(2);
    }
    processes::init();
    let pool = Pool::new(1).unwrap();
    let error = pool.submit(|x: u8| x, 1).join().unwrap_err().to_string();
    assert!(error.contains("exit status: 2"), "{error}");
    assert!(error.contains("`processes::init()`, which is to be its first line"), "{error}");
}
