//! Who can be asked for the name of a container.

use std::path::{Path, PathBuf};

use alumet_reader_cgroupfs::layout::container::{Container, Runtime};

use crate::config::Sockets;

/// Who knows the names of some containers: an engine of root or of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Keeper {
    pub(crate) engine: Engine,
    /// Whose engine it is; `None` is that of root.
    pub(crate) user_id: Option<u32>,
}

/// A sort of engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Engine {
    Docker,
    Podman,
    Containerd,
    /// The path does not tell: Docker or containerd with a parent of choice, or a low-level runtime on its own, which has no names.
    Unknown,
}

impl Engine {
    /// What it is called where a container says what runs it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Docker | Self::Unknown => Runtime::Docker.name(),
            Self::Podman => Runtime::Podman.name(),
            Self::Containerd => Runtime::Containerd.name(),
        }
    }
}

impl Keeper {
    /// Whom to ask for a container; `None` when nobody knows more than its control group tells.
    pub(crate) fn of(container: &Container<'_>) -> Option<Self> {
        let user_id = container.user_id;
        let engine = match (container.runtime, user_id) {
            (Some(Runtime::Docker), _) => Engine::Docker,
            (Some(Runtime::Podman), _) => Engine::Podman,
            // Rootless containerd keeps its files where only its own processes see them.
            (Some(Runtime::Containerd), None) => Engine::Containerd,
            (None, None) => Engine::Unknown,
            _ => return None,
        };
        Some(Self { engine, user_id })
    }

    /// Where its engine may listen, below `root`.
    pub(crate) fn sockets(self, root: &Path, sockets: &Sockets) -> Vec<PathBuf> {
        let listed = match self.engine {
            Engine::Docker | Engine::Unknown => &sockets.docker[..],
            Engine::Podman => &sockets.podman,
            Engine::Containerd => &[],
        };
        let of_user = listed
            .iter()
            .filter_map(|path| match (self.user_id, path.contains('*')) {
                (None, false) => Some(path.clone()),
                (Some(user), true) => Some(path.replace('*', &user.to_string())),
                _ => None,
            });
        of_user.map(|path| root.join(&path[1..])).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sockets_of_a_user_are_those_with_a_star_and_those_of_root_have_none() {
        let (root, sockets) = (Path::new("/host"), Sockets::default());
        let of = |engine, user_id| Keeper { engine, user_id }.sockets(root, &sockets);
        let path = |text: &str| vec![PathBuf::from(text)];
        assert_eq!(of(Engine::Docker, None), path("/host/run/docker.sock"));
        assert_eq!(of(Engine::Unknown, None), path("/host/run/docker.sock"));
        assert_eq!(
            of(Engine::Podman, Some(7)),
            path("/host/run/user/7/podman/podman.sock")
        );
        assert!(of(Engine::Containerd, None).is_empty());
    }
}
