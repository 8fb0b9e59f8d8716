//! The files of the workspace.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Command, Stdio},
};

use walkdir::{DirEntry, WalkDir};

use crate::error::{Error, Result};

/// Folders that hold nothing of the project, for when there is no Git to say so.
const FOREIGN: [&str; 3] = [".git", "target", "__pycache__"];

/// A text file.
#[derive(Debug)]
pub(super) struct File {
    /// Where it lies, relative to the root, with `/` between folders.
    pub(super) path: String,
    /// What is in it.
    pub(super) text: String,
}

impl File {
    /// Its lines with their numbers, counted from one.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    /// Whether it is Rust source.
    pub(super) fn is_rust(&self) -> bool {
        Path::new(&self.path).extension().is_some_and(|extension| extension == "rs")
    }
}

/// The text files of the workspace by path; other files are no business of any rule.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// The files by path.
    files: BTreeMap<String, File>,
}

impl Tree {
    /// Reads the files that Git tracks; in a copy without Git, those outside of [`FOREIGN`]
    /// folders.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub(super) fn read(root: &Path) -> Result<Self> {
        let paths = match tracked(root) {
            Some(paths) => paths,
            None => found(root)?,
        };
        let mut files = Vec::new();
        for path in paths {
            let place = root.join(&path);
            // Deleted but not yet committed as such, or a link: nothing to check.
            if !place.symlink_metadata().is_ok_and(|meta| meta.is_file()) {
                continue;
            }
            let bytes = fs::read(&place).map_err(Error::io("read", &place))?;
            if let Ok(text) = String::from_utf8(bytes) {
                files.push(File { path, text });
            }
        }
        Ok(files.into_iter().collect())
    }

    /// All of them, by path.
    pub(super) fn files(&self) -> impl Iterator<Item = &File> {
        self.files.values()
    }

    /// The file at this path.
    pub(super) fn get(&self, path: &str) -> Option<&File> {
        self.files.get(path)
    }

    /// The files whose path begins with `folder` and a slash.
    pub(super) fn under(&self, folder: &str) -> impl Iterator<Item = &File> {
        let start = format!("{folder}/");
        self.files().filter(move |file| file.path.starts_with(&start))
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.files.len()
    }
}

impl FromIterator<File> for Tree {
    fn from_iter<I: IntoIterator<Item = File>>(files: I) -> Self {
        Self { files: files.into_iter().map(|file| (file.path.clone(), file)).collect() }
    }
}

/// What Git tracks, or nothing if there is no Git or this is none of its repositories.
fn tracked(root: &Path) -> Option<Vec<String>> {
    // A checkout may belong to somebody else, as in a container; reading its list is harmless.
    let trust = format!("safe.directory={}", root.display());
    let mut git = Command::new("git");
    git.current_dir(root).args(["-c", &trust, "ls-files", "-z"]).stderr(Stdio::null());
    let output = git.output().ok().filter(|output| output.status.success())?;
    let list = String::from_utf8(output.stdout).ok()?;
    Some(list.split_terminator('\0').map(str::to_owned).collect())
}

/// What lies under the root, other than in [`FOREIGN`] folders.
fn found(root: &Path) -> Result<Vec<String>> {
    let own = |entry: &DirEntry| !FOREIGN.iter().any(|name| entry.file_name() == *name);
    let mut paths = Vec::new();
    for entry in WalkDir::new(root).into_iter().filter_entry(own) {
        let entry =
            entry.map_err(|error| Error::failed(format!("failed to list files: {error}")))?;
        if let (true, Ok(path)) = (entry.file_type().is_file(), entry.path().strip_prefix(root)) {
            paths.push(path.to_string_lossy().into_owned());
        }
    }
    Ok(paths)
}

/// A tree of planted files, for the tests of the rules.
#[cfg(test)]
pub(super) fn planted<const N: usize>(files: [(&str, &str); N]) -> Tree {
    let file = |(path, text): (&str, &str)| File { path: path.into(), text: text.into() };
    files.into_iter().map(file).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_without_git_is_read_without_what_was_built() {
        let root = tempfile::tempdir().unwrap();
        for path in ["a/lib.rs", "target/debug/x.d", "a/__pycache__/y"] {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "text").unwrap();
        }
        fs::write(root.path().join("a/bytes"), [0xff, 0xfe]).unwrap();
        let tree: Tree = Tree::read(root.path()).unwrap();
        let paths: Vec<_> = tree.files().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["a/lib.rs"], "a binary file and foreign folders are left out");
    }

    #[test]
    fn this_workspace_tracks_its_manifest() {
        let tree = Tree::read(&crate::workspace::Workspace::find().root).unwrap();
        assert!(tree.get("Cargo.toml").is_some_and(|file| file.lines().count() > 10));
        assert!(tree.under("xtask/src/tidy").all(File::is_rust));
        assert!(tree.files().all(|file| !file.path.starts_with("target/")));
    }
}
