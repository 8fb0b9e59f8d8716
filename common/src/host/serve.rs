//! A lane host at work for the harness.

use std::{
    io,
    process::{self, ExitCode},
    time::{Duration, Instant},
};

use crate::{
    Body, Dummy, calibrate,
    lane::{Lane, LaneError, Plan, Session, Support},
    protocol::{Reply, Request, VERSION},
};

use super::{census::Census, channel::Channel};

/// Answers requests until `bye` or the end of the input.
pub(super) fn serve(host: &str, lanes: &[&dyn Lane]) -> ExitCode {
    die_with_the_harness();
    let served = Channel::take_over_standard_output()
        .and_then(|channel| Host { lanes, open: None, channel }.run(host));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{host}: failed to talk to the harness: {error}");
            ExitCode::FAILURE
        }
    }
}

/// From now on the kernel kills this process when the harness ends, however it does: a task that
/// hangs would never notice the end of its input. The harness starts hosts from its main thread,
/// whose end is the end of the process.
///
/// Where there is no such thing, the end of the input is all there is.
fn die_with_the_harness() {
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL)).ok();
}

/// A lane host.
struct Host<'a> {
    /// What it offers.
    lanes: &'a [&'a dyn Lane],
    /// The lane that is open, with what the process had before.
    open: Option<(Box<dyn Session>, Census)>,
    /// The harness.
    channel: Channel,
}

impl Host<'_> {
    /// Says hello, then answers.
    fn run(&mut self, host: &str) -> io::Result<()> {
        let lanes = self.lanes.iter().map(|lane| lane.info()).collect();
        let build = if cfg!(debug_assertions) { "debug" } else { "release" };
        let runtime = format!("Rust, {build} build");
        self.channel.send(&Reply::Hello { version: VERSION, host: host.into(), runtime, lanes })?;
        while let Some(request) = self.channel.receive()? {
            if let Some(Dummy::Rubbish) = dummy_to_run(&request) {
                self.channel.send_rubbish()?;
            }
            let last = request == Request::Bye;
            let reply = self.answer(request).unwrap_or_else(|error| {
                self.open = None;
                Reply::Error { why: error.to_string() }
            });
            self.channel.send(&reply)?;
            if last {
                break;
            }
        }
        Ok(())
    }

    /// What a request is answered with.
    fn answer(&mut self, request: Request) -> Result<Reply, LaneError> {
        match request {
            Request::Calibrate { budget_ms } => Ok(Reply::Calibrated {
                ns_per_iteration: calibrate::ns_per_iteration(Duration::from_millis(budget_ms)),
            }),
            Request::Support { lane, plan } => {
                Ok(Reply::Support { support: self.support(&lane, &plan)? })
            }
            Request::Open { lane, config, plan } => {
                if plan.job.body == Body::Dummy(Dummy::SetUp) {
                    return Err(LaneError::failed("set the lane up", "it was told to fail"));
                }
                let before = Census::take();
                let session = self.lane(&lane)?.open(&config, &plan)?;
                self.open = Some((session, before));
                Ok(Reply::Opened)
            }
            Request::Run { plan } => self.run_plan(&plan),
            Request::Close => {
                let (session, before) = self.open.take().ok_or_else(not_open)?;
                session.close()?;
                Ok(Reply::Closed { left: before.left() })
            }
            Request::Bye => Ok(Reply::Bye),
        }
    }

    /// The lane called `name`.
    fn lane(&self, name: &str) -> Result<&dyn Lane, LaneError> {
        let lane = self.lanes.iter().copied().find(|lane| lane.info().name == name);
        lane.ok_or_else(|| LaneError::Unsupported(format!("this host has no lane {name}")))
    }

    /// How a lane could run a plan.
    fn support(&self, lane: &str, plan: &Plan) -> Result<Support, LaneError> {
        Ok(self.lane(lane)?.support(plan))
    }

    /// Runs a plan in the open session and times it.
    fn run_plan(&mut self, plan: &Plan) -> Result<Reply, LaneError> {
        let (session, _) = self.open.as_mut().ok_or_else(not_open)?;
        let start = Instant::now();
        let mut outcome = session.run(plan)?;
        let wall_ns = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        match plan.job.body {
            Body::Dummy(Dummy::WrongDigest) => outcome.digest.sum ^= 1,
            Body::Dummy(Dummy::Panic) => panic!("the host panics, as it was told to"),
            Body::Dummy(Dummy::Crash) => process::abort(),
            Body::Dummy(Dummy::Hang) => hang(),
            _ => {}
        }
        Ok(Reply::Outcome { wall_ns, outcome })
    }
}

/// How the host itself is to misbehave on this request, if it is.
fn dummy_to_run(request: &Request) -> Option<Dummy> {
    match request {
        Request::Run { plan: Plan { job: crate::Job { body: Body::Dummy(dummy), .. }, .. } } => {
            Some(*dummy)
        }
        _ => None,
    }
}

/// The error of a request that needs an open session.
fn not_open() -> LaneError {
    LaneError::Unsupported("no lane is open".into())
}

/// Says nothing more.
#[expect(clippy::disallowed_methods, reason = "never answering is what it was told to do")]
fn hang() {
    loop {
        std::thread::sleep(Duration::from_hours(1));
    }
}
