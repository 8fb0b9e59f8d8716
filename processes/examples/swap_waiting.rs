//! What one waits with, the same program for threads and for processes. See the example of the
//! same name in `threads`.

use processes as model;

include!("../../docs/swap_waiting.rs");
