//! Which pages of an arena are free: the books, without the memory.
//!
//! Runs of pages are given out by *first fit*, lowest first: what was used a moment ago is used
//! again, while it is in the caches, and the far end of an arena that is never full is never touched.
//! Runs that are given back join their free neighbours, so in the end one run is free again.
//!
//! A page is *warm* when memory stands behind it. A page that was never used has none, and one
//! whose memory was given back to the system has none any more.

use std::collections::BTreeMap;
use std::ops::Range;

/// Some pages in a row.
pub(super) type Run = Range<usize>;

/// The books of an arena.
#[derive(Debug)]
pub(super) struct Extents {
    /// Free runs that do not touch each other: where each begins, and where it ends.
    free: BTreeMap<usize, usize>,
    /// Which pages are warm, 64 in a word.
    warm: Vec<u64>,
    /// How many pages are warm.
    warm_pages: usize,
    /// How many pages are given out; all of them are warm.
    used_pages: usize,
}

impl Extents {
    /// All of `pages` pages are free and cold.
    pub(super) fn new(pages: usize) -> Self {
        let free = (pages > 0).then_some((0, pages)).into_iter().collect();
        Self { free, warm: vec![0; pages.div_ceil(64)], warm_pages: 0, used_pages: 0 }
    }

    /// How many pages are given out.
    pub(super) fn used_pages(&self) -> usize {
        self.used_pages
    }

    /// How many pages are free and warm.
    pub(super) fn kept_pages(&self) -> usize {
        self.warm_pages - self.used_pages
    }

    /// Gives out `count` pages in a row, and says whether some of them were cold.
    pub(super) fn take(&mut self, count: usize) -> Option<(Run, bool)> {
        let fits = |&(&start, &end): &(&usize, &usize)| end - start >= count;
        let (&start, &end) = self.free.iter().find(fits)?;
        self.free.remove(&start);
        if start + count < end {
            self.free.insert(start + count, end);
        }
        let run = start..start + count;
        let cold = self.use_pages(run.clone());
        Some((run, cold))
    }

    /// Gives out the `count` pages behind `end`, if all of them are free; says whether some were cold.
    pub(super) fn extend(&mut self, end: usize, count: usize) -> Option<bool> {
        let free_end = *self.free.get(&end)?;
        if free_end - end < count {
            return None;
        }
        self.free.remove(&end);
        if end + count < free_end {
            self.free.insert(end + count, free_end);
        }
        Some(self.use_pages(end..end + count))
    }

    /// Takes back pages that were given out; they stay warm.
    pub(super) fn put(&mut self, run: Run) {
        if run.is_empty() {
            return;
        }
        self.used_pages -= run.len();
        let before = self.free.range(..run.start).next_back().map(|(&start, &end)| (start, end));
        debug_assert!(before.is_none_or(|(_, end)| end <= run.start), "{run:?} is free already");
        let start = match before {
            Some((start, end)) if end == run.start => start,
            _ => run.start,
        };
        let end = self.free.remove(&run.end).unwrap_or(run.end);
        self.free.insert(start, end);
    }

    /// The memory behind pages that are given out has gone back to the system.
    pub(super) fn cool(&mut self, run: Run) {
        for page in run {
            let (word, bit) = (page / 64, 1 << (page % 64));
            self.warm_pages -= usize::from(self.warm[word] & bit != 0);
            self.warm[word] &= !bit;
        }
    }

    /// From now on these are used, and warm. Says whether some were cold.
    fn use_pages(&mut self, run: Run) -> bool {
        self.used_pages += run.len();
        let before = self.warm_pages;
        for page in run {
            let (word, bit) = (page / 64, 1 << (page % 64));
            self.warm_pages += usize::from(self.warm[word] & bit == 0);
            self.warm[word] |= bit;
        }
        self.warm_pages > before
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chaos::{Random, for_seeds};

    /// Pages of the arenas of these tests.
    const PAGES: usize = 200;

    /// What must always hold, beside a model that holds one flag for each page.
    fn check(extents: &Extents, used: &[bool]) {
        let mut free = [false; PAGES];
        let mut last = None;
        for (&start, &end) in &extents.free {
            assert!(start < end && end <= PAGES, "{start}..{end}");
            assert!(last.is_none_or(|last| last < start), "neighbours are joined");
            free[start..end].fill(true);
            last = Some(end);
        }
        assert!(free.iter().zip(used).all(|(free, used)| free != used), "each page is one of both");
        assert_eq!(extents.used_pages(), used.iter().filter(|used| **used).count());
        let warm: u32 = extents.warm.iter().map(|word| word.count_ones()).sum();
        assert_eq!(extents.warm_pages, warm as usize);
    }

    /// The lowest place in which so many pages fit.
    fn first_fit(used: &[bool], count: usize) -> Option<usize> {
        (0..=PAGES.checked_sub(count)?).find(|&start| used[start..start + count].iter().all(|u| !u))
    }

    #[test]
    fn pages_are_given_out_once_and_come_back() {
        for_seeds(20, 6, |seed| {
            let (mut random, mut extents) = (Random::new(seed), Extents::new(PAGES));
            let mut used = vec![false; PAGES];
            let mut warm = [false; PAGES];
            let mut runs: Vec<Run> = Vec::new();
            for _ in 0..2_000 {
                match random.below(10) {
                    0..4 => {
                        let count = 1 + random.index(PAGES / 4);
                        let taken = extents.take(count);
                        assert_eq!(
                            taken.as_ref().map(|(run, _)| run.start),
                            first_fit(&used, count)
                        );
                        let Some((run, cold)) = taken else { continue };
                        assert_eq!(cold, warm[run.clone()].iter().any(|warm| !warm));
                        used[run.clone()].fill(true);
                        warm[run.clone()].fill(true);
                        runs.push(run);
                    }
                    4..6 if !runs.is_empty() => {
                        let index = random.index(runs.len());
                        let (end, count) = (runs[index].end, 1 + random.index(20));
                        let fits =
                            used.get(end..end + count).is_some_and(|next| !next.contains(&true));
                        let extended = extents.extend(end, count);
                        assert_eq!(extended.is_some(), fits);
                        if let Some(cold) = extended {
                            let next = end..end + count;
                            assert_eq!(cold, warm[next.clone()].iter().any(|warm| !warm));
                            used[next.clone()].fill(true);
                            warm[next].fill(true);
                            runs[index].end += count;
                        }
                    }
                    6..8 if !runs.is_empty() => {
                        let run = runs.swap_remove(random.index(runs.len()));
                        if random.percent(50) {
                            extents.cool(run.clone());
                            warm[run.clone()].fill(false);
                        }
                        used[run.clone()].fill(false);
                        extents.put(run);
                    }
                    _ if !runs.is_empty() => {
                        // A part, as when a block is trimmed.
                        let index = random.index(runs.len());
                        let run = runs[index].clone();
                        let middle = run.start + random.index(run.len()) + 1;
                        runs[index].end = middle;
                        used[middle..run.end].fill(false);
                        extents.put(middle..run.end);
                    }
                    _ => {}
                }
                check(&extents, &used);
            }
            for run in runs {
                extents.put(run);
            }
            assert_eq!(extents.take(PAGES).map(|(run, _)| run), Some(0..PAGES), "one run is left");
        });
    }

    #[test]
    fn nothing_comes_out_of_nothing() {
        let mut none = Extents::new(0);
        assert!(none.take(1).is_none() && none.extend(0, 1).is_none());
        let mut one = Extents::new(1);
        assert_eq!(one.take(1), Some((0..1, true)));
        assert!(one.take(1).is_none() && one.extend(1, 1).is_none());
    }
}
