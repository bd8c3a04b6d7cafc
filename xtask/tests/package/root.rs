//! A machine to install on: the files of this one, and what is written to them goes to memory and away with the test.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::{output, works};

/// Mounts that only the keeper and who is sent to it see; they end with it.
pub(crate) struct Root {
    keeper: Child,
    folder: TempDir,
}

/// `$1` is a folder for it, and `$2` what is found at `/mnt`. `/run` is empty, so that no script finds a running systemd.
const KEEPER: &str = r#"
mount -t tmpfs tmpfs "$1" && cd "$1" && mkdir upper work root
mount -t overlay -o lowerdir=/,upperdir=upper,workdir=work overlay root
for folder in proc sys dev; do mount --rbind "/$folder" "root/$folder"; done
mount -t tmpfs tmpfs root/run
mount --bind "$2" root/mnt
echo ready
read -r _
"#;

impl Root {
    /// One where `/mnt` is `packages`; `None`, aloud, where nobody may mount.
    pub(crate) fn with(packages: &Path) -> Option<Self> {
        let mend = "run it as root, in a virtual machine rather than in a container";
        if !works("unshare --mount mount -t tmpfs tmpfs /mnt", mend) {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let mut keeper = Command::new("unshare")
            .args(["--mount", "sh", "-ec", KEEPER, "sh"])
            .args([folder.path(), packages])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(keeper.stdout.take().unwrap())
            .read_line(&mut said)
            .unwrap();
        assert_eq!(said, "ready\n");
        Some(Self { keeper, folder })
    }

    /// What a line of shell prints there, which must succeed.
    pub(crate) fn run(&self, line: &str) -> String {
        let (succeeded, said) = self.output(line);
        assert!(succeeded, "{line}:\n{said}");
        said
    }

    /// Whether a line of shell succeeds there, and what it prints.
    pub(crate) fn output(&self, line: &str) -> (bool, String) {
        let root = self.folder.path().join("root");
        output(
            Command::new("nsenter")
                .arg(format!("--mount=/proc/{}/ns/mnt", self.keeper.id()))
                .arg("chroot")
                .arg(root)
                .args(["sh", "-ec", line])
                .env_clear()
                .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
                .env("DEBIAN_FRONTEND", "noninteractive")
                .env("LC_ALL", "C.UTF-8"),
        )
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        // Its input ends with it, and so does the shell; the mounts go when nobody sees them.
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}
