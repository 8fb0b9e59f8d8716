//! What one waits with, the same program for threads and for processes. See the example of the
//! same name in `processes`.

use threads as model;

include!("../../docs/swap_waiting.rs");
