//! Which lanes there are, found by asking every host.

use std::{collections::BTreeMap, ffi::OsString, path::PathBuf, time::Duration};

use common::{
    lane::LaneInfo,
    protocol::{Reply, Request, VERSION},
};

use crate::{
    error::{Error, Result},
    workspace::Workspace,
};

use super::{build::Built, client::Client, peers::peer_hosts, process::HostError, python};

/// How long a host may take to say hello.
const HELLO: Duration = Duration::from_secs(20);

/// How long the steps of computing are timed, in milliseconds.
const CALIBRATION_MS: u64 = 150;

/// How a host is started.
#[derive(Clone, Debug)]
pub struct Program {
    /// The program.
    pub path: PathBuf,
    /// What comes before `--serve`.
    pub arguments: Vec<OsString>,
    /// Variables of the environment that it gets beside those of this program.
    pub variables: Vec<(String, String)>,
}

/// A host that said hello.
#[derive(Clone, Debug)]
pub struct HostEntry {
    /// How to start it.
    pub program: Program,
    /// Its name.
    pub name: String,
    /// What its lanes run on.
    pub runtime: String,
    /// Its lanes.
    pub lanes: Vec<LaneInfo>,
    /// Whether it was built because peers were asked for.
    pub is_peer: bool,
}

/// All hosts, all lanes, and how fast each language computes here.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    /// The hosts that said hello.
    pub hosts: Vec<HostEntry>,
    /// What was looked for and not found, or refused, in a line each.
    pub missing: Vec<String>,
    /// The lanes of peers that were not asked for.
    pub not_built: Vec<String>,
    /// Time of one step of computing per language, in nanoseconds.
    pub ns_per_iteration: BTreeMap<String, f64>,
}

impl Directory {
    /// Asks the hosts that were built, and those of Python.
    ///
    /// # Errors
    /// When a host that was built does not say hello, two lanes have the same name, or the manifests of
    /// the peers cannot be read.
    pub fn ask(workspace: &Workspace, built: &Built) -> Result<Self> {
        let mut directory = Self { missing: built.absent.clone(), ..Self::default() };
        let peers = peer_hosts(workspace)?;
        for (paths, is_peer) in [(&built.hosts, false), (&built.peers, true)] {
            for path in paths {
                let peer = peers.iter().find(|peer| path.ends_with(&peer.package));
                let variable = peer.and_then(|peer| peer.cluster_variable.clone());
                let variables = variable.zip(built.cluster.clone()).into_iter().collect();
                let program = Program { path: path.clone(), arguments: Vec::new(), variables };
                let added = directory.add(program, is_peer);
                added.map_err(|why| Error::failed(format!("{}: {why}", path.display())))?;
            }
        }
        directory.ask_python(workspace);
        directory.check_names()?;
        let announced = peers.into_iter().flat_map(|host| host.lanes);
        let not_built = announced.filter(|name| directory.lane(name).is_none()).collect();
        directory.not_built = not_built;
        Ok(directory)
    }

    /// The host of a lane.
    pub fn host_of(&self, lane: &str) -> Option<&HostEntry> {
        self.hosts.iter().find(|host| host.lanes.iter().any(|info| info.name == lane))
    }

    /// The lanes of the peers that were asked for.
    pub fn peer_lanes(&self) -> impl Iterator<Item = &LaneInfo> {
        self.hosts.iter().filter(|host| host.is_peer).flat_map(|host| &host.lanes)
    }

    /// All lanes, in the order in which hosts named them.
    pub fn lanes(&self) -> impl Iterator<Item = &LaneInfo> {
        self.hosts.iter().flat_map(|host| &host.lanes)
    }

    /// The lane called `name`.
    pub fn lane(&self, name: &str) -> Option<&LaneInfo> {
        self.lanes().find(|info| info.name == name)
    }

    /// Asks each Python that is found; one that does not answer is reported as missing, not as an
    /// error.
    fn ask_python(&mut self, workspace: &Workspace) {
        match python::find(workspace) {
            Ok(program) => {
                let name = program.path.display().to_string();
                if let Err(error) = self.add(program, false) {
                    self.missing.push(format!("Python lanes: {name}: {error}"));
                }
            }
            Err(why) => self.missing.push(format!("Python lanes: {why}")),
        }
    }

    /// Starts a host, notes what it says, and times its computing unless its languages are known.
    fn add(&mut self, program: Program, is_peer: bool) -> std::result::Result<(), HostError> {
        let mut client = Client::start(&program)?;
        let Reply::Hello { version, host, runtime, lanes } = client.hello(HELLO)? else {
            return Err(HostError::OutOfTurn("no hello".into()));
        };
        if version != VERSION {
            return Err(HostError::Refused(format!(
                "it speaks version {version} of the protocol, not {VERSION}"
            )));
        }
        for language in lanes.iter().map(|lane| &lane.language) {
            if self.ns_per_iteration.contains_key(language) {
                continue;
            }
            let request = Request::Calibrate { budget_ms: CALIBRATION_MS };
            let Reply::Calibrated { ns_per_iteration } = client.ask(&request, HELLO)? else {
                return Err(HostError::OutOfTurn("no calibration".into()));
            };
            if !(ns_per_iteration.is_finite() && ns_per_iteration > 0.0) {
                return Err(HostError::Refused(format!(
                    "a step of computing cannot take {ns_per_iteration} ns"
                )));
            }
            self.ns_per_iteration.insert(language.clone(), ns_per_iteration);
        }
        self.hosts.push(HostEntry { program, name: host, runtime, lanes, is_peer });
        Ok(())
    }

    /// Lane names must be unique.
    fn check_names(&self) -> Result<()> {
        let mut names: Vec<&str> = self.lanes().map(|lane| lane.name.as_str()).collect();
        names.sort_unstable();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(Error::failed(format!("two hosts offer a lane called {}", pair[0]))),
            None => Ok(()),
        }
    }
}
