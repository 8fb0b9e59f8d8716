//! Deaths of a worker at chosen moments, for the tests below; elsewhere this is nothing.

/// Where a worker may be made to die.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize, serde::Deserialize))]
#[repr(u8)]
pub(crate) enum Step {
    /// Before it claims a call.
    Claim = 1,
    /// It has claimed a call, and nothing of that was executed.
    Claimed,
    /// After the board says `DONE`, before anything of the result is in the ring.
    Publish,
    /// The result is in the ring, and its end is not published.
    Half,
    /// The result is published, and nobody was woken.
    Bell,
    /// Everything is done for this call.
    Sent,
    /// The result of an item is published, and the next item of the frame is not claimed. Only
    /// maps come here.
    Next,
}

#[cfg(test)]
pub(crate) use armed::{
    HIDE_ARENA, arm, arm_pause, here, hides_arena, hurried, hurries, refuses_memory,
    without_memory_once,
};

/// Does nothing.
#[cfg(not(test))]
#[inline]
pub(crate) fn here(_step: Step) {}

/// Whether workers that are started now get no arena.
#[cfg(not(test))]
#[inline]
pub(crate) fn hides_arena() -> bool {
    false
}

/// Whether this thread is late for every look.
#[cfg(not(test))]
#[inline]
pub(crate) fn hurries() -> bool {
    false
}

/// Whether the system has no memory for this thread now.
#[cfg(not(test))]
#[inline]
pub(crate) fn refuses_memory() -> bool {
    false
}

#[cfg(test)]
mod blind;

/// What only tests have.
#[cfg(test)]
mod armed {
    use std::cell::Cell;
    use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};

    use rustix::process::{Signal, getpid, kill_process};

    use super::Step;

    impl Step {
        /// All that a single call comes to, in that order.
        pub(crate) const ALL: [Self; 6] =
            [Self::Claim, Self::Claimed, Self::Publish, Self::Half, Self::Bell, Self::Sent];
    }

    /// The number of the step at which this process dies; 0 for none.
    static ARMED: AtomicU8 = AtomicU8::new(0);

    /// Set in a process whose workers get no arena, as when there is no descriptor for it.
    pub(crate) static HIDE_ARENA: AtomicBool = AtomicBool::new(false);

    /// Whether workers that are started now get none.
    pub(crate) fn hides_arena() -> bool {
        HIDE_ARENA.load(Ordering::Relaxed)
    }

    thread_local! {
        /// Set in a thread that is late for every look.
        static HURRIES: Cell<bool> = const { Cell::new(false) };
        /// Set in a thread for which there is no memory, once.
        static NO_MEMORY: Cell<bool> = const { Cell::new(false) };
    }

    /// Whether this thread is late for every look.
    pub(crate) fn hurries() -> bool {
        HURRIES.get()
    }

    /// Calls `f` as in a process that is stopped again and again: when it goes to sleep, it is too late
    /// for the next look.
    pub(crate) fn hurried<T>(f: impl FnOnce() -> T) -> T {
        HURRIES.set(true);
        let value = f();
        HURRIES.set(false);
        value
    }

    /// Whether the system has no memory for this thread now.
    pub(crate) fn refuses_memory() -> bool {
        NO_MEMORY.take()
    }

    /// The next time that this thread asks for memory in an arena there is none.
    pub(crate) fn without_memory_once() {
        NO_MEMORY.set(true);
    }

    /// Added to the number of a step at which the process pauses, once, instead of dying.
    const PAUSE: u8 = 0x80;

    /// How often it passes that step before it dies.
    static PASSES: AtomicU32 = AtomicU32::new(0);

    /// This process dies when it has passed `step` so often, and comes there again.
    pub(crate) fn arm(step: Step, passes: u32) {
        // Calls are executed by one thread, which also comes to the steps.
        PASSES.store(passes, Ordering::Relaxed);
        ARMED.store(step as u8, Ordering::Relaxed);
    }

    /// This process pauses when it comes to `step`.
    pub(crate) fn arm_pause(step: Step) {
        ARMED.store(step as u8 | PAUSE, Ordering::Relaxed);
    }

    /// Takes some time, in which the parent may do something.
    #[expect(clippy::disallowed_methods, reason = "nothing depends on what the parent does")]
    fn pause() {
        ARMED.store(0, Ordering::Relaxed);
        std::thread::sleep(std::time::Duration::from_millis(30));
    }

    /// Dies if this is the step.
    pub(crate) fn here(step: Step) {
        let armed = ARMED.load(Ordering::Relaxed);
        if armed == step as u8 | PAUSE {
            return pause();
        }
        if armed != step as u8 {
            return;
        }
        if let Some(left) = PASSES.load(Ordering::Relaxed).checked_sub(1) {
            PASSES.store(left, Ordering::Relaxed);
            return;
        }
        kill_process(getpid(), Signal::KILL).expect("a process may kill itself");
        loop {
            std::thread::park();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{CallOptions, JoinError, JoinHandle, Pool};

    /// Anything that takes longer is taken for a hang.
    const BOUND: Duration = Duration::from_secs(30);

    /// The outcome, which must come.
    fn joined(call: JoinHandle<u8>) -> Result<u8, JoinError> {
        call.join_timeout(BOUND).expect("each call resolves")
    }

    /// What becomes of a call whose worker dies at `step` when it comes there for the first time
    /// after the call began or, with `passes`, later; and of three behind it: how many of them are
    /// lost.
    fn dies_at(step: Step, passes: u32) -> (Result<u8, JoinError>, usize) {
        let pool = Pool::new(1).unwrap();
        let arm: fn((Step, u32)) -> u8 = |(step, passes)| {
            arm(step, passes);
            9
        };
        let first = pool.submit(arm, (step, passes));
        let behind: Vec<_> = (0..3).map(|x: u8| pool.submit(|x| x, x)).collect();
        let first = joined(first);
        let mut lost = 0;
        for (x, call) in (0..).zip(behind) {
            match joined(call) {
                Ok(value) => assert_eq!(value, x, "{step:?}"),
                Err(error) => {
                    assert!(is_lost(&error), "{step:?}: {error}");
                    lost += 1;
                }
            }
        }
        let stats = pool.stats();
        assert_eq!((stats.done + stats.failed, stats.lost), (4, 1), "{step:?}");
        (first, lost)
    }

    /// True for a worker that was killed.
    fn is_lost(error: &JoinError) -> bool {
        matches!(error, JoinError::WorkerLost { signal: Some(9), .. })
    }

    #[test]
    fn a_call_that_was_not_claimed_goes_to_the_next_worker() {
        let (first, lost) = dies_at(Step::Claim, 0);
        assert_eq!((first.unwrap(), lost), (9, 0));
    }

    #[test]
    fn a_call_that_was_claimed_is_lost_with_its_worker() {
        let (first, lost) = dies_at(Step::Claimed, 0);
        assert_eq!((first.unwrap(), lost), (9, 1));
    }

    #[test]
    fn a_result_that_was_not_published_is_lost_with_its_worker() {
        for step in [Step::Publish, Step::Half] {
            let (first, lost) = dies_at(step, 0);
            assert!(is_lost(&first.unwrap_err()) && lost == 0, "{step:?}");
            let (first, lost) = dies_at(step, 1);
            assert_eq!((first.unwrap(), lost), (9, 1), "{step:?}");
        }
    }

    #[test]
    fn a_published_result_outlives_a_worker_that_told_nobody() {
        for step in [Step::Bell, Step::Sent] {
            let (first, lost) = dies_at(step, 0);
            assert_eq!((first.unwrap(), lost), (9, 0), "{step:?}");
        }
    }

    /// After so many short calls, frames hold thousands.
    const WARM: u64 = 30_000;

    /// Item [`WARM`] has its worker die at a step.
    fn armed_item((x, step): (u64, Step)) -> u64 {
        if x == WARM {
            arm(step, 0);
        }
        x
    }

    #[test]
    fn in_the_middle_of_a_frame_a_death_is_that_of_one_item() {
        let cases = [
            (Step::Claimed, Some(WARM + 1)),
            (Step::Publish, Some(WARM)),
            (Step::Half, Some(WARM)),
            (Step::Next, None),
        ];
        for (step, expected) in cases {
            let pool = Pool::new(1).unwrap();
            let items = (0..WARM + 2_000).map(|x| (x, step));
            let results = pool.map(armed_item, items).options(CallOptions::new().timeout(BOUND));
            let mut lost = None;
            for (x, result) in (0..).zip(results) {
                match result {
                    Ok(value) => assert_eq!(value, x),
                    Err(error) => {
                        assert!(is_lost(&error) && lost.is_none(), "{step:?}, {x}: {error}");
                        lost = Some(x);
                    }
                }
            }
            assert_eq!(lost, expected, "{step:?}");
            assert_eq!(pool.stats().lost, 1, "{step:?}: it was in the middle of a frame");
        }
    }

    /// Item [`WARM`] overwrites the board of its worker, which then dies.
    fn spoiling_item(x: u64) -> u64 {
        if x == WARM {
            crate::board::Board::new(crate::arena::holds::own_segment()).spoil(0);
            std::process::abort();
        }
        x
    }

    #[test]
    fn when_a_board_says_what_cannot_be_nothing_runs_twice() {
        let pool = Pool::new(1).unwrap();
        let results = pool.map(spoiling_item, 0..WARM + 10_000);
        let mut lost = Vec::new();
        for (x, result) in (0..).zip(results.options(CallOptions::new().timeout(BOUND))) {
            match result {
                Ok(value) => assert_eq!(value, x),
                Err(JoinError::WorkerLost { .. }) => lost.push(x),
                Err(error) => panic!("{x}: {error}"),
            }
        }
        // What was not answered of its frame.
        assert!((WARM..).zip(&lost).all(|(expected, &x)| x == expected), "{lost:?}");
        assert!(!lost.is_empty() && pool.stats().lost == 1, "{lost:?}, {:?}", pool.stats());
    }

    /// Item [`WARM`] has its worker pause before it claims the next item.
    fn pausing_item(x: u64) -> u64 {
        if x == WARM {
            arm_pause(Step::Next);
        }
        x
    }

    #[test]
    fn a_frame_may_be_cut_between_two_items() {
        let (ended, end) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let pool = Pool::new(2).unwrap();
            for _ in 0..5 {
                // While the worker pauses, the other one runs out of work.
                for (x, result) in (0..).zip(pool.map(pausing_item, 0..WARM + 2_000)) {
                    assert_eq!(result.unwrap(), x);
                }
            }
            pool.shutdown();
            ended.send(()).unwrap();
        });
        end.recv_timeout(BOUND).expect("nothing is left in the pool's books");
    }
}
