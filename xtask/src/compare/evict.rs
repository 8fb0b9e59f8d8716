//! Takes files out of the page cache, for samples that start cold.

use std::{fs::File, path::PathBuf};

use rustix::fs::{Advice, fadvise};

/// Asks the kernel to forget the cached pages of `files`.
///
/// It keeps pages that somebody is writing or has locked; files that cannot be opened are left
/// alone, for a lane that reads them will say so.
pub(super) fn evict(files: &[PathBuf]) {
    for file in files.iter().filter_map(|path| File::open(path).ok()) {
        fadvise(&file, 0, None, Advice::DontNeed).ok();
    }
}
