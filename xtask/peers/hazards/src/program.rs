//! Which programs there are.

use crate::{deep, held, plain};

/// Whose pool runs a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pool {
    /// Rayon's.
    Rayon,
    /// That of `threads`.
    Threads,
}

impl Pool {
    /// What it is called on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rayon => "rayon",
            Self::Threads => "threads",
        }
    }
}

/// A program; it panics if its result is wrong.
#[derive(Debug)]
pub struct Program {
    /// What it is called on the command line.
    pub name: &'static str,
    /// What it does, for the table.
    pub about: &'static str,
    /// With rayon's pool.
    rayon: fn(),
    /// With ours.
    threads: fn(),
}

impl Program {
    /// Runs it.
    pub fn run(&self, pool: Pool) {
        match pool {
            Pool::Rayon => (self.rayon)(),
            Pool::Threads => (self.threads)(),
        }
    }
}

/// A program, which is generic over the pool.
macro_rules! program {
    ($name:literal, $($run:ident)::+, $about:literal) => {
        Program {
            name: $name,
            about: $about,
            rayon: $($run)::+::<rayon::ThreadPool>,
            threads: $($run)::+::<threads::Pool>,
        }
    };
}

/// All programs, in the order of the table.
pub fn programs() -> &'static [Program] {
    &[
        program!(
            "mutex",
            held::mutex,
            "A mutex is held across `join`; another job of the pool locks it"
        ),
        program!(
            "once-lock",
            held::once_lock,
            "A `OnceLock` is initialised by forked work; another job needs its value"
        ),
        program!(
            "ref-cell",
            held::ref_cell,
            "A thread-local `RefCell` is borrowed across `join`; another job borrows it"
        ),
        program!(
            "long-job",
            held::long_job,
            "A short closure is waited for; a job is there that ends when the wait is over"
        ),
        program!(
            "install",
            held::install,
            "A mutex is held by the only worker across `install` in another pool; another job \
             locks it"
        ),
        program!(
            "scopes",
            deep::scopes,
            "10,000 nested scopes with 1 KiB each on the stack, in threads with 2 MiB of it"
        ),
        program!(
            "jobs",
            deep::jobs,
            "2,000 jobs with 4 KiB each on the stack; each waits for a short task, and the next job \
             is there"
        ),
        program!(
            "panics",
            plain::panics,
            "A panic in either closure of `join`, or both; then reuse"
        ),
        program!(
            "pools",
            plain::nested,
            "A pool with two workers and one with one, each inside of the other, several times"
        ),
        program!("oversubscribed", plain::oversubscribed, "Twice as many workers as processors"),
        program!("one-core", plain::one_core, "Four workers on one processor"),
    ]
}

/// The program and the pool with these names.
///
/// # Errors
///
/// When there are none.
pub fn find(program: &str, pool: &str) -> Result<(&'static Program, Pool), String> {
    let found = programs().iter().find(|found| found.name == program);
    let Some(found) = found else {
        let names: Vec<_> = programs().iter().map(|program| program.name).collect();
        return Err(format!("there is no program {program}, but {}", names.join(", ")));
    };
    let pools = [Pool::Rayon, Pool::Threads];
    let pool = pools.into_iter().find(|found| found.name() == pool);
    Ok((found, pool.ok_or("a pool is `rayon` or `threads`")?))
}
