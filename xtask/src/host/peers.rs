//! Lane hosts of the workspace of peers: known by their manifests, built only when they are asked for.

use std::{env, fs, path::Path};

use toml::{Table, Value};

use crate::{
    error::{Error, Result},
    workspace::Workspace,
};

use super::build::HOST_SUFFIX;

/// A lane host that may be built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerHost {
    /// Its package.
    pub package: String,
    /// The lanes that its manifest announces.
    pub lanes: Vec<String>,
    /// A program without which its lanes do nothing here, if there is one.
    pub needs: Option<Need>,
    /// The variable that tells it where a cluster is, if it can use one; it needs no program then.
    pub cluster_variable: Option<String>,
}

/// A program that a lane host starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// What it is called.
    pub program: String,
    /// What to do where there is none.
    pub install: String,
}

impl PeerHost {
    /// Why its lanes cannot be had here, in a line that says what to do; `None`: they can.
    pub fn absent(&self, cluster: Option<&str>) -> Option<String> {
        if cluster.is_some() && self.cluster_variable.is_some() {
            return None;
        }
        let Need { program, install } = self.needs.as_ref().filter(|need| !need.is_met())?;
        let lanes = self.lanes.join(", ");
        Some(format!("{lanes}: not found: {program} ({install})"))
    }
}

impl Need {
    /// Whether the program is in one of the folders that are looked into.
    fn is_met(&self) -> bool {
        let path = env::var_os("PATH").unwrap_or_default();
        env::split_paths(&path).any(|folder| folder.join(&self.program).is_file())
    }
}

/// The lane hosts of the peers, by what their manifests say.
///
/// # Errors
/// When the folder of the peers cannot be read, or a manifest in it is no TOML.
pub fn peer_hosts(workspace: &Workspace) -> Result<Vec<PeerHost>> {
    let folder = workspace.peers_folder();
    let entries = fs::read_dir(&folder).map_err(Error::io("list the peers in", &folder))?;
    let manifests = entries.filter_map(|entry| Some(entry.ok()?.path().join("Cargo.toml")));
    let mut manifests: Vec<_> = manifests.filter(|path| path.is_file()).collect();
    manifests.sort_unstable();
    let hosts = manifests.iter().map(|path| peer_host(path));
    hosts.filter_map(Result::transpose).collect()
}

/// What a manifest announces; `None`: it is not that of a lane host.
fn peer_host(path: &Path) -> Result<Option<PeerHost>> {
    let text = fs::read_to_string(path).map_err(Error::io("read", path))?;
    let manifest: Table = text
        .parse()
        .map_err(|error| Error::failed(format!("failed to read {}: {error}", path.display())))?;
    let Some(package) = manifest.get("package").and_then(Value::as_table) else { return Ok(None) };
    let name = package.get("name").and_then(Value::as_str).unwrap_or_default();
    let Some(metadata) = package.get("metadata").filter(|_| name.ends_with(HOST_SUFFIX)) else {
        return Ok(None);
    };
    let Some(lanes) = metadata.get("lanes").and_then(Value::as_array) else { return Ok(None) };
    let lanes = lanes.iter().filter_map(|lane| lane.as_str().map(str::to_owned)).collect();
    let text = |key: &str| metadata.get(key).and_then(Value::as_str).map(str::to_owned);
    let needs = text("needs").map(|program| {
        let install = text("install").unwrap_or_else(|| "install it".into());
        Need { program, install }
    });
    let cluster_variable = text("cluster");
    Ok(Some(PeerHost { package: name.into(), lanes, needs, cluster_variable }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_announce_their_lanes_and_other_packages_are_none() {
        let hosts = peer_hosts(&Workspace::find()).unwrap();
        assert!(
            hosts.iter().any(|host| host.lanes.iter().any(|lane| lane == "rayon")),
            "{hosts:?}"
        );
        assert!(hosts.iter().all(|host| host.package.ends_with(HOST_SUFFIX)), "{hosts:?}");
        let with_cluster = hosts.iter().filter(|host| host.cluster_variable.is_some());
        let with_cluster: Vec<_> = with_cluster.flat_map(|host| &host.lanes).collect();
        assert_eq!(with_cluster, ["processes@nats"]);
    }

    #[test]
    fn a_host_whose_program_is_missing_says_what_to_do_unless_it_needs_none() {
        let host = |program: &str, cluster: Option<&str>| PeerHost {
            package: "x-lane".into(),
            lanes: vec!["x".into(), "y".into()],
            needs: Some(Need { program: program.into(), install: "apt-get install x".into() }),
            cluster_variable: cluster.map(Into::into),
        };
        let why = host("no-such-program", None).absent(Some("nats://a")).unwrap();
        assert_eq!(why, "x, y: not found: no-such-program (apt-get install x)");
        assert!(host("no-such-program", Some("URL")).absent(None).is_some());
        assert_eq!(host("no-such-program", Some("URL")).absent(Some("nats://a")), None);
        assert_eq!(host("sh", None).absent(None), None);
        assert_eq!(PeerHost { needs: None, ..host("", None) }.absent(None), None);
    }

    #[test]
    fn a_manifest_that_is_none_is_an_error_that_names_it() {
        let root = tempfile::tempdir().unwrap();
        let workspace = Workspace { root: root.path().into(), target: root.path().join("target") };
        let folder = workspace.peers_folder().join("x");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("Cargo.toml"), "[package").unwrap();
        let error = peer_hosts(&workspace).unwrap_err();
        assert!(error.message.contains("x/Cargo.toml"), "{error}");
    }
}
