//! Operations on slices and ranges that idle workers take part in.
//!
//! An operation runs on its caller, block by block (`pace.rs`). Between two blocks it asks
//! whether some worker has nothing to do, and only then gives away the far half of what is
//! left (`drive.rs`). What it does with the items is a [`Fold`](drive::Fold).

mod divide;

mod chunks;
mod zip;

mod each;
mod map;
mod reduce;
mod scan;
mod search;
mod sort;

mod drive;
mod pace;
mod workers;

mod unstable;

#[expect(unsafe_code, reason = "results are written where they stay")]
mod output;

#[expect(unsafe_code, reason = "values are moved to where their order is known")]
mod merge;
#[expect(unsafe_code, reason = "values are moved between the slice and a buffer")]
mod stable;

#[cfg(test)]
mod habit;
#[cfg(test)]
mod tests;

pub use chunks::{Chunks, ChunksMut, chunks, chunks_mut};
pub use divide::Divide;
pub use each::{par_chunks_mut, par_for};
pub use map::{par_map, try_par_map};
pub use reduce::par_map_reduce;
pub use scan::par_scan;
pub use search::{par_all, par_any, par_find, par_find_any, try_par_for};
pub use sort::{
    par_sort, par_sort_by, par_sort_by_key, par_sort_unstable, par_sort_unstable_by,
    par_sort_unstable_by_key,
};
pub use zip::{Zip, zip};
