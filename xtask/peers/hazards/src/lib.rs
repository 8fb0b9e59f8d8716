//! Programs on which pools that run anything while they wait hang or fail, written once for rayon and for
//! `threads`.
//!
//! Each runs in a process of its own ([`observe`]), as some of them hang and some crash. What was
//! seen ([`see`]) is the table in `threads/RAYON.md`.

mod deep;
mod flag;
mod fork;
mod held;
mod observed;
mod plain;
mod program;
mod system;
mod table;

pub use observed::{Outcome, observe};
pub use program::{Pool, Program, find, programs};
pub use system::end_with_parent;
pub use table::{Seen, document, see, spliced, table};
