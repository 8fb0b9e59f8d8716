//! The program of the project's README with processes: its last bug is a value like any other.
//! See the example of the same name in `threads`.

use processes as model;

include!("../../docs/swap.rs");
