//! SHA-256 of every file under a directory, one call for each file.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use processes::Pool;
use sha2::{Digest, Sha256};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = PathBuf::from(std::env::args_os().nth(1).ok_or("usage: tree_hash DIRECTORY")?);
    let mut files = Vec::new();
    collect(&root, &mut files)?;
    files.sort_by(|a, b| a.as_os_str().as_bytes().cmp(b.as_os_str().as_bytes()));

    let pool = Pool::builder().build()?;
    let paths = files.iter().map(|file| root.join(file));
    let mut all = Sha256::new();
    for (file, digest) in files.iter().zip(pool.map(hash, paths)) {
        all.update(file.as_os_str().as_bytes());
        all.update(format!("\0{}\n", digest??));
    }
    println!("{} files, {}", files.len(), hex(&all.finalize()));
    Ok(())
}

/// Finds the regular files under `root`, as paths relative to it. Links are not followed.
fn collect(root: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    let mut directories = vec![root.to_path_buf()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                directories.push(entry.path());
            } else if entry.file_type()?.is_file() {
                let path = entry.path();
                files.push(path.strip_prefix(root).map_err(io::Error::other)?.to_path_buf());
            }
        }
    }
    Ok(())
}

/// Runs in a worker. An error of the file system travels back as a value.
#[expect(clippy::needless_pass_by_value, reason = "a call takes its argument by value")]
fn hash(path: PathBuf) -> Result<String, String> {
    let bytes = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(hex(&Sha256::digest(bytes)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
