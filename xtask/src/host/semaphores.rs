//! Named semaphores of Python programs that were killed.
//!
//! Python's pools make them, and a process of Python's removes them in the end, but not when it is
//! killed together with the pool, as the process group of a host is. Then they would lie in memory until
//! the machine stops. So the programs in `xtask/peers` name theirs after their process group, and who
//! kills the group removes what has that name. Those of others have other names, and are left alone.

use std::{fs, path::Path};

use rustix::process::Pid;

/// Where Linux keeps named semaphores.
const FOLDER: &str = "/dev/shm";

/// Removes those of a process group that is dead.
pub(super) fn remove_of(group: Pid) {
    remove_in(Path::new(FOLDER), group);
}

/// Removes those of a process group from this folder.
fn remove_in(folder: &Path, group: Pid) {
    let prefix = format!("sem.triptych-{}-", group.as_raw_nonzero());
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(prefix.as_bytes()) {
            // Somebody else may have removed it.
            fs::remove_file(entry.path()).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        process::{Command, Stdio},
        time::Duration,
    };

    use super::*;
    use crate::{
        host::{find_python, process::Process},
        workspace::Workspace,
    };

    #[test]
    fn those_of_others_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let names =
            ["sem.triptych-12-ab", "sem.triptych-12-", "sem.triptych-123-ab", "sem.mp-12-ab"];
        for name in names {
            fs::write(folder.path().join(name), "").unwrap();
        }
        remove_in(folder.path(), Pid::from_raw(12).unwrap());
        let left: Vec<_> =
            names.into_iter().filter(|name| folder.path().join(name).exists()).collect();
        assert_eq!(left, names[2..]);
        remove_in(&folder.path().join("no such folder"), Pid::from_raw(12).unwrap());
    }

    /// Makes semaphores of each kind as a lane does, and waits to be killed.
    const PROGRAM: &str = "
import multiprocessing, os, sys, time
sys.path.insert(0, sys.argv[1])
sys.dont_write_bytecode = True
from lane_host import name_semaphores
name_semaphores()
kept = [multiprocessing.get_context(how).Semaphore(0) for how in ('spawn', 'forkserver')]
mine = f'sem.triptych-{os.getpgrp()}-'
print(sum(name.startswith(mine) for name in os.listdir('/dev/shm')), flush=True)
time.sleep(600)
";

    #[test]
    fn a_python_program_that_is_killed_leaves_none() {
        let workspace = Workspace::find();
        let Ok(python) = find_python(&workspace) else {
            println!("skipped: there is no Python to make semaphores");
            return;
        };
        let folder = workspace.root.join("xtask/peers/python");
        let mut command = Command::new(&python.path);
        command.args(["-c", PROGRAM]).arg(folder).stdin(Stdio::null());
        let mut process = Process::start(&mut command).unwrap();
        let line = process.line(Duration::from_mins(1)).unwrap();
        assert_eq!(line.trim(), "2", "they have the names that are looked for");
        let prefix = format!("sem.triptych-{}-", process.pid().as_raw_nonzero());
        drop(process);
        let left = fs::read_dir(FOLDER).unwrap().flatten();
        assert!(
            !left.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
        );
    }
}
