//! Where results go besides the folder of the run, checked before anything is measured.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rustix::fs::{Access, access};

use crate::{
    cli::{Color, CompareArgs, MessageFormat},
    compare::record::{Finish, Run},
    error::{Error, Result},
    nearest::unknown_name,
    splice,
};

use super::{markdown, samples};

/// Where results go.
#[derive(Clone, Debug)]
pub struct Outputs {
    /// Files to write.
    exports: Vec<Export>,
    /// A document to write into.
    splice: Option<PathBuf>,
    /// What goes to standard output.
    pub(super) message_format: MessageFormat,
    /// Whether in colour.
    pub(super) color: Color,
}

/// A file to write.
#[derive(Clone, Debug)]
struct Export {
    /// In which format.
    format: Format,
    /// Which file.
    path: PathBuf,
}

/// Formats of exports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// `run.json`.
    Json,
    /// The samples.
    Csv,
    /// The report as Markdown.
    Markdown,
}

impl Format {
    /// All, with the names by which they are asked for.
    const ALL: [(&'static str, Self); 3] =
        [("json", Self::Json), ("csv", Self::Csv), ("md", Self::Markdown)];
}

impl Outputs {
    /// Checks `--export` and `--splice`.
    ///
    /// # Errors
    /// A usage error for what is not a format, has no markers or cannot be written.
    pub fn check(args: &CompareArgs) -> Result<Self> {
        let exports = args.export.iter().map(|text| Export::parse(text)).collect::<Result<_>>()?;
        if let Some(path) = &args.splice {
            splice::check("compare", path)?;
            writable(path).map_err(refused("--splice", path))?;
        }
        Ok(Self {
            exports,
            splice: args.splice.clone(),
            message_format: args.message_format,
            color: args.color,
        })
    }

    /// Writes everything that was asked for; what was written, and the first failure. Partial
    /// results are exported but not spliced.
    pub(super) fn write(&self, run: &Run) -> (Vec<PathBuf>, Result<()>) {
        let exports = self.exports.iter().map(|export| (&export.path, export.write(run)));
        let whole = |_: &&PathBuf| run.finish == Finish::Complete;
        let splice = self.splice.iter().filter(whole);
        let splice =
            splice.map(|path| (path, splice::splice("compare", &markdown::block(run), path)));
        let (mut written, mut first) = (Vec::new(), Ok(()));
        for (path, result) in exports.chain(splice) {
            match result {
                Ok(()) => written.push(path.clone()),
                Err(error) => first = first.and(Err(error)),
            }
        }
        (written, first)
    }

    /// The document that is left as it was because the results are partial.
    pub(super) fn not_spliced(&self, run: &Run) -> Option<&Path> {
        self.splice.as_deref().filter(|_| run.finish != Finish::Complete)
    }
}

impl Export {
    /// Reads `FORMAT=FILE` and checks that the file can be written.
    fn parse(text: &str) -> Result<Self> {
        let known = || Format::ALL.iter().map(|(name, _)| *name);
        let Some((name, path)) = text.split_once('=').filter(|(_, path)| !path.is_empty()) else {
            let formats = known().collect::<Vec<_>>().join(", ");
            return Err(Error::usage(format!(
                "--export {text}: it takes FORMAT=FILE, where FORMAT is one of {formats}"
            )));
        };
        let Some((_, format)) = Format::ALL.iter().find(|(known, _)| *known == name) else {
            let why = unknown_name("format", name, known());
            return Err(Error::usage(format!("--export {text}: {why}")));
        };
        let path = PathBuf::from(path);
        writable(&path).map_err(refused("--export", &path))?;
        Ok(Self { format: *format, path })
    }

    /// Writes the file.
    fn write(&self, run: &Run) -> Result<()> {
        let content = match self.format {
            Format::Json => serde_json::to_vec_pretty(run).map_err(io::Error::from),
            Format::Csv => samples::csv(run),
            Format::Markdown => Ok(markdown::whole(run).into_bytes()),
        };
        let written = content.and_then(|content| fs::write(&self.path, content));
        written.map_err(Error::io("write the export", &self.path))
    }
}

/// Turns the reason why a file cannot be written into a usage error about a flag.
fn refused(flag: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    move |error| {
        Error::usage(format!("{flag} {}: it cannot be written to: {error}", path.display()))
    }
}

/// Whether a file can be written, without touching it.
fn writable(path: &Path) -> io::Result<()> {
    if path.is_dir() || path.as_os_str().as_encoded_bytes().ends_with(b"/") {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if path.exists() {
        return Ok(access(path, Access::WRITE_OK)?);
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    if parent.exists() && !parent.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    Ok(access(parent, Access::WRITE_OK | Access::EXEC_OK)?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use crate::exit::Exit;

    use super::*;

    #[test]
    fn formats_are_checked_and_the_nearest_is_named() {
        let error = |text: &str| Export::parse(text).unwrap_err();
        let unknown = error("jsn=a");
        assert!(unknown.message.contains("did you mean json?"), "{unknown}");
        assert_eq!(unknown.exit, Exit::Usage);
        for text in ["json", "json=", "=a"] {
            assert_eq!(error(text).exit, Exit::Usage, "{text}");
        }
    }

    #[test]
    fn files_that_cannot_be_written_are_refused_and_none_is_touched() {
        let folder = tempfile::tempdir().unwrap();
        let export = |path: &Path| Export::parse(&format!("csv={}", path.display()));
        let program = folder.path().join("program");
        fs::write(&program, "").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o777)).unwrap();
        for path in ["missing/file", "", "new/", "program/file"] {
            let path = folder.path().join(path);
            let error = export(&path).unwrap_err();
            let wanted = format!("--export {}: it cannot be written to: ", path.display());
            assert!(error.message.starts_with(&wanted), "{error}");
            assert_eq!(error.exit, Exit::Usage, "{error}");
        }
        let file = folder.path().join("new.csv");
        export(&file).unwrap();
        assert!(!file.exists());
    }
}
