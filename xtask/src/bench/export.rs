//! Where results go besides the folder of the run, checked before anything is measured.

use std::{
    io,
    path::{Path, PathBuf},
};

use rustix::fs::{Access, access};

use crate::{
    error::{Error, Result},
    nearest::unknown_name,
};

/// The only format.
const FORMAT: &str = "json";

/// The file that `json=FILE` names.
///
/// # Errors
/// A usage error for another format; an error when the file cannot be written.
pub(super) fn parse(text: &str) -> Result<PathBuf> {
    let Some((format, path)) = text.split_once('=').filter(|(_, path)| !path.is_empty()) else {
        return Err(Error::usage(format!("--export {text}: it takes {FORMAT}=FILE")));
    };
    if format != FORMAT {
        let why = unknown_name("format", format, [FORMAT].into_iter());
        return Err(Error::usage(format!("--export {text}: {why}")));
    }
    let path = PathBuf::from(path);
    writable(&path).map_err(Error::io("write the export", &path))?;
    Ok(path)
}

/// Whether a file can be written, without touching it.
pub(super) fn writable(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if path.exists() {
        return Ok(access(path, Access::WRITE_OK)?);
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    Ok(access(parent.unwrap_or(Path::new(".")), Access::WRITE_OK | Access::EXEC_OK)?)
}

#[cfg(test)]
mod tests {
    use crate::exit::Exit;

    use super::*;

    #[test]
    fn formats_and_files_are_checked_and_none_is_touched() {
        for text in ["json", "json=", "csv=a"] {
            assert_eq!(parse(text).unwrap_err().exit, Exit::Usage, "{text}");
        }
        let folder = tempfile::tempdir().unwrap();
        let export = |name: &str| parse(&format!("json={}", folder.path().join(name).display()));
        assert_eq!(export("missing/file").unwrap_err().exit, Exit::Failed);
        assert_eq!(export("").unwrap_err().exit, Exit::Failed);
        assert!(!export("new.json").unwrap().exists());
    }
}
