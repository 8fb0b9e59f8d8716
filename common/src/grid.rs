//! The shape *loops*: a grid whose cells are computed anew in each step, from one buffer into the
//! other.

use std::mem;

use crate::{
    Body, Digest, Job, Output, Stencil,
    rng::{SplitMix64, mix},
};

/// A grid of words. A new word comes of the old one and its four neighbours, where the edges are
/// neighbours of the opposite ones; it wraps around, so that a mistake is never smoothed away.
#[derive(Debug)]
pub struct Grid {
    /// Its size.
    size: Stencil,
    /// The cells before the first step, row by row.
    start: Vec<u32>,
    /// The cells before the present step.
    before: Vec<u32>,
    /// The cells after it.
    after: Vec<u32>,
}

/// A grid before a step, to be read by all who compute the step.
#[derive(Clone, Copy, Debug)]
pub struct Before<'a> {
    /// The cells.
    cells: &'a [u32],
    /// Cells in each row.
    columns: usize,
}

impl Grid {
    /// The grid of `job`; `None` when the job has none.
    pub fn new(job: &Job) -> Option<Self> {
        let Body::Stencil(size) = job.body else { return None };
        let start = start(job.seed, size);
        let (before, after) = (start.clone(), vec![0; start.len()]);
        Some(Self { size, start, before, after })
    }

    /// Runs all steps from the start. `step` has to [fill](Before::fill) all the cells it is given;
    /// it does so row by row, by as many as it likes at the same time.
    pub fn run(&mut self, mut step: impl FnMut(Before<'_>, &mut [u32])) -> Digest {
        let columns = self.size.columns as usize;
        self.before.copy_from_slice(&self.start);
        for _ in 0..self.size.steps {
            step(Before { cells: &self.before, columns }, &mut self.after);
            mem::swap(&mut self.before, &mut self.after);
        }
        digest(&self.before, columns)
    }

    /// What comes out, computed cell by cell as it is defined.
    pub(crate) fn reference(seed: u64, size: Stencil) -> Digest {
        let (rows, columns) = (size.rows as usize, size.columns as usize);
        let mut cells = start(seed, size);
        for _ in 0..size.steps {
            let at = |row: usize, column: usize| cells[(row % rows) * columns + column % columns];
            let next = (0..rows * columns).map(|place| {
                let (row, column) = (place / columns, place % columns);
                [
                    at(row + rows - 1, column),
                    at(row, column + columns - 1),
                    at(row, column),
                    at(row, column),
                    at(row, column),
                    at(row, column + 1),
                    at(row + 1, column),
                ]
                .into_iter()
                .fold(0, u32::wrapping_add)
            });
            cells = next.collect();
        }
        digest(&cells, columns)
    }
}

impl Before<'_> {
    /// Cells in each row: what divides the cells to be filled into rows.
    pub const fn columns(&self) -> usize {
        self.columns
    }

    /// Computes the rows from `first` on that `cells` has room for.
    ///
    /// # Panics
    /// If the grid has no such rows.
    pub fn fill(&self, first: usize, cells: &mut [u32]) {
        for (row, cells) in (first..).zip(cells.chunks_exact_mut(self.columns)) {
            self.fill_row(row, cells);
        }
    }

    /// Computes one row. What lies inside has a loop of its own, which the compiler can do several
    /// cells at a time of.
    fn fill_row(&self, row: usize, cells: &mut [u32]) {
        let rows = self.cells.len() / self.columns;
        let at = |row: usize| &self.cells[row * self.columns..(row + 1) * self.columns];
        let (above, same, below) = (at((row + rows - 1) % rows), at(row), at((row + 1) % rows));
        let last = self.columns - 1;
        for column in [0, last] {
            let left = same[(column + last) % self.columns];
            let right = same[(column + 1) % self.columns];
            cells[column] = cell(above[column], left, same[column], right, below[column]);
        }
        if self.columns < 3 {
            return;
        }
        let sides = same.windows(3).zip(&above[1..]).zip(&below[1..]);
        for (new, ((same, above), below)) in cells[1..last].iter_mut().zip(sides) {
            *new = cell(*above, same[0], same[1], same[2], *below);
        }
    }
}

/// The new word of a cell.
#[inline]
const fn cell(above: u32, left: u32, old: u32, right: u32, below: u32) -> u32 {
    let sides = above.wrapping_add(left).wrapping_add(right).wrapping_add(below);
    old.wrapping_mul(3).wrapping_add(sides)
}

/// The cells before the first step.
fn start(seed: u64, size: Stencil) -> Vec<u32> {
    let mut random = SplitMix64::new(seed);
    let cells = u64::from(size.rows) * u64::from(size.columns);
    (0..cells).map(|_| u32::try_from(random.below(1 << 32)).expect("it is below")).collect()
}

/// One output for each row.
fn digest(cells: &[u32], columns: usize) -> Digest {
    let mut digest = Digest::default();
    for (row, cells) in (0..).zip(cells.chunks_exact(columns)) {
        // Two sums, of which one knows where each cell lies, are quick to compute.
        let sum = cells.iter().map(|cell| u64::from(*cell)).sum();
        let by_place = (1_u64..).zip(cells).map(|(place, cell)| place.wrapping_mul((*cell).into()));
        let by_place = by_place.fold(0, u64::wrapping_add);
        digest.add(row, &Output::Word(mix(sum) ^ by_place));
    }
    digest
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A grid of this size, and what must come of it.
    fn grid(rows: u32, columns: u32, steps: u32) -> (Grid, Digest) {
        let size = Stencil { rows, columns, steps };
        let grid = Grid::new(&Job { seed: 1, body: Body::Stencil(size) }).unwrap();
        (grid, Grid::reference(1, size))
    }

    #[test]
    fn rows_and_the_reference_agree_each_time() {
        for (rows, columns, steps) in
            [(1, 1, 3), (1, 2, 3), (2, 1, 3), (2, 2, 1), (3, 3, 5), (7, 20, 9), (4, 4, 0)]
        {
            let (mut grid, expected) = grid(rows, columns, steps);
            for _ in 0..2 {
                let found = grid.run(|before, after| before.fill(0, after));
                assert_eq!(found, expected, "{rows} x {columns}, {steps} steps");
            }
            assert_eq!(expected.count, u64::from(rows));
        }
    }

    #[test]
    fn a_row_that_is_left_out_or_misplaced_once_shows_after_many_steps() {
        let wrongs: [fn(Before<'_>, &mut [u32]); 2] =
            [|_, _| (), |before, cells| before.fill(4, cells)];
        for wrong in wrongs {
            let (mut grid, expected) = grid(8, 8, 200);
            let mut step = 0;
            let found = grid.run(|before, after| {
                step += 1;
                for (row, cells) in after.chunks_exact_mut(before.columns()).enumerate() {
                    if (step, row) == (2, 3) {
                        wrong(before, cells);
                    } else {
                        before.fill(row, cells);
                    }
                }
            });
            assert_ne!(found, expected);
        }
    }
}
