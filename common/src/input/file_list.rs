//! The list of files that `real.tree-hash` hashes.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use walkdir::WalkDir;

/// Bounds of a list, so that a default directory of any size gives a sample of known size.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// At most this many files.
    pub files: usize,
    /// At most this many bytes in all.
    pub bytes: u64,
}

/// A list of files.
#[derive(Clone, Debug, Default)]
pub struct FileList {
    /// The files, in the order of the walk, which is sorted by name.
    pub paths: Vec<PathBuf>,
    /// Their size in all, in bytes.
    pub bytes: u64,
    /// Files that could not be looked at, or whose names are not UTF-8 and so cannot travel as
    /// JSON.
    pub skipped: usize,
}

/// Lists the regular files under `directory` (symbolic links are not followed), as many as `bounds`
/// allow.
///
/// # Errors
/// When `directory` itself cannot be read; files and folders below it that cannot be are counted as
/// skipped.
pub fn scan(directory: &Path, bounds: Bounds) -> io::Result<FileList> {
    let directory = directory.canonicalize()?;
    fs::read_dir(&directory)?;
    let mut list = FileList::default();
    for entry in WalkDir::new(&directory).sort_by_file_name() {
        if list.paths.len() >= bounds.files || list.bytes >= bounds.bytes {
            break;
        }
        let Ok(entry) = entry else {
            list.skipped += 1;
            continue;
        };
        if !entry.file_type().is_file() {
            continue;
        }
        match (entry.metadata(), entry.path().to_str(), fs::File::open(entry.path())) {
            (Ok(metadata), Some(_), Ok(_)) => {
                list.bytes += metadata.len();
                list.paths.push(entry.into_path());
            }
            _ => list.skipped += 1,
        }
    }
    Ok(list)
}

/// Writes the paths of a list as the JSON array that `load` reads.
///
/// # Errors
/// Those of writing a file.
pub fn save(list: &FileList, to: &Path) -> io::Result<()> {
    fs::write(to, serde_json::to_vec(&list.paths)?)
}

/// The paths in the list at `path`, read once for each process.
///
/// # Errors
/// When the list cannot be read or is not a JSON array of paths.
pub(crate) fn load(path: &Path) -> io::Result<Arc<Vec<PathBuf>>> {
    /// The lists this process has read.
    static READ: OnceLock<Mutex<HashMap<PathBuf, Arc<Vec<PathBuf>>>>> = OnceLock::new();
    // A panic while the map is locked is one of the allocator: the map is whole.
    let mut read = READ.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(list) = read.get(path) {
        return Ok(Arc::clone(list));
    }
    let list: Arc<Vec<PathBuf>> = Arc::new(serde_json::from_slice(&fs::read(path)?)?);
    read.insert(path.to_owned(), Arc::clone(&list));
    Ok(list)
}
