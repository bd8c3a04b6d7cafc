//! Which control groups the plugin is about.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use alumet_reader_cgroupfs::layout::oar::{OarGroup, OarOwner};
use alumet_reader_cgroupfs::mount::Hierarchies;
use alumet_reader_cgroupfs::path::PathError;
use alumet_reader_cgroupfs::{CgroupPath, ReadError};

use crate::config::{Config, OarVersion};

/// The jobs of a version of OAR, below a control group.
#[derive(Debug, Clone)]
pub(crate) struct JobFilter {
    version: OarVersion,
    below: Option<CgroupPath>,
}

/// Why a folder cannot hold control groups.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FilterError {
    #[error(transparent)]
    Mounts(#[from] ReadError),
    #[error(
        "`path` is `{0}`, which is in no mounted hierarchy of control groups; correct it or remove the key"
    )]
    Elsewhere(PathBuf),
    #[error("`path` is `{0}`: {1}")]
    Name(PathBuf, PathError),
}

impl JobFilter {
    /// What a configuration says, on the machine below `root`.
    ///
    /// # Errors
    /// When `path` is in no hierarchy.
    pub(crate) fn of(config: &Config, root: &Path) -> Result<Self, FilterError> {
        let below = match &config.path {
            Some(path) => below(path, root)?,
            None => None,
        };
        Ok(Self {
            version: config.oar_version,
            below,
        })
    }

    /// Whether a group is below that of the configuration.
    pub(crate) fn takes(&self, path: &CgroupPath) -> bool {
        let is_below = |below: &CgroupPath| below == path || below.contains(path);
        self.below.as_ref().is_none_or(is_below)
    }

    /// The job that a group is in.
    pub(crate) fn job<'a>(&self, path: &'a CgroupPath) -> Option<OarGroup<'a>> {
        let group = OarGroup::of(path).filter(|_| self.takes(path))?;
        let is_of_version = match self.version {
            OarVersion::Auto => true,
            OarVersion::Oar2 => matches!(group.owner, OarOwner::Name(_)),
            OarVersion::Oar3 => matches!(group.owner, OarOwner::Id(_)),
        };
        is_of_version.then_some(group)
    }
}

/// The control group that a folder is; `None` when it has a whole hierarchy in it.
fn below(path: &Path, root: &Path) -> Result<Option<CgroupPath>, FilterError> {
    let mounted = Hierarchies::detect(root)?;
    let folder = root.join(path.strip_prefix("/").unwrap_or(path));
    let mut mounts = mounted.v2.iter().chain(mounted.v1.values());
    if mounts.clone().any(|mount| mount.starts_with(&folder)) {
        return Ok(None);
    }
    let name = mounts.find_map(|mount| folder.strip_prefix(mount).ok());
    let name = name.ok_or_else(|| FilterError::Elsewhere(path.to_path_buf()))?;
    let name = CgroupPath::from_bytes(&[b"/", name.as_os_str().as_bytes()].concat());
    name.map(Some)
        .map_err(|error| FilterError::Name(path.to_path_buf(), error))
}
