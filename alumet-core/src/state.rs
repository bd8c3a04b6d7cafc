//! What plugins keep over restarts: a learnt idle power, a position.

use std::collections::HashMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The states of all plugins: one TOML file each in a folder, or in memory only. Cheap to clone; all clones are the same.
#[derive(Debug, Clone, Default)]
pub struct StateStore(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    folder: Option<PathBuf>,
    plugins: Mutex<HashMap<String, PluginState>>,
}

/// A few values of one plugin by name. Cheap to clone; all clones are the same.
#[derive(Debug, Clone)]
pub struct PluginState(Arc<Mutex<Kept>>);

#[derive(Debug)]
struct Kept {
    values: toml::Table,
    /// `None` if nothing outlives the program.
    file: Option<PathBuf>,
}

/// A value could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// TOML has nothing like it, such as a number above 2⁶³ − 1.
    #[error("the value of `{key}` cannot be expressed in TOML")]
    Value {
        /// The name of the value.
        key: String,
        /// What TOML lacks.
        source: toml::ser::Error,
    },
    /// The disk does not take it; the value is kept in memory and written with the next one.
    #[error("the state in {} cannot be written; make the folder writable, or choose another `state_dir`", file.display())]
    Write {
        /// The file of the plugin.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl StateStore {
    /// Keeps the states in this folder, which is made with the first state.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self(Arc::new(Inner {
            folder: Some(folder.into()),
            plugins: Mutex::default(),
        }))
    }

    /// The state of a plugin; one that is only tried reads it and changes nothing on disk.
    pub(crate) fn of_plugin(&self, id: &str, is_trial: bool) -> PluginState {
        let mut plugins = self.0.plugins.lock();
        let state = plugins.entry(id.to_owned()).or_insert_with(|| {
            let folder = self.0.folder.as_ref();
            let file = folder.map(|folder| folder.join(format!("{id}.toml")));
            let values = file.as_deref().map(|file| read(file, is_trial));
            PluginState(Arc::new(Mutex::new(Kept {
                values: values.unwrap_or_default(),
                file: file.filter(|_| !is_trial),
            })))
        });
        state.clone()
    }
}

impl PluginState {
    /// The value of that name; `None` if there is none of this shape.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        let value = self.0.lock().values.get(key)?.clone();
        value
            .try_into()
            .inspect_err(
                |error| tracing::warn!(key, %error, "a kept value is of another shape and is not used"),
            )
            .ok()
    }

    /// Keeps a value; when this returns, it is on disk. That takes milliseconds: it is not for every batch.
    ///
    /// # Errors
    /// When the value cannot be expressed, or the file cannot be written.
    pub fn set<T: Serialize>(&self, key: &str, value: &T) -> Result<(), StateError> {
        let mut kept = self.0.lock();
        let value = toml::Value::try_from(value).map_err(|source| StateError::Value {
            key: key.to_owned(),
            source,
        })?;
        kept.values.insert(key.to_owned(), value);
        let Some(file) = &kept.file else { return Ok(()) };
        write(file, &kept.values.to_string()).map_err(|source| StateError::Write {
            file: file.clone(),
            source,
        })
    }
}

/// What the file holds; one that is damaged is set aside.
fn read(file: &Path, is_trial: bool) -> toml::Table {
    let damage = match std::fs::read(file).map(|bytes| String::from_utf8_lossy(&bytes).parse()) {
        Ok(Ok(values)) => return values,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return toml::Table::new(),
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    let aside = file.with_extension("toml.damaged");
    if !is_trial && let Err(error) = std::fs::rename(file, &aside) {
        tracing::warn!(file = %file.display(), %error, "a damaged state cannot be set aside");
    }
    tracing::warn!(
        file = %file.display(), aside = %aside.display(), error = damage,
        "the state of a plugin is damaged; it starts without"
    );
    toml::Table::new()
}

/// Puts `text` in place of the file at once: whoever reads it finds the old state or the new one, even after a crash.
fn write(file: &Path, text: &str) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let new = file.with_extension("toml.new");
    // Of an earlier attempt.
    let _ = std::fs::remove_file(&new);
    let mut open = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)?;
    open.write_all(text.as_bytes())?;
    open.sync_all()?;
    std::fs::rename(&new, file)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn store() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let states = folder.path().join("states");
        (folder, states)
    }

    #[test]
    fn a_state_outlives_the_program_and_others_cannot_read_it() {
        let (_folder, states) = store();
        let state = StateStore::in_folder(&states).of_plugin("model", false);
        state.set("idle_power", &12.5).unwrap();
        state.set("position", &vec![1, 2]).unwrap();
        let again = StateStore::in_folder(&states).of_plugin("model", false);
        assert_eq!(again.get("idle_power"), Some(12.5));
        assert_eq!(again.get("position"), Some(vec![1, 2]));
        assert_eq!(again.get::<u64>("position"), None, "of another shape");
        let metadata = std::fs::metadata(states.join("model.toml")).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
        let other = StateStore::in_folder(&states).of_plugin("other", false);
        assert_eq!(other.get::<f64>("idle_power"), None);
    }

    #[test]
    fn a_plugin_that_is_started_again_finds_its_state_without_a_folder_too() {
        let store = StateStore::default();
        store.of_plugin("model", false).set("n", &1).unwrap();
        assert_eq!(store.of_plugin("model", false).get("n"), Some(1));
    }

    #[test]
    fn a_damaged_state_is_set_aside_and_the_plugin_starts_without() {
        let (_folder, states) = store();
        std::fs::create_dir(&states).unwrap();
        for damaged in [&b"\x00\xff garbage"[..], b"n = 1\nn = "] {
            std::fs::write(states.join("model.toml"), damaged).unwrap();
            let tried = StateStore::in_folder(&states).of_plugin("model", true);
            assert_eq!(tried.get::<u64>("n"), None);
            assert!(states.join("model.toml").exists(), "a trial changes nothing");
            let state = StateStore::in_folder(&states).of_plugin("model", false);
            assert_eq!(state.get::<u64>("n"), None);
            assert_eq!(std::fs::read(states.join("model.toml.damaged")).unwrap(), damaged);
            state.set("n", &2).unwrap();
            assert_eq!(
                StateStore::in_folder(&states).of_plugin("model", false).get("n"),
                Some(2)
            );
        }
    }

    #[test]
    fn a_trial_writes_nothing() {
        let (_folder, states) = store();
        let tried = StateStore::in_folder(&states).of_plugin("model", true);
        tried.set("n", &1).unwrap();
        assert!(!states.exists());
    }

    #[test]
    fn what_cannot_be_kept_says_why() {
        let (folder, states) = store();
        std::fs::write(&states, "a file where the folder should be").unwrap();
        let state = StateStore::in_folder(&states).of_plugin("model", false);
        let error = state.set("n", &1).unwrap_err();
        assert!(error.to_string().contains("model.toml"), "{error}");
        assert_eq!(state.get("n"), Some(1));
        let error = state.set("n", &u64::MAX).unwrap_err();
        assert!(matches!(error, StateError::Value { .. }), "{error}");
        drop(folder);
    }
}
