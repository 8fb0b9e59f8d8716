//! What the user asked of a comparison, checked.

use std::{path::PathBuf, time::Duration};

use common::workload::{self, Tier, Workload};

use crate::{
    cli::CompareArgs,
    error::{Error, Result},
    host::{PeerHost, Purpose},
    nearest::unknown_name,
};

use super::question::{self, QUESTIONS, QUICK};

/// The seed of the order of executions unless the user gives one.
const SEED: u64 = 1;

/// What the user asked for.
#[derive(Clone)]
pub struct Options {
    /// How thorough.
    pub tier: Tier,
    /// The workloads, in the order in which they are asked.
    pub workloads: Vec<&'static dyn Workload>,
    /// The lanes; `None`: those of each question.
    pub lanes: Option<Vec<String>>,
    /// Whether the lanes of the peers join those of each question.
    pub peers: bool,
    /// Where a cluster is, for the lanes that can use one; they join those of each question.
    pub cluster: Option<String>,
    /// Judged rounds of each timed workload.
    pub rounds: usize,
    /// Workers for computing.
    pub workers: usize,
    /// The seed of the order of executions.
    pub seed: u64,
    /// How long all of it may take; rounds are left out rather than exceed it.
    pub budget: Option<Duration>,
    /// How long one run may take.
    pub limit: Duration,
    /// The directory to hash.
    pub files: Option<PathBuf>,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let workloads: Vec<_> = self.workloads.iter().map(|workload| workload.id()).collect();
        f.debug_struct("Options")
            .field("workloads", &workloads)
            .field("lanes", &self.lanes)
            .finish_non_exhaustive()
    }
}

impl Options {
    /// Checks the arguments. Lane names are checked later, when the hosts have been asked.
    ///
    /// # Errors
    /// A usage error that says what is wrong, and the nearest name where a name is.
    pub fn new(args: &CompareArgs) -> Result<Self> {
        let tier = args.tier.into();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let (rounds, budget, limit) = match tier {
            Tier::Smoke => (2, None, Duration::from_secs(20)),
            Tier::Quick => (15, Some(Duration::from_secs(165)), Duration::from_secs(20)),
            Tier::Full => (12, None, Duration::from_mins(2)),
        };
        if let Some(directory) = &args.files {
            let unreadable =
                |error| Error::usage(format!("--files {}: {error}", directory.display()));
            std::fs::read_dir(directory).map_err(unreadable)?;
        }
        Ok(Self {
            tier,
            workloads: select(&args.filters, tier)?,
            lanes: args.lanes.clone(),
            peers: args.peers,
            cluster: args.cluster.clone(),
            rounds: args.rounds.map_or(rounds, |rounds| rounds.get().into()),
            workers: args.workers.map_or(cores, |workers| workers.get().into()),
            seed: args.seed.unwrap_or(SEED),
            budget: args.budget.map(|seconds| Duration::from_secs(seconds.get().into())).or(budget),
            limit: args.timeout.map_or(limit, |seconds| Duration::from_secs(seconds.get().into())),
            files: args.files.clone(),
        })
    }

    /// What is asked of the programs: the smoke tier shows times, too, but says that they mean
    /// nothing.
    pub fn purpose(&self) -> Purpose {
        if self.tier == Tier::Smoke { Purpose::Results } else { Purpose::Times }
    }

    /// Those of these hosts of peers that are needed: of each, some lane was named, or all were asked
    /// for, or there is a cluster that it can use. Beside them, why others cannot be had that were asked for;
    /// a lane that was named says so itself, in its place.
    pub fn peers_of(&self, hosts: Vec<PeerHost>) -> (Vec<PeerHost>, Vec<String>) {
        let named = |lane: &String| self.lanes.iter().flatten().any(|named| named == lane);
        let (mut needed, mut absent) = (Vec::new(), Vec::new());
        for host in hosts {
            let has_cluster = self.cluster.is_some() && host.cluster_variable.is_some();
            if host.lanes.iter().any(named) || has_cluster {
                needed.push(host);
            } else if self.peers {
                match host.absent(None) {
                    None => needed.push(host),
                    Some(why) => absent.push(why),
                }
            }
        }
        (needed, absent)
    }

    /// The tier's name.
    pub fn tier_name(&self) -> &'static str {
        match self.tier {
            Tier::Smoke => "smoke",
            Tier::Quick => "quick",
            Tier::Full => "full",
        }
    }
}

/// The workloads that the filters name, or those of the tier.
fn select(filters: &[String], tier: Tier) -> Result<Vec<&'static dyn Workload>> {
    let asked = if tier == Tier::Quick { &QUESTIONS[..QUICK] } else { &QUESTIONS[..] };
    if filters.is_empty() {
        return Ok(asked.iter().filter_map(|question| workload::find(question.workload)).collect());
    }
    let mut order: Vec<&str> = QUESTIONS.iter().map(|question| question.workload).collect();
    // Those that no question shows can still be named.
    let ids = workload::ALL.iter().map(|workload| workload.id());
    order.extend(ids.filter(|id| question::about(id).is_none()));
    if let Some(unknown) =
        filters.iter().find(|filter| !order.iter().any(|id| id.contains(filter.as_str())))
    {
        return Err(Error::usage(unknown_name("workload", unknown, order.iter().copied())));
    }
    let chosen =
        order.into_iter().filter(|id| filters.iter().any(|filter| id.contains(filter.as_str())));
    Ok(chosen.filter_map(workload::find).collect())
}

#[cfg(test)]
mod tests {
    use crate::host::Need;

    use super::*;

    #[test]
    fn peers_are_needed_when_they_are_named_or_asked_for_and_can_be_had() {
        let host = |lane: &str, needs: Option<&str>, variable: Option<&str>| PeerHost {
            package: format!("{lane}-lane"),
            lanes: vec![lane.into()],
            needs: needs.map(|program| Need { program: program.into(), install: "get it".into() }),
            cluster_variable: variable.map(Into::into),
        };
        let hosts = || vec![host("a", None, None), host("b", Some("no-such-program"), Some("B"))];
        let asked = |line: &str| {
            /// Something that clap can parse.
            #[derive(clap::Parser)]
            struct Parser {
                /// What is asked for.
                #[command(flatten)]
                args: CompareArgs,
            }
            let words = ["compare"].into_iter().chain(line.split_whitespace());
            let args = <Parser as clap::Parser>::parse_from(words).args;
            let (needed, absent) = Options::new(&args).unwrap().peers_of(hosts());
            let needed: Vec<_> = needed.into_iter().map(|host| host.lanes.join("")).collect();
            (needed.join(""), absent.join(""))
        };
        let words = |needed: &str, absent: &str| (needed.to_owned(), absent.to_owned());
        assert_eq!(asked(""), words("", ""));
        assert_eq!(asked("--peers"), words("a", "b: not found: no-such-program (get it)"));
        assert_eq!(asked("--lanes b"), words("b", ""), "it says so itself");
        assert_eq!(asked("--cluster nats://127.0.0.1"), words("b", ""));
        assert_eq!(asked("--cluster nats://127.0.0.1 --peers"), words("ab", ""));
    }

    #[test]
    fn filters_select_by_part_of_the_name() {
        let ids = |filters: &[&str]| {
            let filters: Vec<String> = filters.iter().map(|filter| (*filter).into()).collect();
            select(&filters, Tier::Quick)
                .map(|all| all.iter().map(|workload| workload.id()).collect::<Vec<_>>())
        };
        assert_eq!(ids(&["real."]).unwrap(), ["real.tree-hash", "real.access-log", "real.crawl"]);
        assert_eq!(ids(&["cpu.fine", "crawl"]).unwrap(), ["real.crawl", "cpu.fine"]);
        assert_eq!(ids(&["spawn", "cpu.tree"]).unwrap(), ["cpu.tree", "spawn.tree"]);
        assert_eq!(ids(&["dummy.hang"]).unwrap(), ["dummy.hang"]);
        assert_eq!(ids(&[]).unwrap().len(), 6);
        let error = ids(&["real.craw1"]).unwrap_err();
        assert!(error.message.contains("did you mean real.crawl?"), "{error}");
        assert_eq!(error.exit, crate::exit::Exit::Usage);
    }
}
