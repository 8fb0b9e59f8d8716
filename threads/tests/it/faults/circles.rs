//! Jobs that wait for each other.

use super::with_own_handle;
use crate::support::in_time;
use std::sync::{Arc, mpsc};
use std::time::Duration;
use threads::{JoinError, JoinHandle, Pool, WaitFor, wait};

#[test]
fn a_job_run_by_its_joiner_that_joins_the_joiner_panics() {
    in_time(|| {
        let pool = Arc::new(Pool::new(1).unwrap());
        let inner = Arc::clone(&pool);
        let (give, take) = mpsc::channel::<JoinHandle<bool>>();
        let (told, result) = mpsc::channel();
        let outer = pool.spawn(move || {
            let outer = take.recv().unwrap();
            let below = inner.spawn(move || outer.join().is_ok()).join();
            told.send(matches!(below, Err(JoinError::Panicked { .. }))).unwrap();
            true
        });
        give.send(outer).unwrap();
        assert!(result.recv().unwrap());
    });
}

/// Two jobs on two workers that join each other.
#[test]
fn jobs_that_join_each_other_panic() {
    in_time(|| {
        let pool = Pool::new(2).unwrap();
        let (give, take): (Vec<_>, Vec<_>) = (0..2).map(|_| mpsc::channel()).unzip();
        let jobs: Vec<_> = take
            .into_iter()
            .map(|take: mpsc::Receiver<JoinHandle<bool>>| {
                pool.spawn(move || take.recv().unwrap().join().is_ok())
            })
            .collect();
        let (told, ends) = mpsc::channel();
        for (job, give) in jobs.into_iter().zip(give.into_iter().rev()) {
            let told = told.clone();
            job.on_done(move |outcome| told.send(outcome).unwrap());
            give.send(job).unwrap();
        }
        let mut ends = [ends.recv().unwrap(), ends.recv().unwrap()];
        ends.sort_by_key(|end| *end != threads::Outcome::Returned);
        assert_eq!(ends, [threads::Outcome::Returned, threads::Outcome::Panicked]);
    });
}

/// Starts something that joins the handle which comes out of the channel.
type Start = fn(mpsc::Receiver<JoinHandle<bool>>, &[Pool; 2]) -> JoinHandle<bool>;

/// Joins what comes.
fn join_next(take: &mpsc::Receiver<JoinHandle<bool>>) -> bool {
    take.recv().unwrap().join().is_ok()
}

#[test]
fn circles_through_pools_and_threads_panic() {
    in_time(|| {
        let first: Start = |take, pools| pools[0].spawn(move || join_next(&take));
        let second: Start = |take, pools| pools[1].spawn(move || join_next(&take));
        let thread: Start = |take, _| threads::spawn(|take| join_next(&take), take).unwrap();
        let named: Start = |take, _| {
            let builder = threads::ThreadBuilder::new().name("circle");
            builder.spawn(move || join_next(&take)).unwrap().into_handle()
        };
        let inline: Start = |take, _| {
            let inner = move |take| Pool::inline().submit(|take| join_next(&take), take);
            threads::spawn(move |take| inner(take).join().unwrap(), take).unwrap()
        };
        let sets: Start = |take, pools| {
            pools[0].spawn(move || {
                let (done, _) = wait([take.recv().unwrap()], WaitFor::All, None);
                done.into_iter().all(|handle| handle.join().is_ok())
            })
        };
        let circles: [&[Start]; 7] = [
            &[first, second],
            &[thread, named],
            &[first, thread],
            &[first, second, named, first],
            &[inline, second],
            &[sets, second],
            &[sets, thread, named],
        ];
        let pools = [Pool::new(2).unwrap(), Pool::new(1).unwrap()];
        for circle in circles {
            let (give, take): (Vec<_>, Vec<_>) = circle.iter().map(|_| mpsc::channel()).unzip();
            let (told, ends) = mpsc::channel();
            let jobs: Vec<_> =
                circle.iter().zip(take).map(|(start, take)| start(take, &pools)).collect();
            // Each is given the next one.
            for (job, at) in jobs.into_iter().zip(circle.len() - 1..) {
                let told = told.clone();
                job.on_done(move |outcome| told.send(outcome).unwrap());
                give[at % circle.len()].send(job).unwrap();
            }
            let ends: Vec<_> = circle.iter().map(|_| ends.recv().unwrap()).collect();
            let panics = ends.iter().filter(|end| **end == threads::Outcome::Panicked).count();
            assert_eq!(panics, 1, "{ends:?}");
        }
    });
}

/// Whoever waits with a limit is part of no circle, as that wait ends.
#[test]
fn a_circle_with_a_limit_in_it_does_not_panic() {
    in_time(|| {
        let pool = Pool::new(2).unwrap();
        let (give, take) = mpsc::channel::<JoinHandle<bool>>();
        let limited = pool.spawn(move || {
            let other = take.recv().unwrap();
            other.wait_timeout(Duration::from_millis(20))
        });
        let other = threads::spawn(|limited: JoinHandle<bool>| limited.join().unwrap(), limited);
        let other = other.unwrap();
        let (told, end) = mpsc::channel();
        other.on_done(move |outcome| told.send(outcome).unwrap());
        give.send(other).unwrap();
        assert_eq!(end.recv().unwrap(), threads::Outcome::Returned);
    });
}

/// One that is run on the spot by its joiner, and waits for that.
#[test]
fn a_job_that_waits_for_a_set_with_its_joiner_panics() {
    in_time(|| {
        let pool = Arc::new(Pool::new(1).unwrap());
        let inner = Arc::clone(&pool);
        let message = with_own_handle(Some(&pool), move |own| {
            let below = inner.spawn(move || drop(wait([own], WaitFor::All, None))).join();
            let Err(JoinError::Panicked { message, .. }) = below else { panic!("{below:?}") };
            assert!(message.contains("for ever"), "{message}");
        });
        assert_eq!(message.recv().unwrap(), "");
    });
}
