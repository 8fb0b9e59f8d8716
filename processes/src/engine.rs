//! What executes the calls of a pool: worker processes of this one ([`Core`]), or a cluster.
//!
//! A pool, its handles and its maps know only this. Methods that no comment describes do what those of
//! the same name of [`Pool`](crate::Pool) and [`JoinHandle`](crate::JoinHandle) do.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::arena::Arena;
use crate::arena::holds::Readers;
use crate::call::{Call, Ways};
use crate::callbacks::Desk;
use crate::core::Core;
use crate::harvest::Harvest;
use crate::stats::Stats;
use crate::ticket::Ticket;
use crate::tray::Tray;

/// What executes the calls of a pool.
pub(crate) trait Engine: fmt::Debug + Send + Sync {
    /// Names the pool.
    fn name(&self) -> &str;
    /// The limit of calls that bring none of their own.
    fn call_timeout(&self) -> Option<Duration>;
    /// The ways that are open to an argument.
    fn ways(&self) -> Ways<'_>;
    /// The memory that its workers see, and which of them read it; none where there is none.
    fn arena_and_readers(&self) -> Option<(&Arc<Arena>, &Arc<Readers>)>;
    /// Takes a call in. It is settled at once when it cannot be executed.
    fn submit(&self, call: Call);
    fn cancel(&self, ticket: &Ticket) -> bool;
    fn kill(&self, ticket: &Ticket) -> bool;
    fn is_running(&self, ticket: &Ticket) -> bool;
    fn pid_of(&self, ticket: &Ticket) -> Option<u32>;
    /// Who calls callbacks.
    fn desk(&self) -> Arc<Desk>;
    /// From now on, until it is found empty, what gets stale in this tray is sent.
    fn attend(&self, tray: &Arc<Tray>);
    /// A map is gone: what was not started of it is cancelled.
    fn abandon(&self, harvest: &Arc<Harvest>);
    /// Nobody wants a map: what was not started of it is cancelled; what runs goes on, or is killed. Unlike
    /// when it is gone, its results come in.
    #[cfg(feature = "distributed")]
    fn withdraw(&self, harvest: &Arc<Harvest>, kill: bool);
    fn workers(&self) -> usize;
    /// How many workers a map is to keep busy, counting what is on the way to them.
    fn width(&self) -> usize;
    fn resize(&self, workers: usize) -> io::Result<()>;
    fn pids(&self) -> Vec<u32>;
    fn stats(&self) -> Stats;
    /// What other machines have done, where there are any.
    #[cfg(feature = "distributed")]
    fn nodes(&self) -> Vec<crate::distributed::NodeStats> {
        Vec::new()
    }
    fn is_closing(&self) -> bool;
    /// Stops: after everything queued has run, or at once. Returns how many calls will not run.
    fn close(&self, drain: bool) -> usize;
    /// Ctrl-C: the first one closes, the next one kills. False when there is nothing more to do.
    #[cfg_attr(
        not(any(feature = "interrupt", feature = "distributed")),
        expect(dead_code, reason = "signals and nodes call it")
    )]
    fn interrupt(&self) -> bool;
    /// Waits for the end of what was closed.
    fn wait_until_ended(&self);
    /// Waits for the callbacks, after the end.
    fn finish_callbacks(&self);
}

/// The engine of handles that never had one.
pub(crate) type Nowhere = Core;

impl Engine for Core {
    fn name(&self) -> &str {
        &self.config().name
    }

    fn call_timeout(&self) -> Option<Duration> {
        self.config().call_timeout
    }

    fn ways(&self) -> Ways<'_> {
        Self::ways(self)
    }

    fn arena_and_readers(&self) -> Option<(&Arc<Arena>, &Arc<Readers>)> {
        Self::arena_and_readers(self)
    }

    fn submit(&self, call: Call) {
        Self::submit(self, call);
    }

    fn cancel(&self, ticket: &Ticket) -> bool {
        Self::cancel(self, ticket)
    }

    fn kill(&self, ticket: &Ticket) -> bool {
        Self::kill(self, ticket)
    }

    fn is_running(&self, ticket: &Ticket) -> bool {
        Self::is_running(self, ticket)
    }

    fn pid_of(&self, ticket: &Ticket) -> Option<u32> {
        Self::pid_of(self, ticket)
    }

    fn desk(&self) -> Arc<Desk> {
        Self::desk(self)
    }

    fn attend(&self, tray: &Arc<Tray>) {
        Self::attend(self, tray);
    }

    fn abandon(&self, harvest: &Arc<Harvest>) {
        Self::abandon(self, harvest);
    }

    #[cfg(feature = "distributed")]
    fn withdraw(&self, harvest: &Arc<Harvest>, kill: bool) {
        Self::withdraw(self, harvest, kill);
    }

    fn workers(&self) -> usize {
        Self::workers(self)
    }

    fn width(&self) -> usize {
        Self::workers(self)
    }

    fn resize(&self, workers: usize) -> io::Result<()> {
        Self::resize(self, workers)
    }

    fn pids(&self) -> Vec<u32> {
        Self::pids(self)
    }

    fn stats(&self) -> Stats {
        let view = self.view();
        let arena = self.arena_usage();
        Stats {
            workers: Self::workers(self),
            queued: view.queued as u64,
            running: view.running as u64,
            ready: view.ready,
            done: view.counters.done,
            panicked: view.counters.panicked,
            failed: view.counters.failed,
            cancelled: view.counters.cancelled,
            started: view.counters.started,
            retried: view.counters.retried,
            recycled: view.counters.recycled,
            lost: view.counters.lost,
            arena_blocks: arena.blocks,
            arena_bytes: arena.used_bytes,
            arena_kept_bytes: arena.kept_bytes,
        }
    }

    fn is_closing(&self) -> bool {
        Self::is_closing(self)
    }

    fn close(&self, drain: bool) -> usize {
        Self::close(self, drain)
    }

    fn interrupt(&self) -> bool {
        Self::interrupt(self)
    }

    fn wait_until_ended(&self) {
        Self::wait_until_ended(self);
    }

    fn finish_callbacks(&self) {
        Self::finish_callbacks(self);
    }
}
