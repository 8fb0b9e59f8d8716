//! Fork-join: two closures, or many, that may run at the same time and borrow from
//! their caller.

mod join;
mod scope;

pub use join::{broadcast, join};
pub use scope::{Scope, scope};

pub(crate) use join::{checkpoint, demand, join_shared};
