//! Which machine this is, as far as a file can tell.

use std::path::Path;

/// A number that two machines hardly share, made from `etc/machine-id` under `root`; `None` if there is none.
///
/// The id itself is confidential (`man 5 machine-id`), so only a hash of it is kept.
pub(crate) fn fingerprint(root: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(root.join("etc/machine-id")).ok()?;
    let id = text.trim();
    // A freshly installed image says so until its first boot is complete.
    (!id.is_empty() && id != "uninitialized").then(|| fnv(b"alumet spool ", id.as_bytes()))
}

/// FNV-1a with 64 bits over both parts (Fowler, Noll, Vo; draft-eastlake-fnv).
fn fnv(salt: &[u8], text: &[u8]) -> u64 {
    salt.iter().chain(text).fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alumet_core::testkit::FakeRoot;

    #[test]
    fn machines_differ_and_one_without_an_id_has_no_fingerprint() {
        let root = FakeRoot::new();
        assert_eq!(fingerprint(root.path()), None);
        root.write("etc/machine-id", "4c4c4544004a\n");
        let first = fingerprint(root.path());
        assert!(first.is_some());
        root.write("etc/machine-id", "4c4c4544004b\n");
        assert_ne!(fingerprint(root.path()), first);
        root.write("etc/machine-id", "uninitialized\n");
        assert_eq!(fingerprint(root.path()), None);
    }
}
