//! One execution: a fresh lane host runs one plan once, and is measured from outside.

use std::time::{Duration, Instant};

use common::{
    Outcome,
    lane::{Config, Plan},
    protocol::{Left, Reply, Request},
};

use crate::{
    host::{Client, HostEntry, HostError},
    measure::{CpuSnapshot, Memory, PeakSampler, Pid, SwitchSnapshot, Tree},
};

/// How often memory is sampled during the warm-up run.
const MEMORY_EVERY: Duration = Duration::from_millis(10);

/// How long a host may take for anything that is not work.
const HOUSEKEEPING: Duration = Duration::from_secs(20);

/// What is executed, and within which time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Execution<'a> {
    /// The host to start.
    pub host: &'a HostEntry,
    /// The lane.
    pub lane: &'a str,
    /// Workers.
    pub workers: usize,
    /// What it runs.
    pub plan: &'a Plan,
    /// How long one run may take.
    pub limit: Duration,
}

/// Whether a run to warm up, during which memory is sampled, precedes the measured one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WarmUp {
    /// It does.
    Yes,
    /// It does not.
    No,
}

/// What was seen of an execution.
#[derive(Clone, Debug)]
pub(super) struct Measured {
    /// Time of making the lane ready.
    pub open: Duration,
    /// Time of the run, as the host saw it.
    pub wall_ns: u64,
    /// Processor time of the host's process tree during the run.
    pub cpu: Option<Duration>,
    /// Context switches of the tree during the run.
    pub context_switches: Option<u64>,
    /// Memory of the tree before the lane was made ready, in bytes.
    pub base_pss: Option<u64>,
    /// Most memory of the tree during the warm-up run, in bytes.
    pub peak_pss: Option<u64>,
    /// What came of it.
    pub outcome: Outcome,
    /// What the lane left behind.
    pub left: Option<Left>,
}

impl Execution<'_> {
    /// Starts a host, makes the lane ready, runs the plan once to warm up and to see its memory,
    /// unless told not to, and then once measured. `before_run` is called right before the measured
    /// run.
    ///
    /// # Errors
    /// Whatever the host did instead; it is dead then.
    pub(super) fn measure(
        &self,
        warm_up: WarmUp,
        before_run: impl FnOnce(),
    ) -> Result<Measured, HostError> {
        let mut client = self.start()?;
        let base_pss = Tree::of(client.pid()).and_then(|tree| Memory::of(&tree).pss);
        let open = self.open(&mut client)?;
        let peak_pss = match warm_up {
            WarmUp::Yes => self.warm_up(&mut client)?,
            WarmUp::No => None,
        };
        before_run();
        let before = Counters::read(client.pid(), self.plan);
        let (wall_ns, outcome) = self.run(&mut client, self.plan)?;
        let after = Counters::read(client.pid(), self.plan);
        let left = close(&mut client)?;
        Ok(Measured {
            open,
            wall_ns,
            cpu: after.cpu_since(&before),
            context_switches: after.switches_since(&before),
            base_pss,
            peak_pss,
            outcome,
            left: Some(left),
        })
    }

    /// Runs the plan once; the most memory that the tree held meanwhile.
    fn warm_up(&self, client: &mut Client) -> Result<Option<u64>, HostError> {
        // Without a sampler the peak is not measured; the run is worth as much.
        let sampler = PeakSampler::start(client.pid(), MEMORY_EVERY).ok();
        let ran = self.run(client, self.plan);
        let peak_pss = sampler.and_then(|sampler| sampler.stop().pss);
        ran.map(|_| peak_pss)
    }

    /// Starts a host, makes the lane ready and runs the plan once, then `healthy` once if the lane
    /// still answers.
    ///
    /// # Errors
    /// Whatever the host did instead of answering to the plan; it is dead then.
    pub(super) fn provoke(&self, healthy: &Plan) -> Result<(Outcome, bool), HostError> {
        let mut client = self.start()?;
        self.open(&mut client)?;
        let (_, outcome) = self.run(&mut client, self.plan)?;
        let recovered =
            self.run(&mut client, healthy).is_ok_and(|(_, outcome)| outcome.failed.is_empty());
        if recovered {
            // What a lane leaves behind after a fault is part of the fault, not of its closing.
            close(&mut client).ok();
        }
        Ok((outcome, recovered))
    }

    /// Asks how the lane can run the plan.
    ///
    /// # Errors
    /// Whatever the host did instead.
    pub(super) fn support(&self, client: &mut Client) -> Result<common::lane::Support, HostError> {
        let request = Request::Support { lane: self.lane.into(), plan: self.plan.clone() };
        match client.ask(&request, HOUSEKEEPING)? {
            Reply::Support { support } => Ok(support),
            reply => Err(out_of_turn(&reply)),
        }
    }

    /// A host that has said hello.
    ///
    /// # Errors
    /// When it does not start or does something else.
    pub(super) fn start(&self) -> Result<Client, HostError> {
        let mut client = Client::start(&self.host.program)?;
        match client.hello(HOUSEKEEPING)? {
            Reply::Hello { .. } => Ok(client),
            reply => Err(out_of_turn(&reply)),
        }
    }

    /// Makes the lane ready; how long it took.
    fn open(&self, client: &mut Client) -> Result<Duration, HostError> {
        let config = Config { workers: self.workers };
        let request = Request::Open { lane: self.lane.into(), config, plan: self.plan.clone() };
        let start = Instant::now();
        match client.ask(&request, HOUSEKEEPING)? {
            Reply::Opened => Ok(start.elapsed()),
            reply => Err(out_of_turn(&reply)),
        }
    }

    /// Runs a plan; how long it took as the host saw it, and what came of it.
    fn run(&self, client: &mut Client, plan: &Plan) -> Result<(u64, Outcome), HostError> {
        match client.ask(&Request::Run { plan: plan.clone() }, self.limit)? {
            Reply::Outcome { wall_ns, outcome } => Ok((wall_ns, outcome)),
            reply => Err(out_of_turn(&reply)),
        }
    }
}

/// What is read of a process tree right before and right after a run.
#[derive(Debug)]
struct Counters {
    /// Processor time.
    cpu: Option<CpuSnapshot>,
    /// Context switches.
    switches: Option<SwitchSnapshot>,
}

impl Counters {
    /// Reads them. Context switches are kept per thread: with very many threads that takes longer
    /// than what is measured, and they are not read.
    fn read(root: Pid, plan: &Plan) -> Self {
        /// Threads up to which their switches are read.
        const MOST_THREADS: u64 = 256;
        let switches = || Tree::of(root).and_then(|tree| SwitchSnapshot::of(&tree));
        Self {
            switches: (plan.overlap <= MOST_THREADS).then(switches).flatten(),
            cpu: CpuSnapshot::of(root),
        }
    }

    /// The processor time since `earlier`.
    fn cpu_since(&self, earlier: &Self) -> Option<Duration> {
        Some(self.cpu?.since(&earlier.cpu?)?.cpu)
    }

    /// The context switches since `earlier`.
    fn switches_since(&self, earlier: &Self) -> Option<u64> {
        let switches = self.switches.as_ref()?.since(earlier.switches.as_ref()?);
        Some(switches.voluntary + switches.involuntary)
    }
}

/// Closes the lane and ends the host; what the lane left behind.
fn close(client: &mut Client) -> Result<Left, HostError> {
    let left = match client.ask(&Request::Close, HOUSEKEEPING)? {
        Reply::Closed { left } => left,
        reply => return Err(out_of_turn(&reply)),
    };
    match client.ask(&Request::Bye, HOUSEKEEPING)? {
        Reply::Bye => Ok(left),
        reply => Err(out_of_turn(&reply)),
    }
}

/// The error for a reply that does not belong to its request.
fn out_of_turn(reply: &Reply) -> HostError {
    HostError::OutOfTurn(format!("{reply:?}").chars().take(80).collect())
}
