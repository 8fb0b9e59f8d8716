//! The folder of a run: `target/compare/<utc>-<revision>/`, with `latest` pointing at it; those of
//! `bench` are in `target/bench/`.

use std::{
    fs,
    io::ErrorKind,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use crate::{
    error::{Error, Result},
    workspace::Workspace,
};

use super::{environment, record::Run};

/// The file with all that is known about a run.
pub(super) const RUN: &str = "run.json";

/// The folder of a run.
#[derive(Clone, Debug)]
pub struct Folder {
    /// Where it is.
    path: PathBuf,
}

impl Folder {
    /// Makes a folder among `all` of its kind, and makes sure that it can be written to.
    ///
    /// # Errors
    /// When it cannot be made or written to: a read-only target folder, a full disk.
    pub fn make(all: &Path, workspace: &Workspace) -> Result<Self> {
        let revision = environment::revision(workspace).unwrap_or_else(|| "no-revision".into());
        let time = environment::now_utc().replace([':', '-'], "");
        let name = format!("{time}-{}", revision.replace('+', "-changed"));
        let doing = "make the folder for the results,";
        fs::create_dir_all(all).map_err(Error::io(doing, all))?;
        for number in 0..100 {
            let path =
                all.join(if number == 0 { name.clone() } else { format!("{name}-{number}") });
            // Another run may begin in the same second: whoever makes the folder has it.
            match fs::create_dir(&path) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                made => {
                    made.map_err(Error::io(doing, &path))?;
                    return Ok(Self { path });
                }
            }
        }
        Err(Error::failed("failed to find a free name for the results"))
    }

    /// Saves the run.
    ///
    /// # Errors
    /// Those of writing a file.
    pub fn save(&self, run: &Run) -> Result<()> {
        let json = serde_json::to_vec_pretty(run)
            .map_err(|error| Error::failed(format!("failed to save the results: {error}")))?;
        self.write(RUN, &json)
    }

    /// Writes a file, aside first, so that no reader sees half of it.
    ///
    /// # Errors
    /// Those of writing a file.
    pub fn write(&self, name: &str, content: &[u8]) -> Result<()> {
        let path = self.file(name);
        let aside = path.with_extension("tmp");
        let written = fs::write(&aside, content).and_then(|()| fs::rename(&aside, &path));
        if written.is_err() {
            // Half a file is of no use, and the disk may be full.
            fs::remove_file(&aside).ok();
        }
        written.map_err(Error::io("save the results to", &path))?;
        self.link_as_latest();
        Ok(())
    }

    /// Points `latest` at this folder, now that there is something in it.
    fn link_as_latest(&self) {
        let (Some(all), Some(name)) = (self.path.parent(), self.path.file_name()) else { return };
        let link = all.join("latest");
        if fs::read_link(&link).is_ok_and(|target| target == name) {
            return;
        }
        // An old link is replaced; results do not depend on it.
        fs::remove_file(&link).ok();
        symlink(name, &link).ok();
    }

    /// The path of a file in the folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
