//! Lane hosts of the workspace of peers: known by their manifests, built only when they are asked for.

use std::{fs, path::Path};

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
    let lanes = package.get("metadata").and_then(|metadata| metadata.get("lanes")?.as_array());
    let Some(lanes) = lanes.filter(|_| name.ends_with(HOST_SUFFIX)) else { return Ok(None) };
    let lanes = lanes.iter().filter_map(|lane| lane.as_str().map(str::to_owned)).collect();
    Ok(Some(PeerHost { package: name.into(), lanes }))
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
