//! Being told how calls end, and waiting for some of them.

use std::sync::mpsc;

use processes::{JoinError, Pool, WaitFor, wait};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    processes::init();
    let pool = Pool::new(2)?;
    let (send, told) = mpsc::channel();

    // How a call ended, without its result.
    let call = pool.submit(|x: u64| x * 2, 21);
    let sender = send.clone();
    call.on_done(move |outcome| sender.send(format!("{outcome:?}")).expect("it is awaited"));
    println!("it is {}, and was told to have {}", call.join()?, told.recv()?);

    // The result itself, in place of the handle.
    let crash = pool.submit(|_: u64| std::process::exit(3), 0);
    crash.on_result(move |result: Result<u64, JoinError>| {
        let lost = matches!(result, Err(JoinError::WorkerLost { exit_code: Some(3), .. }));
        send.send(format!("worker lost: {lost}")).expect("it is awaited");
    });
    println!("{}", told.recv()?);

    // All of them, or the first that fails.
    let calls = [1, 0, 3].map(|x| pool.submit(|x: u64| 6 / x, x));
    let (done, _) = wait(&calls, WaitFor::FirstException, None);
    let failed = done.iter().filter_map(|call| call.outcome()).filter(|how| how.is_failure());
    println!("failed: {}", failed.count());
    let (done, not_done) = wait(calls, WaitFor::All, None);
    println!("finished: {}, not yet: {}", done.len(), not_done.len());
    Ok(())
}
