//! The file of a record: where it lies, how it grows, and what becomes of those that were left behind.
//!
//! Files lie in a directory that only this user may enter: `evented` in `$XDG_RUNTIME_DIR`, else
//! `evented-UID` in a temporary directory. That is `$TMPDIR` if it is set, else the one in memory, if there
//! is one: on a disk, a file that changes all the time is written out again and again, and to make and
//! remove one takes milliseconds. A file is called after the process (its id, and when it was started, as
//! ids are given again) and the reactor. It is locked as long as the process lives, in a way that the
//! kernel undoes, whatever ends the process. So it is known of each file whether somebody uses it:
//!
//! | process of that id and start | lock | what it is |
//! |---|---|---|
//! | lives | any | in use, or about to be |
//! | does not, as far as can be seen from here | held | in use, in another container |
//! | does not | free | left behind |
//!
//! The first reactor of a process removes those that were left behind, but for the newest few: whoever
//! wants to know why a process died finds them although it was started again at once.

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{
    AtFlags, Dir, FallocateFlags, FlockOperation, Mode, OFlags, fallocate, flock, fstat, mkdir,
    open, openat, statat, unlinkat,
};
use rustix::io::Errno;
use rustix::process::{Resource, geteuid, getrlimit};

/// How a file's name ends.
const SUFFIX: &str = ".evented";
/// How many files of dead processes are kept.
const KEPT: usize = 4;
/// How many names a sweep looks at, at most.
const LOOKED_AT: usize = 4096;

/// A file that a record lies in. It is removed when this is dropped.
#[derive(Debug)]
pub(super) struct Backing {
    /// Holds the lock, too.
    file: OwnedFd,
    directory: OwnedFd,
    name: String,
    path: PathBuf,
    /// Bytes that have their blocks.
    bytes: usize,
    /// The process that made it: a fork of it has no business with the file.
    pid: u32,
}

impl Backing {
    /// Makes an empty file for the reactor with this number.
    ///
    /// # Errors
    ///
    /// When there is no directory that belongs to this user alone, or the system refuses.
    pub(super) fn create(reactor: u64) -> io::Result<Self> {
        static SWEEP: Once = Once::new();
        let (directory, path) = directory()?;
        SWEEP.call_once(|| sweep(&directory, KEPT));
        let pid = std::process::id();
        let name = format!("{pid}-{}-{reactor}{SUFFIX}", started(pid));
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC;
        let file = openat(&directory, name.as_str(), flags, Mode::RUSR | Mode::WUSR)?;
        let path = path.join(&name);
        let backing = Self { file, directory, name, path, bytes: 0, pid };
        flock(&backing.file, FlockOperation::NonBlockingLockExclusive)?;
        Ok(backing)
    }

    /// Adds bytes at the end, with blocks of their own so that writing to them never fails. Returns
    /// where they begin.
    ///
    /// # Errors
    ///
    /// When the file system is full, or the process may not have a file of that size.
    pub(super) fn extend(&mut self, bytes: usize) -> io::Result<usize> {
        let start = self.bytes;
        // Asked for first: the system would send `SIGXFSZ`, which ends a process that does not expect it.
        let most = getrlimit(Resource::Fsize).current;
        if most.is_some_and(|most| (start + bytes) as u64 > most) {
            return Err(Errno::FBIG.into());
        }
        match fallocate(&self.file, FallocateFlags::empty(), start as u64, bytes as u64) {
            Ok(()) => {}
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => write_zeros(self.file.as_fd(), start, bytes)?,
            Err(error) => return Err(error.into()),
        }
        self.bytes += bytes;
        Ok(start)
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Backing {
    fn drop(&mut self) {
        if self.pid == std::process::id() {
            // If it is gone already, so much the better.
            let _ = unlinkat(&self.directory, self.name.as_str(), AtFlags::empty());
        }
    }
}

/// For file systems that cannot give blocks without data.
fn write_zeros(file: BorrowedFd<'_>, start: usize, bytes: usize) -> io::Result<()> {
    let zeros = [0; 4096];
    let mut at = start;
    while at < start + bytes {
        let wanted = zeros.len().min(start + bytes - at);
        at += rustix::io::pwrite(file, &zeros[..wanted], at as u64)?;
    }
    Ok(())
}

/// The directory for the files, made if need be.
fn directory() -> io::Result<(OwnedFd, PathBuf)> {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    if let Some(runtime) = runtime.filter(|path| path.is_absolute())
        && let Ok(found) = private_directory(runtime.join("evented"))
    {
        return Ok(found);
    }
    let name = format!("evented-{}", geteuid().as_raw());
    if cfg!(target_os = "linux")
        && std::env::var_os("TMPDIR").is_none()
        && let Ok(found) = private_directory(Path::new("/dev/shm").join(&name))
    {
        return Ok(found);
    }
    private_directory(std::env::temp_dir().join(name))
}

/// Opens a directory that belongs to this user alone, and makes it if there is none. Anybody may make one of
/// that name in the temporary directory first, or a link: such a one is not used.
fn private_directory(path: PathBuf) -> io::Result<(OwnedFd, PathBuf)> {
    match mkdir(&path, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
    let directory = open(&path, flags, Mode::empty())?;
    let stat = fstat(&directory)?;
    if stat.st_uid != geteuid().as_raw() || stat.st_mode & 0o077 != 0 {
        let text = format!("{} is open to others than this user", path.display());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
    }
    Ok((directory, path))
}

/// Removes files that were left behind, but for the newest `kept`. What cannot be removed stays.
fn sweep(directory: &OwnedFd, kept: usize) {
    let Ok(entries) = Dir::read_from(directory) else { return };
    let mut left: Vec<(i64, Vec<u8>)> = Vec::new();
    for entry in entries.take(LOOKED_AT).map_while(Result::ok) {
        let name = entry.file_name();
        if is_left_behind(directory, name)
            && let Ok(stat) = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)
        {
            left.push((stat.st_mtime, name.to_bytes().to_vec()));
        }
    }
    left.sort_unstable();
    left.truncate(left.len().saturating_sub(kept));
    for (_, name) in left {
        let _ = unlinkat(directory, name.as_slice(), AtFlags::empty());
    }
}

/// Whether a file of this name is one of ours and nobody uses it any more, see the module's table.
fn is_left_behind(directory: &OwnedFd, name: &CStr) -> bool {
    let Some((pid, start)) = name.to_str().ok().and_then(owner) else { return false };
    if start != 0 && started(pid) == start {
        return false;
    }
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(file) = openat(directory, name, flags, Mode::empty()) else { return false };
    // Its maker, in another container, may be about to lock it.
    if fstat(&file).is_ok_and(|stat| stat.st_size == 0 && !is_old(stat.st_mtime)) {
        return false;
    }
    flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok()
}

/// Whether what was changed at this time, in seconds since 1970, has not been for a minute.
fn is_old(changed: i64) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    i64::try_from(now).is_ok_and(|now| now.saturating_sub(changed) > 60)
}

/// Process id and start in the name of a file.
fn owner(name: &str) -> Option<(u32, u64)> {
    let mut parts = name.strip_suffix(SUFFIX)?.split('-');
    let owner = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let _reactor: u64 = parts.next()?.parse().ok()?;
    parts.next().is_none().then_some(owner)
}

/// When a process was started, in ticks since the machine was; 0 if there is none, it is dead and not yet
/// waited for, or the system does not tell.
pub(super) fn started(pid: u32) -> u64 {
    let stat = File::open(format!("/proc/{pid}/stat")).and_then(io::read_to_string);
    let Ok(stat) = stat else { return 0 };
    // The name is in parentheses and may hold anything. The state comes after it, as field 3; the
    // start is field 22.
    let Some((_, rest)) = stat.rsplit_once(')') else { return 0 };
    let mut fields = rest.split_whitespace();
    if matches!(fields.next(), Some("Z" | "X")) {
        return 0;
    }
    fields.nth(22 - 4).and_then(|field| field.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn names(path: &Path) -> Vec<String> {
        let entries = fs::read_dir(path).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn a_start_is_told_of_the_living_only() {
        let own = started(std::process::id());
        assert!(own > 0);
        assert_eq!(owner(&format!("12-{own}-3{SUFFIX}")), Some((12, own)));
        for other in ["12-3.evented", "a-1-2.evented", "1-2-3-4.evented", "1-2-3", ".evented"] {
            assert_eq!(owner(other), None, "{other}");
        }
        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        assert_eq!(started(child.id()), 0);
    }

    /// So that other containers, which do not see the process, let it be.
    #[test]
    fn a_file_is_locked_while_it_is_used() {
        let backing = Backing::create(u64::MAX).unwrap();
        let path = backing.path().to_owned();
        let other = File::open(&path).unwrap();
        let lock = || flock(&other, FlockOperation::NonBlockingLockExclusive);
        assert_eq!(lock(), Err(Errno::WOULDBLOCK));
        drop(backing);
        assert!(lock().is_ok() && !path.exists());
    }

    #[test]
    fn only_what_was_left_behind_is_swept() {
        let place = tempfile::tempdir().unwrap();
        let (directory, path) = private_directory(place.path().join("private")).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        let (pid, start) = (std::process::id(), started(std::process::id()));
        // Ours; ours of an earlier process of the same number; locked by somebody else; dead; strangers.
        let lives = format!("{pid}-{start}-1{SUFFIX}");
        let earlier = format!("{pid}-{}-1{SUFFIX}", start + 1);
        let locked = format!("4194999-7-1{SUFFIX}");
        let dead = format!("4194999-7-2{SUFFIX}");
        for name in [&lives, &earlier, &locked, &dead, "strange.txt", "1-2.evented"] {
            fs::write(path.join(name), b"a record").unwrap();
        }
        // Somebody else's, who is about to lock it.
        let fresh = format!("4194999-7-3{SUFFIX}");
        fs::write(path.join(&fresh), b"").unwrap();
        let lock = File::open(path.join(&locked)).unwrap();
        flock(&lock, FlockOperation::LockExclusive).unwrap();
        let mut all =
            vec![lives, locked, fresh, "strange.txt".to_owned(), "1-2.evented".to_owned()];
        sweep(&directory, 2);
        assert_eq!(names(&path).len(), 7, "the newest are kept");
        sweep(&directory, 0);
        all.sort_unstable();
        assert_eq!(names(&path), all);
    }

    #[test]
    fn the_oldest_are_swept_first() {
        let place = tempfile::tempdir().unwrap();
        let (directory, path) = private_directory(place.path().join("private")).unwrap();
        for age in [3, 1, 2] {
            let file = File::create(path.join(format!("4194999-7-{age}{SUFFIX}"))).unwrap();
            let then = SystemTime::now() - std::time::Duration::from_hours(age);
            file.set_modified(then).unwrap();
        }
        sweep(&directory, 2);
        assert_eq!(names(&path), [format!("4194999-7-1{SUFFIX}"), format!("4194999-7-2{SUFFIX}")]);
    }

    #[test]
    fn a_directory_that_is_open_to_others_or_a_link_is_not_used() {
        let place = tempfile::tempdir().unwrap();
        let open = place.path().join("open");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(private_directory(open).is_err());
        let (_, private) = private_directory(place.path().join("private")).unwrap();
        let link = place.path().join("link");
        symlink(&private, &link).unwrap();
        assert!(private_directory(link).is_err());
        assert!(private_directory(place.path().join("no/such")).is_err());
    }

    #[test]
    fn blocks_of_zeros_where_there_is_no_other_way() {
        let file = tempfile::tempfile().unwrap();
        write_zeros(file.as_fd(), 4096, 10_000).unwrap();
        assert_eq!(file.metadata().unwrap().len(), 14_096);
    }
}
