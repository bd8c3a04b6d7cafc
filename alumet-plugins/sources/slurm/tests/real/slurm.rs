//! A real Slurm on this machine: a controller and one node, in a folder of their own.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use alumet_plugin_slurm::SlurmPlugin;
use alumet_shared_cgroup_source::testkit::{pipeline_of, wait_until};

use super::cpu_time_of_job;

/// Programs that end with the value, the last one first.
struct Slurm {
    running: Vec<Child>,
    folder: tempfile::TempDir,
    node: String,
}

impl Slurm {
    /// One that takes jobs; `None`, with the reason printed, where it is not installed or cannot run.
    #[expect(clippy::print_stdout, reason = "a test says why it is skipped")]
    fn start() -> Option<Self> {
        for program in ["munged", "slurmctld", "slurmd", "sbatch", "squeue"] {
            if find(program).is_none() {
                println!("skipped: no {program}; apt-get install slurmctld slurmd slurm-client munge");
                return None;
            }
        }
        if !Path::new("/sys/fs/cgroup/cpuacct").is_dir() || !nix::unistd::geteuid().is_root() {
            println!("skipped: this Slurm needs root and the hierarchies of version 1");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let node = format!("alumet-test-{}", std::process::id());
        let mut slurm = Self {
            running: Vec::new(),
            folder,
            node,
        };
        let (controller, node) = (free_port(), free_port());
        slurm.configure(controller, node);
        let at = |name: &str| slurm.folder.path().join(name);
        let munge = [
            ("--key-file", "key"),
            ("--socket", "socket"),
            ("--pid-file", "munge.pid"),
            ("--seed-file", "seed"),
            ("--log-file", "munge.log"),
        ];
        let mut munged = Command::new("munged");
        munged.args(["-F", "--force"]);
        munged.args(munge.map(|(option, file)| format!("{option}={}", at(file).display())));
        let socket = at("socket");
        slurm.run(munged);
        assert!(wait_until(Duration::from_secs(20), || socket.exists()).is_some());
        let mut slurmctld = slurm.command("slurmctld");
        slurmctld.arg("-D");
        slurm.run(slurmctld);
        assert!(wait_until(Duration::from_secs(20), || listens(controller)).is_some());
        let mut slurmd = slurm.command("slurmd");
        slurmd.args(["-D", "-N", &slurm.node]);
        slurm.run(slurmd);
        let is_idle = || slurm.told("sinfo", &["-h", "-o", "%t"]).trim() == "idle";
        assert!(
            wait_until(Duration::from_secs(30), is_idle).is_some(),
            "{}",
            slurm.told("sinfo", &[])
        );
        Some(slurm)
    }

    fn configure(&self, controller: u16, node_port: u16) {
        let folder = self.folder.path();
        // Credentials are for everybody.
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
        let key: Vec<u8> = (0..=255).collect();
        fs::write(folder.join("key"), key).unwrap();
        fs::set_permissions(folder.join("key"), fs::Permissions::from_mode(0o400)).unwrap();
        let cgroup = "CgroupPlugin=cgroup/v1\nCgroupMountpoint=/sys/fs/cgroup\nCgroupAutomount=no\nConstrainRAMSpace=yes\n";
        fs::write(folder.join("cgroup.conf"), cgroup).unwrap();
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        let (at, host, node) = (folder.display(), host.trim(), &self.node);
        let text = format!(
            "ClusterName=test\nSlurmctldHost={host}(127.0.0.1)\nSlurmUser=root\nAuthType=auth/munge\n\
             AuthInfo=socket={at}/socket\nSlurmctldPort={controller}\nSlurmdPort={node_port}\n\
             StateSaveLocation={at}/state\nSlurmdSpoolDir={at}/spool\nSlurmctldPidFile={at}/ctld.pid\n\
             SlurmdPidFile={at}/d.pid\nSlurmctldLogFile={at}/ctld.log\nSlurmdLogFile={at}/d.log\n\
             ProctrackType=proctrack/cgroup\nTaskPlugin=task/cgroup\nJobAcctGatherType=jobacct_gather/cgroup\n\
             SelectType=select/cons_tres\nMpiDefault=none\nReturnToService=2\nSwitchType=switch/none\n\
             NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={node_port} CPUs=2 RealMemory=500 State=UNKNOWN\n\
             PartitionName=quick Nodes=ALL Default=YES MaxTime=INFINITE State=UP\n"
        );
        fs::write(folder.join("slurm.conf"), text).unwrap();
    }

    fn run(&mut self, mut command: Command) {
        let command = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        self.running.push(command.spawn().unwrap());
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(find(program).unwrap());
        command.env("SLURM_CONF", self.folder.path().join("slurm.conf"));
        command
    }

    /// What a program of Slurm prints.
    fn told(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.command(program).args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// Hands a script over, and gives the number of the job.
    fn submit(&self, script: &str, arguments: &[&str]) -> u64 {
        let mut all = vec!["--parsable", "-o", "/dev/null", "--wrap", script];
        all.extend(arguments);
        self.told("sbatch", &all).trim().parse().unwrap()
    }
}

impl Drop for Slurm {
    fn drop(&mut self) {
        for child in self.running.iter_mut().rev() {
            let _ = nix::sys::signal::kill(
                nix::unistd::Pid::from_raw(child.id() as i32),
                nix::sys::signal::Signal::SIGTERM,
            );
            let _ = child.wait();
        }
        // It leaves its group in each hierarchy.
        for hierarchy in fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten() {
            remove(&hierarchy.path().join(format!("slurm_{}", self.node)));
        }
    }
}

fn remove(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&entry.path());
        }
    }
    let _ = fs::remove_dir(folder);
}

fn find(program: &str) -> Option<PathBuf> {
    let folders = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"];
    let mut paths = folders.iter().map(|folder| Path::new(folder).join(program));
    paths.find(|path| path.is_file())
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

fn listens(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[test]
fn jobs_of_a_real_slurm_are_measured_with_their_steps_and_what_it_knows_about_them() {
    let Some(slurm) = Slurm::start() else { return };
    let config = format!(
        "poll_interval = '50ms'
         jobs_monitoring_level = 'task'
         job_attributes = ['partition', 'job_name']
         job_command = ['env', 'SLURM_CONF={}', 'squeue', '--json', '--jobs={{job}}']",
        slurm.folder.path().join("slurm.conf").display()
    );
    let (pipeline, recording) = pipeline_of::<SlurmPlugin>(toml::from_str(&config).unwrap());
    // Until it has used a second of CPU time (the 14th field counts hundredths), however busy the machine is.
    let busy = "srun sh -c 'while read -r stat < /proc/$$/stat; set -- $stat; [ ${14} -lt 100 ]; do i=0; while [ $i -lt 9999 ]; do i=$((i+1)); done; done'";
    let first = slurm.submit(busy, &["-J", "my job"]);
    // The tasks of an array are jobs with a number of their own.
    let array = slurm.submit("sleep 1", &["--array=1-2", "-J", "many"]);
    let is_done = || slurm.told("squeue", &["-h"]).trim().is_empty();
    assert!(
        wait_until(Duration::from_secs(60), is_done).is_some(),
        "{}",
        slurm.told("squeue", &[])
    );
    assert!(pipeline.stop(Duration::from_secs(60)).is_complete());
    let samples = recording.samples();
    let names = || {
        samples
            .iter()
            .map(|sample| sample.series.attributes().to_string())
    };
    let has = |parts: &[&str]| names().any(|name| parts.iter().all(|part| name.contains(part)));
    let job = format!("job_id={first}");
    assert!(has(&[&job, "job_name=my job", "partition=quick", "user_id=0"]));
    assert!(has(&[&job, "step=batch"]) && has(&[&job, "step=0", "task=0"]));
    assert!(has(&["job_name=many", &format!("job_id={array}")]), "{array}");
    let array_jobs: std::collections::BTreeSet<_> = samples
        .iter()
        .filter(|sample| sample.series.attributes().to_string().contains("job_name=many"))
        .filter_map(|sample| sample.series.attributes().get("job_id").map(ToString::to_string))
        .collect();
    assert_eq!(array_jobs.len(), 2);
    let used = cpu_time_of_job(&samples, first);
    assert!(
        (1_000_000_000..3_000_000_000).contains(&used),
        "{used} ns of a second and what Slurm needs"
    );
}
