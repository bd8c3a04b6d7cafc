//! Resources: what is measured.

use std::borrow::Cow;
use std::sync::Arc;

use crate::entity::entity;

entity! {
    /// What is measured: a part of the machine, or all of it.
    pub enum Resource {
        /// The whole machine.
        LocalMachine = "local_machine",
            write Cow::Borrowed(""),
            parse |_id| Some(Self::LocalMachine);
        /// A CPU package (socket).
        CpuPackage {
            /// Number of the package, from 0.
            id: u32,
        } = "cpu_package",
            write Cow::Owned(id.to_string()),
            parse |id| Some(Self::CpuPackage { id: id.parse().ok()? });
        /// A logical CPU, by the number that the kernel gives it.
        CpuCore {
            /// Number of the CPU; numbers have gaps where CPUs are offline.
            id: u32,
        } = "cpu_core",
            write Cow::Owned(id.to_string()),
            parse |id| Some(Self::CpuCore { id: id.parse().ok()? });
        /// The memory attached to a CPU package.
        Dram {
            /// Number of the package.
            package: u32,
        } = "dram",
            write Cow::Owned(package.to_string()),
            parse |id| Some(Self::Dram { package: id.parse().ok()? });
        /// A graphics processor.
        Gpu {
            /// Its PCI bus id.
            bus_id: Arc<str>,
        } = "gpu",
            write Cow::Borrowed(&**bus_id),
            parse |id| Some(Self::Gpu { bus_id: id.into() });
        /// A partition of a graphics processor (NVIDIA MIG).
        GpuPartition {
            /// PCI bus id of the whole GPU.
            parent: Arc<str>,
            /// Number of the partition.
            partition: u32,
        } = "gpu_partition",
            write Cow::Owned(format!("{parent}/{partition}")),
            parse |id| {
                let (parent, partition) = id.rsplit_once('/')?;
                Some(Self::GpuPartition { parent: parent.into(), partition: partition.parse().ok()? })
            };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one_of_each() -> Vec<Resource> {
        vec![
            Resource::LocalMachine,
            Resource::CpuPackage { id: 0 },
            Resource::CpuCore { id: 255 },
            Resource::Dram { package: 1 },
            Resource::Gpu {
                bus_id: "00000000:65:00.0".into(),
            },
            Resource::GpuPartition {
                parent: "00000000:65:00.0".into(),
                partition: 3,
            },
            Resource::Custom {
                kind: "disk".into(),
                id: "nvme0n1".into(),
            },
        ]
    }

    #[test]
    fn every_variant_survives_its_text() {
        let all = one_of_each();
        for resource in &all {
            assert_eq!(Resource::new(resource.kind(), &resource.id()), *resource);
        }
        let kinds: Vec<_> = all.iter().map(Resource::kind).collect();
        assert!(
            Resource::KINDS.iter().all(|kind| kinds.contains(kind)),
            "a variant has no example here"
        );
    }

    #[test]
    fn an_id_that_its_variant_cannot_hold_stays_as_it_is() {
        for (kind, id) in [
            ("cpu_core", "x"),
            ("cpu_core", "007"),
            ("local_machine", "a"),
            ("gpu_partition", "a/b"),
        ] {
            let resource = Resource::new(kind, id);
            assert!(matches!(resource, Resource::Custom { .. }));
            assert_eq!((resource.kind(), &*resource.id()), (kind, id));
        }
    }

    proptest! {
        #[test]
        fn any_text_survives(kind in "[a-z_]{0,13}|cpu_core|gpu|gpu_partition|dram", id in ".{0,8}|[0-9]{1,3}|a/[0-9]") {
            let resource = Resource::new(&kind, &id);
            prop_assert_eq!(resource.kind(), &kind);
            prop_assert_eq!(&*resource.id(), &id);
            prop_assert_eq!(Resource::new(resource.kind(), &resource.id()), resource);
        }
    }
}
