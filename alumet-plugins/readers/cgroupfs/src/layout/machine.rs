//! Control groups of the virtual machines and containers of libvirt.
//!
//! Formats: libvirt `src/util/virsystemd.c` (`virSystemdMakeScopeName`), `src/hypervisor/domain_driver.c`
//! (`virDomainDriverGenerateMachineName`) and `docs/cgroups.rst`; systemd `src/basic/unit-name.c` (`unit_name_escape`).

use std::borrow::Cow;

use crate::CgroupPath;

/// A domain of libvirt, as far as the name of its control group tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domain<'a> {
    /// What runs it: `qemu`, `ch` or `lxc`.
    pub driver: &'static str,
    /// Its number on this machine, which is another one after each start. Old versions do not tell it.
    pub number: Option<u32>,
    /// Its name. Newer versions leave out what cannot be in the name of a host, and cut off what is beyond 64 characters.
    pub name: Cow<'a, str>,
    /// Whether the group is one within that of the domain.
    pub is_inside: bool,
}

const DRIVERS: [(&str, &str); 3] = [
    ("qemu", ".libvirt-qemu"),
    ("ch", ".libvirt-ch"),
    ("lxc", ".libvirt-lxc"),
];

impl<'a> Domain<'a> {
    /// The domain whose control group this is, or in whose control group it lies.
    pub fn of(path: &'a CgroupPath) -> Option<Self> {
        let mut before = ["", ""];
        let mut components = components(path);
        while let Some(component) = components.next() {
            if let Some(domain) = Self::named(component, before) {
                let is_inside = components.next().is_some();
                return Some(Self { is_inside, ..domain });
            }
            before = [before[1], component];
        }
        None
    }

    fn named(component: &'a str, before: [&str; 2]) -> Option<Self> {
        if let ["libvirt", driver] = before {
            let (driver, _) = DRIVERS.into_iter().find(|(name, _)| *name == driver)?;
            return (!component.is_empty()).then_some(Self {
                driver,
                number: None,
                name: component.into(),
                is_inside: false,
            });
        }
        if let Some(unit) = scope(component, "machine-") {
            let unit = unescape(unit);
            let (driver, _) = DRIVERS.into_iter().find(|(driver, _)| {
                unit.strip_prefix(driver)
                    .is_some_and(|rest| rest.starts_with('-') && rest.len() > 1)
            })?;
            return Some(Self::numbered(driver, drop_front(unit, driver.len() + 1)));
        }
        let (driver, name) = DRIVERS
            .into_iter()
            .find_map(|(driver, suffix)| Some((driver, component.strip_suffix(suffix)?)))?;
        let machine = name.strip_prefix(driver).and_then(|rest| rest.strip_prefix('-'));
        let name = machine.unwrap_or(name);
        (!name.is_empty()).then(|| Self::numbered(driver, name.into()))
    }

    /// The domain of `NUMBER-NAME`, or of a name alone.
    fn numbered(driver: &'static str, text: Cow<'a, str>) -> Self {
        let split = text.split_once('-').and_then(|(number, name)| {
            let is_number = number.bytes().all(|byte| byte.is_ascii_digit()) && !name.is_empty();
            Some((number.parse().ok().filter(|_| is_number)?, number.len() + 1))
        });
        let (number, front) = split.map_or((None, 0), |(number, front)| (Some(number), front));
        Self {
            driver,
            number,
            name: drop_front(text, front),
            is_inside: false,
        }
    }
}

/// The components of a path; those that are not UTF-8 are empty.
pub(super) fn components(path: &CgroupPath) -> impl Iterator<Item = &str> + Clone {
    let components = path.as_bytes().split(|byte| *byte == b'/').skip(1);
    components.map(|component| str::from_utf8(component).unwrap_or_default())
}

/// The text without its first bytes, which are ASCII.
fn drop_front(text: Cow<'_, str>, front: usize) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => text[front..].into(),
        Cow::Owned(text) => text[front..].to_owned().into(),
    }
}

/// What stands between a prefix and `.scope`.
pub(super) fn scope<'a>(component: &'a str, prefix: &str) -> Option<&'a str> {
    component.strip_suffix(".scope")?.strip_prefix(prefix)
}

/// A name as it was before systemd escaped it: `\x2d` is a hyphen. Hyphens stand for themselves, for the names of machines have no
/// slashes.
pub(super) fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains("\\x") {
        return text.into();
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.strip_prefix(b"x").and_then(|hex| hex.get(..2));
        let byte = digits.and_then(|digits| {
            let digit = |byte: u8| char::from(byte).to_digit(16);
            u8::try_from(digit(digits[0])? * 16 + digit(digits[1])?).ok()
        });
        match byte {
            Some(byte) if *first == b'\\' => {
                bytes.push(byte);
                rest = &after[3..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned().into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(text: &str) -> CgroupPath {
        CgroupPath::from_bytes(text.as_bytes()).unwrap()
    }

    /// Path, driver, number, name, and whether it lies within: each layout with where it was seen.
    const LAYOUTS: [(&str, &str, Option<u32>, &str, bool); 14] = [
        // libvirt 9 on Debian 12, systemd, version 2
        (
            r"/machine.slice/machine-qemu\x2d1\x2dweb.scope",
            "qemu",
            Some(1),
            "web",
            false,
        ),
        (
            r"/machine.slice/machine-qemu\x2d1\x2dweb.scope/libvirt/emulator",
            "qemu",
            Some(1),
            "web",
            true,
        ),
        (
            r"/machine.slice/machine-qemu\x2d1\x2dweb.scope/libvirt/vcpu0",
            "qemu",
            Some(1),
            "web",
            true,
        ),
        (
            r"/machine.slice/machine-qemu\x2d6\x2ddebian12\x2d1.scope",
            "qemu",
            Some(6),
            "debian12-1",
            false,
        ),
        // OpenStack Nova
        (
            r"/machine.slice/machine-qemu\x2d21\x2dinstance\x2d0000001d.scope",
            "qemu",
            Some(21),
            "instance-0000001d",
            false,
        ),
        (
            r"/machine.slice/machine-qemu\x2d2\x2dubuntu20.04.scope/emulator",
            "qemu",
            Some(2),
            "ubuntu20.04",
            true,
        ),
        // A partition of its own
        (
            r"/machine.slice/machine-test.slice/machine-qemu\x2d16\x2dtest14.scope",
            "qemu",
            Some(16),
            "test14",
            false,
        ),
        // libvirt 1.2 on CentOS 7
        (
            r"/machine.slice/machine-qemu\x2dcentos.scope/vcpu1",
            "qemu",
            None,
            "centos",
            true,
        ),
        // Containers of libvirt
        (
            r"/machine.slice/machine-lxc\x2d4011\x2dbox.scope",
            "lxc",
            Some(4011),
            "box",
            false,
        ),
        // Without systemd: docs/cgroups.rst
        ("/machine/qemu-1-vm1.libvirt-qemu", "qemu", Some(1), "vm1", false),
        (
            "/machine/qemu-1-vm1.libvirt-qemu/vcpu1",
            "qemu",
            Some(1),
            "vm1",
            true,
        ),
        (
            "/machine/production.partition/vm-2.libvirt-qemu",
            "qemu",
            None,
            "vm-2",
            false,
        ),
        // libvirt before 1.0.5
        ("/libvirt/qemu/vm.1", "qemu", None, "vm.1", false),
        (
            "/system/libvirtd.service/libvirt/lxc/box/x",
            "lxc",
            None,
            "box",
            true,
        ),
    ];

    #[test]
    fn each_layout_tells_the_domain() {
        for (text, driver, number, name, is_inside) in LAYOUTS {
            let path = path(text);
            let name = name.into();
            let expected = Domain {
                driver,
                number,
                name,
                is_inside,
            };
            assert_eq!(Domain::of(&path), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_domain_has_none() {
        for text in [
            "/",
            "/machine.slice",
            "/machine",
            "/libvirt",
            "/libvirt/qemu",
            "/libvirt/xen/vm",
            "/machine.slice/machine-debian.scope",
            r"/machine.slice/machine-qemu.scope",
            r"/machine.slice/machine-qemu\x2d.scope",
            "/machine/.libvirt-qemu",
            "/machine/qemu-.libvirt-qemu",
            "/system.slice/libvirtd.service",
            "/system.slice/virtqemud.service",
        ] {
            assert_eq!(Domain::of(&path(text)), None, "{text}");
        }
    }

    #[test]
    fn escaped_bytes_are_what_they_were() {
        for (escaped, text) in [
            ("plain-name", "plain-name"),
            (r"a\x2db\x5fc", "a-b_c"),
            (r"\xc3\xa9", "é"),
            (r"\x", r"\x"),
            (r"\x2", r"\x2"),
            (r"\xzz", r"\xzz"),
            (r"\\x2d", r"\-"),
            (r"\xff", "\u{fffd}"),
        ] {
            assert_eq!(unescape(escaped), text);
        }
    }

    proptest! {
        #[test]
        fn any_path_is_taken_or_refused(raw: Vec<u8>, text in r"(/(machine-|qemu|lxc|libvirt|-|\\x|2d|[0-9é.]|\.scope|\.libvirt-qemu){0,6}){1,4}") {
            for bytes in [&[b"/", &raw[..]].concat()[..], text.as_bytes()] {
                if let Ok(path) = CgroupPath::from_bytes(bytes) {
                    let _ = Domain::of(&path);
                }
            }
        }

        #[test]
        fn whatever_stands_behind_a_domain_lies_within_it(name in "[a-z0-9.]{1,12}", below in "(/[a-z]{1,4}){1,3}") {
            let whole = path(&format!(r"/machine.slice/machine-qemu\x2d7\x2d{name}.scope"));
            let inner = path(&format!("{whole}{below}"));
            let (whole, inner) = (Domain::of(&whole).unwrap(), Domain::of(&inner).unwrap());
            prop_assert_eq!(&whole.name, &name);
            prop_assert!(!whole.is_inside && inner.is_inside);
            prop_assert_eq!(whole.name, inner.name);
        }
    }
}
