//! Consumers: who uses a resource.

use std::borrow::Cow;
use std::sync::Arc;

use crate::entity::entity;

entity! {
    /// Who uses a resource.
    pub enum Consumer {
        /// Everybody on the machine: the measurement is not split by consumer.
        LocalMachine = "local_machine",
            write Cow::Borrowed(""),
            parse |_id| Some(Self::LocalMachine);
        /// A process of the operating system.
        Process {
            /// Its process id.
            pid: u32,
        } = "process",
            write Cow::Owned(pid.to_string()),
            parse |id| Some(Self::Process { pid: id.parse().ok()? });
        /// A control group.
        ControlGroup {
            /// Its path below the root of the hierarchy, such as `/user.slice/user-1000.slice`.
            path: Arc<str>,
        } = "cgroup",
            write Cow::Borrowed(&**path),
            parse |id| Some(Self::ControlGroup { path: id.into() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_variant_survives_its_text() {
        let all = [
            Consumer::LocalMachine,
            Consumer::Process { pid: 4711 },
            Consumer::ControlGroup {
                path: "/user.slice/a b\n".into(),
            },
            Consumer::Custom {
                kind: "vm".into(),
                id: "".into(),
            },
        ];
        for consumer in &all {
            assert_eq!(Consumer::new(consumer.kind(), &consumer.id()), *consumer);
        }
        assert!(
            Consumer::KINDS
                .iter()
                .all(|kind| all.iter().any(|one| one.kind() == *kind))
        );
    }

    proptest! {
        #[test]
        fn any_text_survives(kind in "[a-z_]{0,8}|process|cgroup|local_machine", id in ".{0,8}|[0-9]{1,12}") {
            let consumer = Consumer::new(&kind, &id);
            prop_assert_eq!(consumer.kind(), &kind);
            prop_assert_eq!(&*consumer.id(), &id);
        }
    }
}
