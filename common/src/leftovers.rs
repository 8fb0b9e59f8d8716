//! What Python programs leave when they are killed, and who removes it.
//!
//! Python's pools make named semaphores and shared memory, and directories with a socket to talk to
//! their fork server. A process of Python's removes them in the end, but not when it is killed together
//! with the pool, as the process group of a host is. Then what is shared would lie in memory until the
//! machine stops, and the directories where temporary files do for longer. So the programs in
//! `xtask/peers` name all of it after their process group: semaphores and shared memory
//! `triptych-GROUP-…`, and a folder `triptych-GROUP-…` in which all of their temporary files are. Who kills the group removes what has that name, by [`remove_of`].
//! Those of others have other names, and are left alone.

use std::{ffi::OsStr, fs, path::Path};

/// Where Linux keeps named semaphores and shared memory.
const SHARED: &str = "/dev/shm";

/// Removes what a process group of this number left that has been killed, `temporary` being the folder
/// for temporary files that it was started with.
///
/// What cannot be removed stays: somebody else may have removed it, or may not be permitted to.
pub fn remove_of(group: i32, temporary: &Path) {
    for kind in ["sem.", ""] {
        remove_from(Path::new(SHARED), &format!("{kind}triptych-{group}-"));
    }
    remove_from(temporary, &format!("triptych-{group}-"));
}

/// Removes what has a name that begins like this from a folder.
fn remove_from(folder: &Path, prefix: &str) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let is_meant = |name: &OsStr| name.as_encoded_bytes().starts_with(prefix.as_bytes());
    for entry in entries.flatten().filter(|entry| is_meant(&entry.file_name())) {
        // A link is removed, not what it leads to.
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            fs::remove_dir_all(entry.path()).ok();
        } else {
            fs::remove_file(entry.path()).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_of_others_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let names = ["triptych-12-ab", "triptych-12-", "triptych-123-ab", "pymp-12-ab", "x"];
        for name in names {
            fs::create_dir(folder.path().join(name)).unwrap();
            fs::write(folder.path().join(name).join("listener"), "").unwrap();
        }
        fs::write(folder.path().join("triptych-12-file"), "").unwrap();
        let (link, target) = (folder.path().join("triptych-12-link"), folder.path().join("x"));
        std::os::unix::fs::symlink(&target, link).unwrap();
        remove_of(12, folder.path());
        let mut left: Vec<_> = fs::read_dir(folder.path()).unwrap().flatten().collect();
        left.sort_by_key(fs::DirEntry::file_name);
        let left: Vec<_> = left.iter().map(fs::DirEntry::file_name).collect();
        assert_eq!(left, ["pymp-12-ab", "triptych-123-ab", "x"]);
        assert!(target.join("listener").exists(), "a link is not followed");
        remove_of(12, &folder.path().join("no such folder"));
    }
}
