//! A square of tasks, each of which depends on its neighbours above and to the left: from the first
//! corner on, what is ready runs over the square as a diagonal line.

use std::collections::VecDeque;

use crate::Wavefront;

/// What is still to do. Tasks are numbered row by row.
#[derive(Debug)]
pub(super) struct Square {
    /// Tasks in each row and column.
    side: u64,
    /// How many of the tasks that each depends on have not finished.
    missing: Vec<u8>,
    /// Tasks that may run.
    ready: VecDeque<u64>,
    /// Tasks handed out and not yet finished.
    in_flight: u64,
}

impl Square {
    /// Nothing done, the first corner ready.
    pub(super) fn new(of: &Wavefront) -> Self {
        let side = u64::from(of.side);
        let missing = |task: u64| u8::from(task >= side) + u8::from(!task.is_multiple_of(side));
        let ready = (0..side.min(1)).collect();
        Self { side, missing: (0..side * side).map(missing).collect(), ready, in_flight: 0 }
    }

    /// See [`Frontier`](super::Frontier).
    pub(super) fn next_ready(&mut self) -> Option<u64> {
        let task = self.ready.pop_front()?;
        self.in_flight += 1;
        Some(task)
    }

    /// See [`Frontier`](super::Frontier).
    pub(super) fn finish(&mut self, task: u64) {
        self.in_flight = self.in_flight.checked_sub(1).expect("a finished task was in flight");
        let right = Some(task + 1).filter(|task| !task.is_multiple_of(self.side));
        let below = Some(task + self.side).filter(|task| *task < self.side * self.side);
        for freed in right.into_iter().chain(below) {
            let missing = usize::try_from(freed).ok().and_then(|at| self.missing.get_mut(at));
            let missing = missing.expect("it lies in the square");
            *missing = missing.checked_sub(1).expect("each neighbour finishes once");
            if *missing == 0 {
                self.ready.push_back(freed);
            }
        }
    }

    /// See [`Frontier`](super::Frontier).
    pub(super) fn is_done(&self) -> bool {
        self.ready.is_empty() && self.in_flight == 0
    }

    /// The longest diagonal.
    pub(super) fn most_in_flight(&self) -> u64 {
        self.side
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_task_once_and_after_its_neighbours() {
        let mut square = Square::new(&Wavefront { side: 5, iterations: 1 });
        let mut finished = [false; 25];
        let mut most = 0;
        while !square.is_done() {
            let ready: Vec<u64> = std::iter::from_fn(|| square.next_ready()).collect();
            most = most.max(ready.len());
            // Backwards, as another lane might finish them.
            for task in ready.into_iter().rev() {
                let at = usize::try_from(task).unwrap();
                assert!(!finished[at], "{task} twice");
                assert!(at < 5 || finished[at - 5], "{task} before the one above");
                assert!(at % 5 == 0 || finished[at - 1], "{task} before the one to the left");
                finished[at] = true;
                square.finish(task);
            }
        }
        assert_eq!(finished, [true; 25]);
        assert_eq!(most as u64, square.most_in_flight());
    }

    #[test]
    fn a_square_without_tasks_is_done() {
        assert!(Square::new(&Wavefront { side: 0, iterations: 1 }).is_done());
    }
}
