//! Groups that OAR 2 makes: its own program that prepares a node for a job, in folders of the test.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use alumet_plugin_oar::OarPlugin;
use alumet_shared_cgroup_source::testkit::{be_busy_in, cpu_time_of, pipeline_of, wait_until_billed};

use super::cpu_time_of_job;

const PROGRAM: &str = "/etc/oar/job_resource_manager_cgroups.pl";
const HIERARCHIES: &str = "/sys/fs/cgroup";

/// A group in the hierarchies of version 1 that OAR uses; removed with the value.
struct Groups(String);

impl Groups {
    fn at(&self, controller: &str) -> PathBuf {
        Path::new(HIERARCHIES).join(controller).join(&self.0)
    }
}

const CONTROLLERS: [&str; 3] = ["cpuset", "cpuacct", "memory"];

impl Drop for Groups {
    fn drop(&mut self) {
        CONTROLLERS
            .iter()
            .for_each(|controller| remove(&self.at(controller)));
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

/// Lets OAR make the group of a job below another group.
fn prepare(groups: &Groups, job: &str) {
    let temporary = tempfile::tempdir().unwrap();
    let at = |name: &str| temporary.path().join(name);
    // It finds the hierarchies where it has linked them, so that it need not mount any.
    let links = at("links");
    fs::create_dir(&links).unwrap();
    for controller in CONTROLLERS {
        fs::create_dir(groups.at(controller)).unwrap();
        symlink(Path::new(HIERARCHIES).join(controller), links.join(controller)).unwrap();
    }
    for file in ["cpuset.cpus", "cpuset.mems"] {
        let all = fs::read(Path::new(HIERARCHIES).join("cpuset").join(file)).unwrap();
        fs::write(groups.at("cpuset").join(file), all).unwrap();
    }
    // It is run by a user who needs this to become root.
    fs::write(at("oardodo"), "#!/bin/sh\nexec \"$@\"\n").unwrap();
    fs::set_permissions(at("oardodo"), fs::Permissions::from_mode(0o755)).unwrap();
    let program = fs::read_to_string(PROGRAM).unwrap();
    let program = program.replace("/dev/oar_cgroups_links", links.to_str().unwrap());
    fs::write(at("manager.pl"), program).unwrap();
    let own = temporary.path().display();
    let node = format!(
        "+{{ job_id => 42, name => '{job}', cpuset_path => '/{}/oar', nodes => {{ n => ['0'] }},
            ssh_keys => {{ public => {{ file_name => '{own}/keys', key => '' }}, private => {{ file_name => '{own}/key', key => '' }} }},
            oar_tmp_directory => '{own}/tmp', user => 'root', job_user => 'root', types => {{}}, resources => [], log_level => 1,
            array_id => 42, array_index => 1, launching_directory => '/', project => '', stdout_file => '', stderr_file => '',
            walltime => '1:0:0', walltime_seconds => 3600, node_file_db_fields => 'x', node_file_db_fields_distinct_values => 'x' }}",
        groups.0
    );
    let path = format!("{own}:{}", std::env::var("PATH").unwrap());
    let mut perl = Command::new("perl");
    perl.arg(at("manager.pl")).arg("init").stdin(Stdio::piped());
    perl.env("TAKTUK_HOSTNAME", "n")
        .env("HOME", temporary.path())
        .env("PATH", path);
    let mut perl = perl.spawn().unwrap();
    perl.stdin.take().unwrap().write_all(node.as_bytes()).unwrap();
    let status = perl.wait().unwrap();
    assert!(groups.at("cpuacct").join("oar").join(job).is_dir(), "{status}");
}

#[test]
fn a_job_in_a_group_of_oar_2_is_measured_with_its_user() {
    let has_all = Path::new(PROGRAM).is_file() && Path::new(HIERARCHIES).join("cpuacct").is_dir();
    if !has_all || !nix::unistd::geteuid().is_root() {
        println!(
            "skipped: it needs root, the hierarchies of version 1, and OAR 2; apt-get install oar-server oar-node"
        );
        return;
    }
    let groups = Groups(format!("alumet-test-{}-oar2", std::process::id()));
    let config = toml::from_str("oar_version = 'oar2'\npoll_interval = '50ms'").unwrap();
    let (pipeline, recording) = pipeline_of::<OarPlugin>(config);
    prepare(&groups, "root_42");
    let job = groups.at("cpuacct").join("oar/root_42");
    be_busy_in(&job, Duration::from_millis(300));
    let billed = || cpu_time_of_job(&recording.samples(), 42);
    wait_until_billed("job 42", cpu_time_of(&job), billed);
    let path = format!("/{}/oar/root_42", groups.0);
    let is_whole =
        |name: String| name.contains(&path) && name.contains("user=root") && name.contains("user_id=0");
    assert!(
        recording
            .samples()
            .iter()
            .any(|sample| is_whole(sample.series.to_string()))
    );
    assert!(pipeline.stop(Duration::from_secs(60)).is_complete());
}
