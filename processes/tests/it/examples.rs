//! The examples print what is known to be right.

use std::path::PathBuf;

/// Where cargo has put an example of this package.
pub(crate) fn path(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().unwrap().parent().unwrap().join("examples").join(name)
}
