use std::fmt;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::Unreadable;

/// A text that no log and no listing shows.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline, extend("writeOnly" = true))]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The secret that a configuration has under one of two keys: itself, or as what is alone in a file, which is read anew.
///
/// # Errors
/// When the file cannot be read.
pub fn read_secret(secret: Option<&Secret>, file: Option<&Path>) -> Result<Option<String>, Unreadable> {
    if let (None, Some(path)) = (secret, file) {
        let text = std::fs::read_to_string(path).map_err(|error| Unreadable::new(path, error))?;
        return Ok(Some(text.trim().to_owned()));
    }
    Ok(secret.map(|secret| secret.0.clone()))
}

/// Whether others than the owner may read or write a file with secrets, as its mode: `0644`.
///
/// # Errors
/// When the file cannot be looked at.
pub fn open_to_others(path: &Path) -> io::Result<Option<String>> {
    let mode = std::fs::metadata(path)?.permissions().mode();
    Ok((mode & 0o077 != 0).then(|| format!("{:04o}", mode & 0o7777)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_debug_form_does_not_show_it() {
        let text = format!("{:?}", Secret("hunter2".to_owned()));
        assert!(!text.contains("hunter2"), "{text}");
    }

    #[test]
    fn a_secret_in_a_file_is_read_each_time_without_the_end_of_its_line() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let read = || read_secret(None, Some(file.path())).unwrap();
        for text in ["one", "two"] {
            std::fs::write(file.path(), format!("{text}\n")).unwrap();
            assert_eq!(read().as_deref(), Some(text));
        }
        let literal = Secret("three".to_owned());
        assert_eq!(
            read_secret(Some(&literal), None).unwrap().as_deref(),
            Some("three")
        );
        assert_eq!(read_secret(None, None).unwrap(), None);
        let missing = read_secret(None, Some(Path::new("/nowhere"))).unwrap_err();
        assert!(
            missing.to_string().contains("/nowhere cannot be read"),
            "{missing}"
        );
    }

    #[test]
    fn a_file_that_others_may_read_is_noticed() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path();
        for (mode, others) in [
            (0o600, None),
            (0o400, None),
            (0o644, Some("0644")),
            (0o620, Some("0620")),
        ] {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(open_to_others(path).unwrap().as_deref(), others);
        }
    }
}
