//! The bench programs: found, built, and asked.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde::de::DeserializeOwned;

use crate::{
    error::{Error, Result},
    host::{self, HostError, Purpose},
    interrupt,
    nearest::unknown_name,
    workspace::Workspace,
};

use super::{
    contract::{Listing, Sample, VERSION},
    record::{Problem, Run},
};

/// How the name of a package that is a bench program ends; it begins with that of the model.
const SUFFIX: &str = "-bench";

/// How long a program may take to say what it can measure.
const LISTING: Duration = Duration::from_secs(20);

/// A bench program.
#[derive(Clone, Debug)]
pub(super) struct Program {
    /// Where it is.
    path: PathBuf,
}

/// Why there is no sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NoSample {
    /// The contender failed.
    Problem(Problem),
    /// The user interrupted.
    Interrupted,
}

impl Program {
    /// Checks that there is a program for this model.
    ///
    /// # Errors
    /// A usage error that names those that there are.
    pub(super) fn check(workspace: &Workspace, model: &str) -> Result<()> {
        let folder = workspace.peers_folder();
        let entries = fs::read_dir(&folder).map_err(Error::io("list the peers in", &folder))?;
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut models: Vec<String> =
            names.filter_map(|name| Some(name.strip_suffix(SUFFIX)?.to_owned())).collect();
        models.sort_unstable();
        if models.iter().any(|found| found == model) {
            return Ok(());
        }
        let known = models.iter().map(String::as_str);
        Err(Error::usage(unknown_name("bench", model, known)))
    }

    /// Builds the program of this model.
    ///
    /// # Errors
    /// When it does not build.
    pub(super) fn build(workspace: &Workspace, model: &str, purpose: Purpose) -> Result<Self> {
        let built = host::build_peer(workspace, &format!("{model}{SUFFIX}"), purpose);
        // Cargo gets the terminal's Ctrl-C as well.
        interrupt::check()?;
        Ok(Self { path: built? })
    }

    /// What it can measure.
    ///
    /// # Errors
    /// When it does not say so, or keeps to another version of the contract.
    pub(super) fn list(&self) -> Result<Listing> {
        let listing: Listing = host::ask_once(Command::new(&self.path).arg("--list"), LISTING)
            .map_err(|error| match error {
                HostError::Interrupted => Error::interrupted(),
                error => Error::failed(format!("{}: {}", self.path.display(), told(&error))),
            })?;
        if listing.version == VERSION {
            Ok(listing)
        } else {
            let found = listing.version;
            let path = self.path.display();
            Err(Error::failed(format!("{path}: it keeps to version {found}, not {VERSION}")))
        }
    }

    /// What it concludes from our costs, as Markdown.
    ///
    /// # Errors
    /// When it does not say so.
    pub(super) fn conclude(&self, run: &Run) -> Result<Option<String>> {
        let costs = run.rows.iter().filter_map(|row| Some((&*row.metric, row.ours?)));
        let costs: BTreeMap<&str, f64> = costs.collect();
        let costs = serde_json::to_string(&costs).expect("its keys are strings");
        let mut command = Command::new(&self.path);
        let said = host::ask_once(command.args(["--conclude", &costs]), LISTING);
        said.map_err(|error| match error {
            HostError::Interrupted => Error::interrupted(),
            error => Error::failed(format!("{}: {}", self.path.display(), told(&error))),
        })
    }

    /// Takes a sample in a fresh process, and verifies it.
    ///
    /// # Errors
    /// What went wrong instead; the process has ended whatever happened.
    pub(super) fn sample(
        &self,
        metric: &str,
        contender: &str,
        units: u64,
        limit: Duration,
    ) -> std::result::Result<Sample, NoSample> {
        taken(Command::new(&self.path), [metric, contender], units, limit)
    }

    /// Takes so many slices of each of these contenders by turns, in one fresh process, and verifies them;
    /// in the order of the contenders.
    ///
    /// # Errors
    /// As [`sample`](Self::sample); what one of them does wrong is said of all.
    pub(super) fn slices(
        &self,
        metric: &str,
        contenders: &[&str],
        (units, slices): (u64, u64),
        limit: Duration,
    ) -> std::result::Result<Vec<Vec<Sample>>, NoSample> {
        let mut command = Command::new(&self.path);
        command.args(["--slices", &slices.to_string()]);
        let taken: Vec<Vec<Sample>> =
            answer(command, [metric, &contenders.join(",")], units, limit)?;
        let problem = |why| NoSample::Problem(Problem { wrong: true, why });
        let expected = usize::try_from(slices).ok();
        if taken.len() != contenders.len() || taken.iter().any(|of| Some(of.len()) != expected) {
            return Err(problem("there are not as many slices as it was asked for".into()));
        }
        for (name, samples) in std::iter::zip(contenders, &taken) {
            for sample in samples {
                sample.verify(units).map_err(|why| problem(format!("{name}: {why}")))?;
            }
        }
        Ok(taken)
    }

    /// Takes a sample under callgrind, whose words go to the file `log`, and verifies it.
    ///
    /// # Errors
    /// As [`sample`](Self::sample).
    pub(super) fn sample_counted(
        &self,
        metric: &str,
        contender: &str,
        units: u64,
        limit: Duration,
        log: &Path,
    ) -> std::result::Result<Sample, NoSample> {
        let mut command = Command::new("valgrind");
        // The sum is all that is wanted: no profile.
        command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
        command.arg(format!("--log-file={}", log.display())).arg(&self.path);
        taken(command, [metric, contender], units, limit)
    }

    /// Takes a sample with a command that has to be given the program and its arguments, and verifies it.
    ///
    /// # Errors
    /// As [`sample`](Self::sample).
    pub(super) fn sample_under(
        &self,
        mut command: Command,
        sample: [&str; 2],
        units: u64,
        limit: Duration,
    ) -> std::result::Result<Sample, NoSample> {
        command.arg(&self.path);
        taken(command, sample, units, limit)
    }
}

/// Takes a sample with a command that starts a program.
fn taken(
    command: Command,
    asked: [&str; 2],
    units: u64,
    limit: Duration,
) -> std::result::Result<Sample, NoSample> {
    let sample: Sample = answer(command, asked, units, limit)?;
    sample.verify(units).map_err(|why| NoSample::Problem(Problem { wrong: true, why }))?;
    Ok(sample)
}

/// What a program answers that is started with a command, asked for so much work of this metric and this
/// contender, or these.
fn answer<T: DeserializeOwned>(
    mut command: Command,
    [metric, contender]: [&str; 2],
    units: u64,
    limit: Duration,
) -> std::result::Result<T, NoSample> {
    command.args(["--metric", metric, "--contender", contender]);
    command.args(["--units", &units.to_string()]);
    host::ask_once(&mut command, limit).map_err(|error| match error {
        HostError::Interrupted => NoSample::Interrupted,
        error => NoSample::Problem(Problem { wrong: false, why: told(&error) }),
    })
}

/// What a program did instead of answering, in words.
fn told(error: &HostError) -> String {
    match error {
        HostError::NotStarted(why) => format!("it did not start: {why}"),
        HostError::Ended { how, said } => match said.last() {
            Some(last) => format!("it {how}; its last words: {last}"),
            None => format!("it {how}"),
        },
        HostError::Timeout(limit) => format!("no answer within {limit:.1?}; it was killed"),
        HostError::Rubbish(line) => format!("it said what is no answer: {line}"),
        HostError::Refused(why) | HostError::OutOfTurn(why) => why.clone(),
        HostError::Interrupted => "interrupted".into(),
    }
}
