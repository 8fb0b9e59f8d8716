//! The program of the project's README with threads: its last bug takes the whole program with it.
//! See the example of the same name in `processes`.

use threads as model;

include!("../../docs/swap.rs");
