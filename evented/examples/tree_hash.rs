//! Hashes every regular file under a directory: `cargo run -p evented --example evented_tree_hash -- DIR`.
//! Regular files have no readiness to wait for, so the blocking pool lists and reads them.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{fs, io, os::unix::ffi::OsStrExt};

use evented::{TaskGroup, block_on, blocking};
use sha2::{Digest, Sha256};

/// How many files are read at once.
const IN_FLIGHT: usize = 16;

fn main() -> Result<(), Box<dyn Error>> {
    let root: PathBuf = std::env::args_os().nth(1).ok_or("usage: tree_hash DIR")?.into();
    let mut hashes = block_on(hash_all(root))?;
    hashes.sort_by(|(a, _), (b, _)| a.as_os_str().cmp(b.as_os_str()));
    let mut total = Sha256::new();
    for (path, hash) in &hashes {
        total.update(path.as_os_str().as_bytes());
        total.update(format!("\0{hash}\n"));
    }
    println!("{} files, {}", hashes.len(), hex(&total.finalize()));
    Ok(())
}

/// Paths relative to `root` with the hashes of the files.
async fn hash_all(root: PathBuf) -> Result<Vec<(PathBuf, String)>, Box<dyn Error>> {
    let start = root.clone();
    let mut files = blocking(move || list(&start)).await??.into_iter();
    let (mut hashes, mut group) = (Vec::new(), TaskGroup::new());
    loop {
        for file in files.by_ref().take(IN_FLIGHT - group.len()) {
            group
                .spawn(blocking(move || fs::read(&file).map(|data| (file, Sha256::digest(&data)))));
        }
        let Some(result) = group.next().await else { return Ok(hashes) };
        let (file, hash) = result???;
        hashes.push((file.strip_prefix(&root)?.to_owned(), hex(&hash)));
    }
}

/// All regular files under a directory.
fn list(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        match entry.file_type()? {
            kind if kind.is_dir() => files.extend(list(&entry.path())?),
            kind if kind.is_file() => files.push(entry.path()),
            _ => {}
        }
    }
    Ok(files)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
