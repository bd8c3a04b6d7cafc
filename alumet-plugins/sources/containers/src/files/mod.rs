//! What engines leave in files: names without a socket.

mod containerd;
mod podman;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde::de::DeserializeOwned;

use crate::keeper::{Engine, Keeper};
use crate::names::Answer;
use crate::trouble::Trouble;

/// No file of an engine is longer.
const LONGEST: u64 = 64 << 20;

/// What the files of a keeper say of these containers. Waits for the disk.
///
/// # Errors
/// Why a file that is there could not be read, when none of the containers was found.
pub(crate) fn look_up(
    root: &Path,
    keeper: Keeper,
    ids: &[Box<str>],
) -> Result<Vec<(Box<str>, Answer)>, Trouble> {
    match keeper.engine {
        Engine::Podman => podman::look_up(root, keeper.user_id, ids),
        Engine::Containerd | Engine::Unknown => containerd::look_up(root, ids),
        Engine::Docker => Ok(Vec::new()),
    }
}

/// The content of a file; `None` if there is none.
fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Trouble> {
    let mut bytes = Vec::new();
    let file = File::open(path).and_then(|file| file.take(LONGEST).read_to_end(&mut bytes));
    match file {
        Ok(_) => {}
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(Trouble::io(path, error)),
    }
    let content = serde_json::from_slice(&bytes).map_err(|error| Trouble::io(path, error.into()))?;
    Ok(Some(content))
}
