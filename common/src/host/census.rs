//! Counts what this process has, to see what a lane leaves behind.

use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use crate::protocol::Left;

/// How long the end of what has been waited for may take to show.
const SETTLING: Duration = Duration::from_secs(1);

/// Threads, children and descriptors of this process. `None`: this platform does not tell.
#[derive(Clone, Copy, Debug)]
pub(super) struct Census {
    /// Threads.
    threads: Option<i64>,
    /// Children, dead ones that nobody waited for among them.
    children: Option<i64>,
    /// Open descriptors.
    descriptors: Option<i64>,
}

impl Census {
    /// What there is now.
    pub(super) fn take() -> Self {
        Self {
            threads: count_entries("/proc/self/task"),
            children: count_children(),
            descriptors: count_entries("/proc/self/fd"),
        }
    }

    /// What there is over what there was.
    ///
    /// A thread that was joined is still listed for a moment: the kernel tells who joins it first,
    /// and takes it off the list later. So what seems left is looked at again for a while.
    pub(super) fn left(self) -> Left {
        let deadline = Instant::now() + SETTLING;
        loop {
            let left = self.left_now();
            if left.is_clean() || Instant::now() >= deadline {
                return left;
            }
            thread::park_timeout(Duration::from_millis(1));
        }
    }

    /// What there is at this moment over what there was.
    fn left_now(self) -> Left {
        let now = Self::take();
        let over = |now: Option<i64>, then: Option<i64>| Some(now? - then?);
        Left {
            threads: over(now.threads, self.threads),
            children: over(now.children, self.children),
            descriptors: over(now.descriptors, self.descriptors),
        }
    }
}

/// Entries of a directory; its own descriptor counts the same each time.
fn count_entries(directory: &str) -> Option<i64> {
    i64::try_from(fs::read_dir(directory).ok()?.count()).ok()
}

/// Children of all threads.
fn count_children() -> Option<i64> {
    let mut count = 0;
    for task in fs::read_dir(Path::new("/proc/self/task")).ok()? {
        // A thread may end while it is looked at: it has no children any more.
        let Ok(children) = fs::read_to_string(task.ok()?.path().join("children")) else { continue };
        count += i64::try_from(children.split_whitespace().count()).ok()?;
    }
    Some(count)
}
