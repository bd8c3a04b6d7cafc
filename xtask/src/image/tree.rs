//! The files of an image, in the folder from which its Containerfile copies them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::shell;

/// The certificates of authorities of this machine, by which the program knows the servers that it sends to.
pub(super) const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// The names of those that an image without a base may run as.
const PASSWD: &str =
    "root:x:0:0:root:/:/sbin/nologin\nalumet:x:65532:65532:Alumet:/var/lib/alumet:/sbin/nologin\n";
const GROUP: &str = "root:x:0:\nalumet:x:65532:\n";

/// What the group may write, too: a COPY keeps the mode of what is in a folder, and not that of the folder itself.
const STATE: &str = "state/alumet";

/// The folder: `root` is copied to `/`, and what is in `state`, of which the program is the owner, to `/var/lib`.
#[derive(Debug)]
pub(super) struct Tree(PathBuf);

impl Tree {
    /// An empty one in place of what was there.
    pub(super) fn new(folder: PathBuf) -> Result<Self> {
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
        }
        for part in ["root/etc/alumet", "root/usr/bin", "root/var/lib", STATE] {
            let part = folder.join(part);
            fs::create_dir_all(&part).with_context(|| format!("cannot make {}", part.display()))?;
        }
        Ok(Self(folder))
    }

    pub(super) fn folder(&self) -> &Path {
        &self.0
    }

    /// Adds the program, without what only a debugger wants.
    pub(super) fn program(&self, program: &Path, name: &str) -> Result<()> {
        let [from, to] = [program, &self.0.join("root/usr/bin").join(name)].map(quoted);
        shell::run(&format!("strip --strip-debug -o {to} {from}"), Path::new("/"))
    }

    /// Adds a file of this machine, at the same path.
    pub(super) fn file_of_this_machine(&self, path: &Path) -> Result<()> {
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        self.write(path, &bytes)
    }

    /// Adds who there is.
    pub(super) fn users(&self) -> Result<()> {
        self.write(Path::new("/etc/passwd"), PASSWD.as_bytes())?;
        self.write(Path::new("/etc/group"), GROUP.as_bytes())
    }

    /// Adds a file.
    pub(super) fn write(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let place = self.0.join("root").join(path.strip_prefix("/").unwrap_or(path));
        fs::create_dir_all(place.parent().unwrap_or(&self.0))
            .and_then(|()| fs::write(&place, bytes))
            .with_context(|| format!("cannot write {}", place.display()))
    }

    /// Gives everything its rights, whatever those on this machine are: all may read and run it, none may write it but for the
    /// state.
    pub(super) fn finish(&self) -> Result<()> {
        let folder = quoted(&self.0);
        let line = format!(
            "cd {folder} && chmod -R u=rwX,go=rX . && chmod 0775 {STATE} && \
             find root -type f \\( -path '*/bin/*' -o -name '*.so*' \\) -exec chmod 0755 {{}} +"
        );
        shell::run(&line, Path::new("/"))
    }
}

fn quoted(path: &Path) -> String {
    shell::quoted(&path.to_string_lossy())
}
