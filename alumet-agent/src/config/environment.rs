//! The door through which environment variables come in.

use std::collections::{BTreeMap, HashMap};

/// Something that knows environment variables: the process's own, or a map in a test.
pub trait Environment {
    /// The variable's value; `None` when it is not set.
    ///
    /// # Errors
    /// When the value is not UTF-8.
    fn get(&self, name: &str) -> Result<Option<String>, NotUnicode>;
}

/// The variable is set, but not to UTF-8 text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the environment variable is not UTF-8 text")]
pub struct NotUnicode;

/// The environment of this process.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProcessEnvironment;

impl Environment for ProcessEnvironment {
    fn get(&self, name: &str) -> Result<Option<String>, NotUnicode> {
        std::env::var_os(name)
            .map(|value| value.into_string().map_err(|_| NotUnicode))
            .transpose()
    }
}

impl Environment for BTreeMap<String, String> {
    fn get(&self, name: &str) -> Result<Option<String>, NotUnicode> {
        Ok(BTreeMap::get(self, name).cloned())
    }
}

impl Environment for HashMap<String, String> {
    fn get(&self, name: &str) -> Result<Option<String>, NotUnicode> {
        Ok(HashMap::get(self, name).cloned())
    }
}

impl<F: Fn(&str) -> Option<String>> Environment for F {
    fn get(&self, name: &str) -> Result<Option<String>, NotUnicode> {
        Ok(self(name))
    }
}
