//! The name of a control group: its path below the mount of its hierarchy.

use std::ffi::OsStr;
use std::fmt::{self, Write as _};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

/// The path of a control group below its mount: `/` for the root, else `/a/b` without a slash at the end.
///
/// It holds the bytes of the kernel. Its text form (`Display`, `FromStr`) is lossless: bytes that are not UTF-8 are
/// written `%XX`, and a percent sign that two hexadecimal digits follow is written `%25`; everything else, blanks,
/// quotes, line feeds and the backslashes of systemd included, stands for itself. Cloning costs a reference count.
///
/// ```
/// use alumet_reader_cgroupfs::CgroupPath;
///
/// let path = CgroupPath::from_bytes(b"/a slice/\xff\\x2d")?;
/// assert_eq!(path.to_string(), "/a slice/%FF\\x2d");
/// assert_eq!("/a slice/%FF\\x2d".parse(), Ok(path));
/// # Ok::<(), alumet_reader_cgroupfs::path::PathError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CgroupPath(Arc<[u8]>);

/// The reason why bytes are not the path of a control group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the path of a control group begins with `/` and has no component `.` or `..` and no zero byte")]
pub struct PathError;

impl CgroupPath {
    /// The root of a hierarchy.
    pub fn root() -> Self {
        Self(Arc::from(&b"/"[..]))
    }

    /// The path that the bytes spell, as in `/proc/PID/cgroup`; superfluous slashes are dropped.
    ///
    /// # Errors
    /// When the path is relative or contains `.`, `..` or a zero byte.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PathError> {
        if bytes.first() != Some(&b'/') {
            return Err(PathError);
        }
        let mut canonical = Vec::with_capacity(bytes.len());
        for part in bytes.split(|byte| *byte == b'/').filter(|part| !part.is_empty()) {
            if part == b"." || part == b".." || part.contains(&0) {
                return Err(PathError);
            }
            canonical.push(b'/');
            canonical.extend_from_slice(part);
        }
        if canonical.is_empty() {
            return Ok(Self::root());
        }
        Ok(Self(canonical.into()))
    }

    /// The control group of that name below this one. `name` is one component, as a directory lists it.
    ///
    /// # Errors
    /// When the name is `.` or `..` or has a zero byte.
    pub fn child(&self, name: &OsStr) -> Result<Self, PathError> {
        Self::from_bytes(&[&self.0, &b"/"[..], name.as_bytes()].concat())
    }

    /// The control group that contains this one; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        match self.0.iter().rposition(|byte| *byte == b'/')? {
            0 if self.is_root() => None,
            0 => Some(Self::root()),
            slash => Some(Self(Arc::from(&self.0[..slash]))),
        }
    }

    /// Whether another control group is in this one, or in one that is.
    pub fn contains(&self, other: &Self) -> bool {
        match other.0.strip_prefix(&*self.0) {
            Some(rest) if self.is_root() => !rest.is_empty(),
            rest => rest.is_some_and(|rest| rest.starts_with(b"/")),
        }
    }

    /// The number of components; 0 for the root.
    pub fn depth(&self) -> usize {
        if self.is_root() {
            return 0;
        }
        self.0.iter().filter(|byte| **byte == b'/').count()
    }

    /// Whether it is the root of its hierarchy.
    pub fn is_root(&self) -> bool {
        &*self.0 == b"/"
    }

    /// The bytes, as the kernel has them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The path relative to the mount; empty for the root.
    pub fn relative(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0[1..]))
    }

    /// The directory of the control group in a hierarchy mounted at `mount`.
    pub fn below(&self, mount: &Path) -> PathBuf {
        if self.is_root() {
            return mount.to_path_buf();
        }
        mount.join(self.relative())
    }
}

/// The byte that two hexadecimal digits at the start stand for.
fn hex_byte(bytes: &[u8]) -> Option<u8> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let value = digit(bytes.first()?)? * 16 + digit(bytes.get(1)?)?;
    u8::try_from(value).ok()
}

impl FromStr for CgroupPath {
    type Err = PathError;

    /// Reads the text form.
    fn from_str(text: &str) -> Result<Self, PathError> {
        let mut bytes = Vec::with_capacity(text.len());
        let mut rest = text.as_bytes();
        while let Some((first, after)) = rest.split_first() {
            match hex_byte(after) {
                Some(byte) if *first == b'%' => {
                    bytes.push(byte);
                    rest = &after[2..];
                }
                _ => {
                    bytes.push(*first);
                    rest = after;
                }
            }
        }
        Self::from_bytes(&bytes)
    }
}

impl fmt::Display for CgroupPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = &*self.0;
        for chunk in self.0.utf8_chunks() {
            for (index, char) in chunk.valid().char_indices() {
                match char == '%' && hex_byte(&rest[index + 1..]).is_some() {
                    true => f.write_str("%25")?,
                    false => f.write_char(char)?,
                }
            }
            for byte in chunk.invalid() {
                write!(f, "%{byte:02X}")?;
            }
            rest = &rest[chunk.valid().len() + chunk.invalid().len()..];
        }
        Ok(())
    }
}

impl fmt::Debug for CgroupPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_string(), f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(text: &str) -> CgroupPath {
        CgroupPath::from_bytes(text.as_bytes()).unwrap()
    }

    #[test]
    fn superfluous_slashes_are_dropped() {
        assert_eq!(path("//a///b/"), path("/a/b"));
        assert_eq!(path("///"), CgroupPath::root());
    }

    #[test]
    fn a_path_that_leaves_the_mount_is_refused() {
        for wrong in ["", "a", "/..", "/a/../b", "/./a", "/a\0"] {
            assert!(CgroupPath::from_bytes(wrong.as_bytes()).is_err(), "{wrong}");
        }
        assert!(CgroupPath::root().child(OsStr::new("..")).is_err());
    }

    #[test]
    fn parents_lead_to_the_root() {
        let deep = path("/a/b");
        assert_eq!(deep.depth(), 2);
        assert_eq!(deep.parent(), Some(path("/a")));
        assert_eq!(path("/a").parent(), Some(CgroupPath::root()));
        assert_eq!(CgroupPath::root().parent(), None);
        assert_eq!(CgroupPath::root().depth(), 0);
        assert_eq!(path("/a").child(OsStr::new("b")), Ok(deep));
    }

    #[test]
    fn what_is_below_begins_with_a_slash() {
        for (outer, inner) in [("/", "/a"), ("/a", "/a/b"), ("/a", "/a/b/c")] {
            assert!(path(outer).contains(&path(inner)), "{inner}");
            assert!(!path(inner).contains(&path(outer)), "{outer}");
        }
        for other in ["/a", "/ab", "/a-b/c", "/b"] {
            assert!(!path("/a").contains(&path(other)), "{other}");
        }
        assert!(!CgroupPath::root().contains(&CgroupPath::root()));
    }

    #[test]
    fn the_directory_of_the_root_is_the_mount() {
        let mount = Path::new("/sys/fs/cgroup");
        assert_eq!(CgroupPath::root().below(mount), mount);
        assert_eq!(path("/a/b").below(mount), Path::new("/sys/fs/cgroup/a/b"));
    }

    #[test]
    fn names_of_systemd_blanks_quotes_and_line_feeds_stand_for_themselves() {
        let text = "/system.slice/dev-disk\\x2duuid \"a\" 'b'\n100%";
        assert_eq!(path(text).to_string(), text);
    }

    proptest! {
        #[test]
        fn the_text_form_loses_nothing(parts in proptest::collection::vec("[%a0-9F\\\\ é]{1,6}|.{1,4}", 1..4), raw: Vec<u8>) {
            let mut bytes = format!("/{}/", parts.join("/")).into_bytes();
            bytes.extend(&raw);
            if let Ok(path) = CgroupPath::from_bytes(&bytes) {
                prop_assert_eq!(path.to_string().parse(), Ok(path));
            }
        }

        #[test]
        fn two_paths_never_share_a_text(a in "[%4-6AF]{1,6}", b in "[%4-6AF]{1,6}", byte: u8) {
            let of = |text: &str| CgroupPath::from_bytes(&[b"/", text.as_bytes(), &[byte]].concat());
            if let (Ok(a), Ok(b)) = (of(&a), of(&b)) {
                prop_assert_eq!(a == b, a.to_string() == b.to_string());
            }
        }
    }
}
