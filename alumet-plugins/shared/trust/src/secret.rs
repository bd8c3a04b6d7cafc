use std::fmt;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A text that its debug form does not show.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
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
