//! The server and the agent as processes that are killed.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustix::process::{Resource, Rlimit, prlimit};
use tempfile::TempDir;

use crate::random::Random;

/// How long the end may take: everything that waits is sent and written.
const PATIENCE: Duration = Duration::from_secs(60);

/// The variable with the arguments of the counting agent, one per line.
pub(crate) const ARGUMENTS: &str = "ALUMET_CHAOS_ARGUMENTS";

/// Files as they were at some time.
#[derive(Default)]
pub(crate) struct Snapshot(BTreeMap<PathBuf, Vec<u8>>);

/// How the names of the files begin that the agent keeps, and those of the server with and without what it writes.
pub(crate) const OF_AGENT: &[&str] = &["counting-agent"];
pub(crate) const OF_SERVER: &[&str] = &["alumet-server", "out.csv"];
pub(crate) const SPOOL_OF_SERVER: &[&str] = &["alumet-server"];

/// The folder of a test.
pub(crate) struct Rig {
    folder: TempDir,
    port: u16,
    /// The disk of the spool of the server, if that has one of its own.
    disk: Option<SpoolDisk>,
}

/// A small disk in memory that only the server sees, because a mount namespace has it.
pub(crate) struct SpoolDisk {
    /// Keeps the namespace, also while the server is dead.
    holder: Child,
    path: PathBuf,
}

/// `alumet-server` at work.
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
    log: PathBuf,
    starts: u32,
}

/// The counting agent at work.
pub(crate) struct Agent {
    child: Child,
    number: usize,
    log: PathBuf,
    starts: u32,
}

impl Rig {
    pub(crate) fn new() -> Self {
        // Free now; nobody else on the machine takes it between two starts but by bad luck, which is told.
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let rig = Self {
            folder: tempfile::tempdir().unwrap(),
            port,
            disk: None,
        };
        rig.configure_server(0);
        rig
    }

    /// The spool of the server is on a disk of its own; `None` if this user cannot mount one.
    pub(crate) fn with_spool_disk() -> Option<Self> {
        let mut rig = Self::new();
        rig.disk = Some(SpoolDisk::mount(rig.path("disk"))?);
        rig.configure_server(0);
        Some(rig)
    }

    pub(crate) const fn disk(&self) -> Option<&SpoolDisk> {
        self.disk.as_ref()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Each number is another configuration, in which each plugin has a key that differs.
    fn configure_server(&self, number: u64) {
        let (port, capacity) = (self.port, 200_000 + number);
        let keepalive = 20 + number;
        let text = format!(
            "[plugins.relay-server]\naddress = '127.0.0.1:{port}'\nkeepalive = '{keepalive}s'\n\
             [plugins.csv]\noutput_path = 'out.csv'\nqueue.capacity = {capacity}\n"
        );
        let spool = self
            .disk
            .as_ref()
            .map_or("", |_| "[spool]\npath = 'disk/spool.db'\n");
        put(&self.path("server.toml"), &(text + spool));
    }

    /// The folder of an agent; that of the first is that of the test.
    pub(crate) fn of_agent(&self, agent: usize) -> PathBuf {
        match agent {
            0 => self.folder.path().to_owned(),
            agent => self.path(&format!("agent-{agent}")),
        }
    }

    fn configure_agent(&self, agent: usize, server: SocketAddr, number: u64) {
        let per_poll = if number == 0 { 20 } else { 100 + number % 2 };
        let keepalive = 20 + number;
        let text = format!(
            "pipeline.shutdown_timeout = '50s'\n[plugins.counting]\nper_poll = {per_poll}\n\
             [plugins.relay-client]\nclient_name = 'node-{agent}'\nrelay_server = '{server}'\n\
             keepalive = '{keepalive}s'\n\
             ack_timeout = '2s'\nretry = {{ initial_delay = '50ms', max_delay = '500ms' }}\n"
        );
        let folder = self.of_agent(agent);
        fs::create_dir_all(&folder).unwrap();
        put(&folder.join("agent.toml"), &text);
    }

    fn files(&self, prefixes: &[&str]) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths.filter(|path| begins(path, prefixes)).collect()
    }

    /// Moves the file of the server away as a tool does that rotates logs, or copies it and empties it.
    pub(crate) fn rotate(&self, server: &Server, number: u64, by_copy: bool) {
        let (path, rotated) = (self.path("out.csv"), self.path(&format!("out.{number:04}.csv")));
        if !by_copy {
            let _ = fs::rename(path, rotated);
            return;
        }
        // Nobody who copies and empties a file that is written can do without this.
        let pid = Pid::from_raw(server.pid().cast_signed());
        kill(pid, Signal::SIGSTOP).unwrap();
        if fs::copy(&path, rotated).is_ok() {
            File::options().write(true).truncate(true).open(path).unwrap();
        }
        kill(pid, Signal::SIGCONT).unwrap();
    }

    /// The texts of the file of the server and of those that it was before, oldest first.
    pub(crate) fn written(&self) -> Vec<String> {
        let mut files = self.files(&["out."]);
        files.sort();
        files
            .into_iter()
            .map(|path| fs::read_to_string(path).unwrap())
            .collect()
    }

    /// Takes a copy of files that nobody uses.
    pub(crate) fn snapshot(&self, prefixes: &[&str]) -> Snapshot {
        let files = self.files(prefixes).into_iter();
        Snapshot(
            files
                .map(|path| (path.clone(), fs::read(path).unwrap()))
                .collect(),
        )
    }

    /// Puts such a copy in place of what is there.
    pub(crate) fn restore(&self, prefixes: &[&str], snapshot: &Snapshot) {
        for path in self.files(prefixes) {
            fs::remove_file(path).unwrap();
        }
        for (path, content) in snapshot.0.iter().filter(|(path, _)| begins(path, prefixes)) {
            fs::write(path, content).unwrap();
        }
    }

    /// Flips a bit in the journal of a spool that nobody uses: one of those of which it can be found out which it was.
    pub(crate) fn flip_a_bit(&self, prefixes: &[&str], random: &mut Random) {
        let journals = self.files(prefixes).into_iter();
        for path in { journals }.filter(|path| path.to_string_lossy().ends_with("-wal")) {
            let mut content = fs::read(&path).unwrap();
            if content.is_empty() {
                continue;
            }
            let bit = random.below(content.len() as u64 / 4) as usize * 32 + random.below(20) as usize;
            content[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, content).unwrap();
        }
    }

    /// Leaves everything for whoever wants to look at it.
    pub(crate) fn keep(self) -> PathBuf {
        self.folder.keep()
    }

    fn spawn(folder: &Path, command: &mut Command, log: &Path) -> Child {
        let log = File::options().create(true).append(true).open(log).unwrap();
        command
            .current_dir(folder)
            .env_remove("ALUMET_CONFIG")
            .env("RUST_LOG", "info")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap()
    }
}

/// Replaces a file as one should whose reader may begin at any time.
fn put(path: &Path, text: &str) {
    let new = path.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::rename(new, path).unwrap();
}

fn begins(path: &Path, prefixes: &[&str]) -> bool {
    let name = path.file_name().unwrap().to_string_lossy();
    prefixes.iter().any(|prefix| name.starts_with(prefix))
}

fn reload(child: &Child) {
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGHUP).unwrap();
}

fn end(child: &mut Child, log: &Path) -> String {
    let pid = Pid::from_raw(child.id().cast_signed());
    kill(pid, Signal::SIGTERM).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while child.try_wait().unwrap().is_none() {
        assert!(
            Instant::now() < deadline,
            "it does not end: {}",
            fs::read_to_string(log).unwrap()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    fs::read_to_string(log).unwrap()
}

impl Server {
    pub(crate) fn start(rig: &Rig) -> Self {
        let log = rig.path("server.log");
        let program = env!("CARGO_BIN_EXE_alumet-server");
        let mut command = match &rig.disk {
            None => Command::new(program),
            Some(disk) => {
                let mut command = disk.enter();
                command.args(["sh", "-c", "cd \"$0\" && exec \"$@\""]);
                command.arg(rig.folder.path()).arg(program);
                command
            }
        };
        command.args(["--config", "server.toml", "run"]);
        Self {
            child: Rig::spawn(rig.folder.path(), &mut command, &log),
            address: SocketAddr::from(([127, 0, 0, 1], rig.port)),
            log,
            starts: 1,
        }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn kill_and_restart(&mut self, rig: &Rig) {
        self.kill();
        self.restart(rig);
    }

    pub(crate) fn restart(&mut self, rig: &Rig) {
        let starts = self.starts + 1;
        *self = Self::start(rig);
        self.starts = starts;
    }

    /// Gives it another configuration while it works.
    pub(crate) fn reload(&self, rig: &Rig, number: u64) {
        rig.configure_server(number);
        reload(&self.child);
    }

    pub(crate) fn wait_until_reachable(&self) {
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(self.address).is_err() {
            assert!(Instant::now() < deadline, "nobody listens at {}", self.address);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends it in order; gives its log.
    pub(crate) fn end(mut self) -> String {
        end(&mut self.child, &self.log)
    }
}

/// What an agent says that ends before everything is sent.
const LEFT: &str = "the rest waits in the spool";

impl Agent {
    pub(crate) fn start(rig: &Rig, number: usize, server: SocketAddr) -> Self {
        let folder = rig.of_agent(number);
        let log = folder.join("agent.log");
        rig.configure_agent(number, server, 0);
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "counting_agent", "--ignored", "--nocapture"])
            .env(ARGUMENTS, "counting-agent\n--config\nagent.toml\nrun");
        Self {
            child: Rig::spawn(&folder, &mut command, &log),
            number,
            log,
            starts: 1,
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Gives it another configuration while it works.
    pub(crate) fn reload(&self, rig: &Rig, server: SocketAddr, number: u64) {
        rig.configure_agent(self.number, server, number);
        reload(&self.child);
    }

    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }

    pub(crate) fn kill_and_restart(&mut self, rig: &Rig, server: SocketAddr) {
        self.kill();
        self.restart(rig, server);
    }

    pub(crate) fn restart(&mut self, rig: &Rig, server: SocketAddr) {
        let starts = self.starts + 1;
        *self = Self::start(rig, self.number, server);
        self.starts = starts;
    }

    /// Ends it in order; what it has is sent before.
    pub(crate) fn drain(&mut self) {
        end(&mut self.child, &self.log);
    }

    /// Ends it in order; gives its log. It is begun again if a server on a busy machine took longer than an agent waits for at
    /// its end, which is no loss.
    pub(crate) fn end(mut self, rig: &Rig, server: SocketAddr) -> String {
        for _ in 0..10 {
            let log = end(&mut self.child, &self.log);
            let last = log.trim_end().lines().next_back();
            if !last.is_some_and(|last| last.contains(LEFT)) {
                return log;
            }
            self.restart(rig, server);
            std::thread::sleep(Duration::from_secs(5));
        }
        end(&mut self.child, &self.log)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.kill();
    }
}

impl SpoolDisk {
    /// Larger than all that waits.
    const SIZE: &str = "size=16m";

    fn mount(path: PathBuf) -> Option<Self> {
        fs::create_dir(&path).unwrap();
        // A second way to it, so that it is still there when it was taken away, and nothing can be written then.
        fs::create_dir(path.with_extension("kept")).unwrap();
        let script = format!(
            "mount -t tmpfs -o {} tmpfs \"$0.kept\" && mount -t tmpfs -o ro tmpfs \"$0\" \
             && mount --bind \"$0.kept\" \"$0\" && touch \"$0/mounted\" && exec sleep infinity",
            Self::SIZE
        );
        let mut holder = Command::new("unshare");
        holder
            .args(["--mount", "sh", "-c", &script])
            .arg(&path)
            .stderr(Stdio::null());
        let disk = Self {
            holder: holder.spawn().ok()?,
            path,
        };
        let deadline = Instant::now() + PATIENCE;
        let is_mounted = || disk.run(&["sh", "-c", "test -e \"$0/mounted\""]);
        while !is_mounted() {
            let has_ended = Path::new(&format!("/proc/{}/ns/mnt", disk.holder.id()))
                .symlink_metadata()
                .is_err();
            if has_ended || Instant::now() > deadline {
                return None;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Some(disk)
    }

    fn enter(&self) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--mount", "--target", &self.holder.id().to_string()]);
        command
    }

    /// Runs a command with the path of the disk as its last argument; says whether it went well.
    fn run(&self, command: &[&str]) -> bool {
        let status = self
            .enter()
            .args(command)
            .arg(&self.path)
            .stderr(Stdio::null())
            .status();
        status.is_ok_and(|status| status.success())
    }

    /// Lets nothing be written, or again; only while no file is open for that.
    pub(crate) fn make_read_only(&self, is_read_only: bool) {
        let option = if is_read_only { "remount,ro" } else { "remount,rw" };
        assert!(self.run(&["mount", "-o", option]));
    }

    /// Takes it away from under those who use it, or gives it back.
    pub(crate) fn take_away(&self, is_away: bool) {
        let script = match is_away {
            true => "umount --lazy \"$0\"",
            false => "mount --bind \"$0.kept\" \"$0\"",
        };
        assert!(self.run(&["sh", "-c", script]));
    }

    /// Fills it, or makes room again.
    pub(crate) fn fill(&self, is_full: bool) {
        let script = match is_full {
            true => "cat /dev/zero > \"$0/filler\"",
            false => "rm -f \"$0/filler\"",
        };
        self.run(&["sh", "-c", script]);
    }
}

impl Drop for SpoolDisk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// Lets no file of a process grow, as a full disk would not, until it is dropped.
pub(crate) fn fill_disk_of(pid: u32) -> FullDisk {
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
    let limit = Rlimit {
        current: Some(1),
        maximum: None,
    };
    let old = prlimit(Some(pid), Resource::Fsize, limit).ok();
    FullDisk { pid, old }
}

/// Ends with the disk having room again.
pub(crate) struct FullDisk {
    pid: rustix::process::Pid,
    old: Option<Rlimit>,
}

impl Drop for FullDisk {
    fn drop(&mut self) {
        if let Some(old) = self.old.take() {
            // The process may be dead.
            let _ = prlimit(Some(self.pid), Resource::Fsize, old);
        }
    }
}

/// Lets a process have only so many bytes of address space more than it has: what it allocates beyond that fails.
pub(crate) fn take_memory_of(pid: u32, bytes: u64) {
    // The process may be dead.
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:"));
    let kibibytes = size.and_then(|size| size.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
    let current = kibibytes.map(|kibibytes| kibibytes * 1024 + bytes);
    let limit = Rlimit {
        current,
        maximum: None,
    };
    let _ = prlimit(Some(pid), Resource::As, limit);
}

/// A control group with little memory, in which the system kills whoever needs more.
pub(crate) struct SmallMemory(PathBuf);

impl SmallMemory {
    /// Lets a process have only so many bytes besides those that it has; `None` if this user cannot limit memory.
    pub(crate) fn of(pid: u32, bytes: u64) -> Option<Self> {
        let versions = [
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            ("/sys/fs/cgroup", "memory.max"),
        ];
        versions.into_iter().find_map(|(root, limit)| {
            let folder = Path::new(root).join(format!("alumet-chaos-{pid}"));
            fs::create_dir(&folder).ok()?;
            let group = Self(folder);
            let set = |name: &str, value: u64| {
                let mut file = File::options().write(true).open(group.0.join(name)).ok()?;
                file.write_all(value.to_string().as_bytes()).ok()
            };
            set(limit, bytes)?;
            // What it has stays in the account of its old group.
            set("cgroup.procs", pid.into())?;
            Some(group)
        })
    }
}

impl Drop for SmallMemory {
    /// When its process has ended.
    fn drop(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while fs::remove_dir(&self.0).is_err() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
