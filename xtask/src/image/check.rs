//! Whether the images work: agents send to the server, each in a container, and the server writes what they measured to a file.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::kind::Kind;
use super::{Image, quoted};
use crate::shell;

/// How long anything may take: a start, a stop, the way of the first samples.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often it is looked for.
const PERIOD: Duration = Duration::from_millis(100);

/// A user that no image knows, as OpenShift gives one to each project.
const ANY_USER: (u32, u32) = (1_234_567, 0);

/// What the agents measure.
const MEASURED: &str = "kernel_cpu_time";

/// The name leads to this machine by the file `hosts`, so that the resolver of a static program has something to do.
const HOSTS: &str = "127.0.0.1 localhost server.alumet\n";

/// The network is that of the container of the server alone.
const SERVER: &str = "\
[plugins.relay-server]
address = \"0.0.0.0:50051\"
insecure = true

[plugins.csv]
output_path = \"samples.csv\"
";

/// The node of an agent, which is the word of a cell in the file of the server.
fn node(kind: Kind) -> String {
    format!("node-of-{}", kind.name())
}

fn agent(node: &str) -> String {
    format!(
        "[plugins.procfs]\n\n[plugins.relay-client]\nclient_name = \"{node}\"\n\
         relay_server = \"server.alumet:50051\"\ninsecure = true\n"
    )
}

/// Runs them below `folder`.
pub(super) fn run(images: &[Image], folder: &Path) -> Result<()> {
    let bundles = images.iter().map(|image| Bundle::unpack(image, folder));
    let bundles = bundles.collect::<Result<Vec<_>>>()?;
    for bundle in &bundles {
        bundle.keeps_state_in_its_own_folder()?;
    }
    let (servers, agents): (Vec<_>, Vec<_>) = bundles.iter().partition(|bundle| bundle.kind == Kind::Server);
    let server = servers.first().context("there is no image of the server")?;
    let samples = server.folder.join("state/samples.csv");
    let mut server = server.start(SERVER, None)?;
    let network = server.network()?;
    let mut running = Vec::new();
    for bundle in agents {
        running.push(bundle.start(&agent(&node(bundle.kind)), Some(&network))?);
    }
    for container in &mut running {
        let name = container.kind.name();
        let node = node(container.kind);
        let stored = || {
            let text = fs::read_to_string(&samples).unwrap_or_default();
            // Not what the server itself says about the node.
            let is_of_node =
                |line: &str| line.starts_with(MEASURED) && line.split(';').any(|cell| cell == node);
            text.lines().any(is_of_node).then_some(())
        };
        container
            .wait_for("a sample in the file of the server", stored)
            .with_context(|| format!("the server says:\n{}", server.said()))?;
        println!("works: what the image {name} measured, the image server has written");
    }
    for container in running.iter_mut().chain([&mut server]) {
        container.stop()?;
    }
    Ok(())
}

/// An unpacked image, which can be run.
#[derive(Debug)]
struct Bundle {
    kind: Kind,
    folder: PathBuf,
}

impl Bundle {
    fn unpack(image: &Image, folder: &Path) -> Result<Self> {
        let kind = image.kind;
        let folder = folder.join(kind.name());
        for part in ["configuration", "state"] {
            fs::create_dir_all(folder.join(part))
                .with_context(|| format!("cannot make {}", folder.display()))?;
        }
        fs::set_permissions(folder.join("state"), PermissionsExt::from_mode(0o770))?;
        fs::write(folder.join("hosts"), HOSTS)?;
        let [layout, bundle] = ["layout", "bundle"].map(|part| quoted(&folder.join(part)));
        let line = format!(
            "skopeo copy --quiet oci-archive:{} oci:{layout}:image && umoci unpack --image {layout}:image {bundle} && rm -r {layout}",
            quoted(&image.archive)
        );
        shell::run(&line, Path::new("/"))?;
        Ok(Self { kind, folder })
    }

    /// Writes a file to the folder for state, with nothing mounted: as the user of the image, and as any user.
    fn keeps_state_in_its_own_folder(&self) -> Result<()> {
        let command = |file| ["--config", file, "config", "regen"];
        self.launch("own-user", |config| {
            append(&mut config["process"]["args"], command("own-user.toml"));
        })?
        .finish()?;
        self.launch("any-user", |config| {
            restrict(config);
            append(&mut config["process"]["args"], command("any-user.toml"));
        })?
        .finish()
    }

    /// Starts what the image is for, as any user, without capabilities, and with a root that cannot be written.
    fn start(&self, configuration: &str, network: Option<&str>) -> Result<Container> {
        let file = format!("{}.toml", self.kind.binary().name());
        fs::write(self.folder.join("configuration").join(file), configuration)?;
        self.launch("service", |config| {
            restrict(config);
            config["root"]["readonly"] = json!(true);
            let bind = |part: &str, to: &str, access: &str| {
                let from = self.folder.join(part);
                json!({ "destination": to, "type": "bind", "source": from, "options": ["rbind", access] })
            };
            let mounts = [
                bind("configuration", "/etc/alumet", "ro"),
                bind("state", "/var/lib/alumet", "rw"),
                bind("hosts", "/etc/hosts", "ro"),
            ];
            append(&mut config["mounts"], mounts);
            if let Some(network) = network {
                let spaces = config["linux"]["namespaces"].as_array_mut();
                for space in spaces
                    .into_iter()
                    .flatten()
                    .filter(|space| space["type"] == "network")
                {
                    space["path"] = json!(network);
                }
            }
        })
    }

    fn launch(&self, task: &str, change: impl FnOnce(&mut Value)) -> Result<Container> {
        let place = self.folder.join("bundle/config.json");
        let original = self.folder.join("bundle/config.original.json");
        if !original.exists() {
            fs::copy(&place, &original)?;
        }
        let mut config: Value = serde_json::from_slice(&fs::read(&original)?)?;
        config["process"]["terminal"] = json!(false);
        // The hierarchies of control groups of this machine are not for the container to see.
        if let Some(mounts) = config["mounts"].as_array_mut() {
            mounts.retain(|mount| mount["type"] != "cgroup");
        }
        change(&mut config);
        fs::write(&place, config.to_string())?;

        let id = format!("alumet-{}-{task}-{}", self.kind.name(), std::process::id());
        let state = self.folder.join("runc");
        let log = self.folder.join(format!("{task}.log"));
        let pid = self.folder.join(format!("{task}.pid"));
        let file = File::create(&log)?;
        let child = Command::new("runc")
            .arg("--root")
            .arg(&state)
            .args(["run", "--no-new-keyring", "--pid-file"])
            .arg(&pid)
            .arg("--bundle")
            .arg(self.folder.join("bundle"))
            .arg(&id)
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .context("cannot run runc")?;
        Ok(Container {
            kind: self.kind,
            id,
            child,
            state,
            log,
            pid,
        })
    }
}

/// Takes all rights from the process.
fn restrict(config: &mut Value) {
    let (uid, gid) = ANY_USER;
    config["process"]["user"] = json!({ "uid": uid, "gid": gid });
    config["process"]["capabilities"] = json!({});
}

fn append<T: Into<Value>>(list: &mut Value, values: impl IntoIterator<Item = T>) {
    if let Some(list) = list.as_array_mut() {
        list.extend(values.into_iter().map(Into::into));
    }
}

/// A container, which is gone when this is.
#[derive(Debug)]
struct Container {
    kind: Kind,
    id: String,
    child: Child,
    /// Where runc keeps what it knows of it.
    state: PathBuf,
    log: PathBuf,
    pid: PathBuf,
}

impl Container {
    /// Where its network can be joined.
    fn network(&mut self) -> Result<String> {
        let file = self.pid.clone();
        let pid = self.wait_for("the start of its process", || {
            let pid = fs::read_to_string(&file).ok()?;
            pid.trim().parse::<u32>().ok()
        })?;
        Ok(format!("/proc/{pid}/ns/net"))
    }

    /// Looks for something until it is there, as long as the container runs.
    fn wait_for<T>(&mut self, what: &str, look: impl Fn() -> Option<T>) -> Result<T> {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look() {
                return Ok(found);
            }
            let status = self.child.try_wait()?;
            if status.is_some() || Instant::now() > end {
                let state = status.map_or("it still runs".to_owned(), |status| status.to_string());
                bail!(
                    "the image {} has not come to {what} ({state}); it says:\n{}",
                    self.kind.name(),
                    self.said()
                );
            }
            thread::sleep(PERIOD);
        }
    }

    /// Asks it to end, and waits until it has.
    fn stop(&mut self) -> Result<()> {
        self.runc("kill", "TERM")?;
        self.finish()
    }

    /// Waits for its end, which must be a good one.
    fn finish(&mut self) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        while self.child.try_wait()?.is_none() && Instant::now() < end {
            thread::sleep(PERIOD);
        }
        match self.child.try_wait()? {
            Some(status) if status.success() => Ok(()),
            Some(status) => bail!(
                "the image {} failed ({status}); it says:\n{}",
                self.kind.name(),
                self.said()
            ),
            None => bail!(
                "the image {} does not end; it says:\n{}",
                self.kind.name(),
                self.said()
            ),
        }
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn runc(&self, command: &str, argument: &str) -> Result<()> {
        let line = format!(
            "runc --root {} {command} {} {argument}",
            quoted(&self.state),
            self.id
        );
        shell::run(&line, Path::new("/"))
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // What has just ended by itself cannot be killed, and needs not.
            let _ = self.runc("kill", "KILL");
            let _ = self.child.wait();
        }
    }
}
