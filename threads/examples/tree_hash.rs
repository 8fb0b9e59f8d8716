//! Hashes every regular file under a directory in parallel, and prints one line:
//! how many files, and one digest of all their paths and contents.
//!
//! `cargo run --release -p threads --example threads_tree_hash -- DIRECTORY`

use sha2::{Digest, Sha256};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::{env, fs};
use threads::Pool;

/// Adds the regular files under `directory`; symbolic links are not followed.
fn find_files(directory: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            find_files(&entry.path(), files)?;
        } else if kind.is_file() {
            files.push(entry.path());
        }
    }
    Ok(())
}

/// The digest of a file's content, which is read in pieces.
fn hash(file: &Path) -> io::Result<String> {
    let (mut file, mut digest) = (fs::File::open(file)?, Sha256::new());
    let mut piece = vec![0; 1 << 16];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(hex(&digest.finalize())),
            bytes => digest.update(&piece[..bytes]),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = PathBuf::from(env::args_os().nth(1).ok_or("usage: tree_hash DIRECTORY")?);
    let mut files = Vec::new();
    find_files(&root, &mut files)?;
    files.sort_by(|a, b| a.as_os_str().as_bytes().cmp(b.as_os_str().as_bytes()));

    let pool = Pool::builder().build()?;
    let digests = pool.map(|file: PathBuf| hash(&file), files.clone());
    let mut all = Sha256::new();
    for (file, digest) in files.iter().zip(digests) {
        all.update(file.strip_prefix(&root)?.as_os_str().as_bytes());
        all.update(format!("\0{}\n", digest??));
    }
    println!("{} files, {}", files.len(), hex(&all.finalize()));
    Ok(())
}
