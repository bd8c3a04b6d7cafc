//! How what is measured, and who uses it, contain each other.

use alumet_core::Resource;

/// How the resource of a series stands to that of a result; the first is the best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Relation {
    Same,
    /// A part of it: parts are summed.
    Part,
    /// It contains it, and is taken as it is.
    Whole,
}

impl Relation {
    /// How one resource stands to another; `None` if they have nothing in common.
    pub(super) fn of(resource: &Resource, to: &Resource) -> Option<Self> {
        if resource == to {
            Some(Self::Same)
        } else if contains(to, resource) {
            Some(Self::Part)
        } else if contains(resource, to) {
            Some(Self::Whole)
        } else {
            None
        }
    }
}

/// Whether one resource contains another. The machine contains everything, a package the memory that is attached to it, and a GPU its
/// partitions; which package has which core is not known.
fn contains(outer: &Resource, inner: &Resource) -> bool {
    match (outer, inner) {
        (Resource::LocalMachine, inner) => *inner != Resource::LocalMachine,
        (Resource::CpuPackage { id }, Resource::Dram { package }) => id == package,
        (Resource::Gpu { bus_id }, Resource::GpuPartition { parent, .. }) => bus_id == parent,
        _ => false,
    }
}

/// The control groups that contain one, from the inside.
pub(super) fn groups_around(path: &str) -> impl Iterator<Item = &str> {
    fn parent(path: &str) -> Option<&str> {
        match path.rsplit_once('/')? {
            ("", "") => None,
            ("", _) => Some("/"),
            (parent, _) => Some(parent),
        }
    }
    std::iter::successors(parent(path), |path| parent(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_in_those_on_the_way_to_the_root_and_in_no_others() {
        let around = |path| groups_around(path).collect::<Vec<_>>();
        assert_eq!(around("/a.slice/b/c"), ["/a.slice/b", "/a.slice", "/"]);
        assert_eq!(around("/a"), ["/"]);
        assert_eq!(around("/"), [] as [&str; 0]);
        assert_eq!(around("a/b"), ["a"]);
        assert_eq!(around(""), [] as [&str; 0]);
    }
}
