//! The kernel's table of mounts: `/proc/self/mountinfo`, or the older `/proc/self/mounts`.
//!
//! Format: proc_pid_mountinfo(5) and proc_pid_mounts(5). By hand, because the crate `procfs` leaves the blank (`\040`) of a mount
//! point as it is, and refuses a table for one line that is not UTF-8.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use alumet_reader_kernel_file::fields::Fields;

/// One mount, as far as it matters for control groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mount {
    /// `cgroup` or `cgroup2`, else it is left out.
    pub(super) is_v2: bool,
    /// Where it is.
    pub(super) point: PathBuf,
    /// Whether it shows its hierarchy from the root; a bind mount may show a part.
    pub(super) is_whole: bool,
    /// The options of the file system: the controllers of a v1 hierarchy are among them.
    pub(super) options: Vec<String>,
}

/// The mounts of control groups, whichever of the two formats the table has.
pub(super) fn cgroup_mounts(table: &[u8]) -> impl Iterator<Item = Mount> {
    // The last line of a table may lack its end in a captured tree; a name cut short would not be found anyway.
    table.split(|byte| *byte == b'\n').filter_map(mount)
}

fn mount(line: &[u8]) -> Option<Mount> {
    let mut before = Fields::of(line);
    let first = before.next()?;
    let is_mountinfo = first.iter().all(u8::is_ascii_digit) && line.windows(3).any(|three| three == b" - ");
    let (root, point, kind, options) = if is_mountinfo {
        let root = before.nth(2)?;
        let point = before.next()?;
        let mut after = before.skip_while(|word| *word != b"-").skip(1);
        (root, point, after.next()?, after.nth(1)?)
    } else {
        (&b"/"[..], before.next()?, before.next()?, before.next()?)
    };
    let is_v2 = match kind {
        b"cgroup2" => true,
        b"cgroup" => false,
        _ => return None,
    };
    let text = String::from_utf8_lossy(options);
    Some(Mount {
        is_v2,
        point: PathBuf::from(OsString::from_vec(unescaped(point))),
        is_whole: root == b"/",
        options: text.split(',').map(str::to_owned).collect(),
    })
}

/// Undoes the octal escapes `\040` (blank), `\011` (tab), `\012` (line feed) and `\134` (backslash).
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, after @ ..] = rest {
        rest = after;
        match after {
            [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', tail @ ..] if *first == b'\\' => {
                bytes.push((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'));
                rest = tail;
            }
            _ => bytes.push(*first),
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_tables_give_the_same_mount() {
        let info = b"33 31 0:30 /sub /sys/fs/my\\040cgroup rw,relatime shared:9 master:1 - cgroup cgroup rw,cpu,cpuacct\n";
        let mounts = b"cgroup /sys/fs/my\\040cgroup cgroup rw,cpu,cpuacct 0 0\n";
        let [mut a] = cgroup_mounts(info).collect::<Vec<_>>().try_into().unwrap();
        let [b] = cgroup_mounts(mounts).collect::<Vec<_>>().try_into().unwrap();
        assert_eq!(a.point, Path::new("/sys/fs/my cgroup"));
        assert!(!a.is_whole);
        a.is_whole = true;
        assert_eq!(a, b);
        assert_eq!(a.options, ["rw", "cpu", "cpuacct"]);
    }

    #[test]
    fn other_file_systems_and_cut_lines_are_left_out() {
        let table = b"tmpfs /sys/fs/cgroup tmpfs rw 0 0\n\n31 23 0:28 / /x rw - \ncgroup2 /y";
        assert_eq!(cgroup_mounts(table).count(), 0);
    }

    #[test]
    fn a_backslash_that_is_no_escape_stays() {
        assert_eq!(unescaped(b"a\\134\\9\\12\\777\\"), b"a\\\\9\\12\\777\\");
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_table(bytes: Vec<u8>) {
            let _ = cgroup_mounts(&bytes).count();
            let _ = cgroup_mounts(&[b"1 2 3 / /a - cgroup ", &bytes[..]].concat()).count();
        }
    }
}
