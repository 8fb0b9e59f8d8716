//! Waiting for several handles.

use std::time::Duration;

use processes::{Pool, WaitFor, wait};

use crate::support::{BOUND, gated, gates, soon, wait_until};

/// A limit that is meant to be exceeded.
const SHORT: Duration = Duration::from_millis(5);

#[test]
fn the_first_that_fails() {
    let pool = Pool::new(2).unwrap();
    let (entered, gate) = gates();
    let long = pool.submit(gated, (entered.clone(), gate.clone()));
    soon(&entered);
    let fine = pool.submit(|(_, _)| 1, (entered.clone(), gate.clone()));
    wait_until("it is finished", || fine.is_finished());
    let handles = [fine, long];
    assert_eq!(wait(&handles, WaitFor::FirstException, SHORT).0.len(), 1, "not a failure");
    let [fine, long] = handles;
    let crash = pool.submit(|(_, _)| std::process::abort(), (entered.clone(), gate.clone()));
    let handles = [fine, long, crash];
    let (done, not_done) = wait(&handles, WaitFor::FirstException, BOUND);
    assert_eq!((done.len(), not_done.len()), (2, 1));
    gate.put(1).unwrap();
    assert_eq!(wait(handles, WaitFor::All, BOUND).0.len(), 3);
}
