//! SHA-256 of one file.

use sha2::{Digest as _, Sha256};

use crate::{Io, Output, TreeHash, input::file_list};

use super::TaskError;

/// Bytes hashed between two [`Io::yield_now`].
const SLICE_BYTES: usize = 64 * 1024;

/// Reads the file, then hashes it in slices.
pub(super) async fn run<I: Io>(io: &I, task: &TreeHash, index: u64) -> Result<Output, TaskError> {
    let files = file_list::load(&task.list).map_err(TaskError::io(task.list.display()))?;
    let path = usize::try_from(index).ok().and_then(|index| files.get(index));
    let path = path.ok_or_else(|| TaskError::Input(format!("file {index} is not in the list")))?;
    let bytes = io.read_file(path, None).await.map_err(TaskError::io(path.display()))?;
    let mut hasher = Sha256::new();
    for slice in bytes.chunks(SLICE_BYTES) {
        hasher.update(slice);
        io.yield_now().await;
    }
    Ok(Output::Bytes(hasher.finalize().to_vec()))
}
