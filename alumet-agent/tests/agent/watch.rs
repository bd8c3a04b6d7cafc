//! `watch`.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use alumet_reader_cgroupfs::testkit::OwnGroup;
use alumet_shared_http_delivery::testkit::TestServer;
use nix::sys::signal::Signal;

use crate::csv::{lines_of, lines_per_tick, of_process};
use crate::program::{Ended, Folder, load, procfs_with, wait_until};

/// A process that is killed when the test ends.
struct Sleeper(Child);

impl Sleeper {
    fn new(seconds: &str) -> Self {
        Self(
            Command::new("sleep")
                .arg(seconds)
                .stdin(Stdio::null())
                .spawn()
                .unwrap(),
        )
    }

    /// One that does not sleep at all, in a control group by its directory.
    fn busy_in(group: &Path) -> Self {
        let work = format!("echo 0 > {}/cgroup.procs; while :; do :; done", group.display());
        Self(Command::new("sh").args(["-c", &work]).spawn().unwrap())
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn config() -> String {
    let processes = "processes.strategy = 'event'";
    format!(
        "[plugins.csv]\noutput_path = 'out.csv'\n{}",
        procfs_with(processes)
    )
}

#[test]
fn a_process_is_followed_to_its_end() {
    let folder = Folder::new();
    folder.write("alumet-config.toml", config());
    let mut sleeper = Sleeper::new("3");
    let agent = folder.start(&["watch", &sleeper.pid().to_string()]);
    let pid = sleeper.pid();
    sleeper.0.wait().unwrap();
    let ended = agent.wait();
    ended
        .expect_code(0)
        .expect_stderr(&[&format!("process {pid}: it has ended"), "duration", "peak memory"]);
    let lines = of_process(&lines_of(&folder.path("out.csv")), pid);
    assert!(
        !lines_per_tick(&lines, "memory_usage").is_empty(),
        "no sample of the process"
    );
}

#[test]
fn signals_end_watching_while_the_process_goes_on() {
    let folder = Folder::new();
    folder.write("alumet-config.toml", config());
    let mut sleeper = Sleeper::new("60");
    let mut agent = folder.start(&["watch", &sleeper.pid().to_string()]);
    agent.wait_for_log("the plugin has started plugin=\"procfs\"");
    wait_until("a thread that watches", || {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", agent.pid()))
            .unwrap()
            .flatten();
        let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
        names
            .into_iter()
            .any(|name| name.trim() == "alumet-watch")
            .then_some(())
    });
    // Both at once, as `timeout` does: that is one request, and drops nothing.
    agent.signal(Signal::SIGINT);
    let ended = agent.stop(Signal::SIGTERM);
    ended.expect_code(0).expect_stderr(&["came, it goes on"]);
    assert!(!ended.stderr.contains("second signal"), "{}", ended.stderr);
    assert!(sleeper.0.try_wait().unwrap().is_none(), "the process must live");
    let lines = of_process(&lines_of(&folder.path("out.csv")), sleeper.pid());
    assert!(
        lines_per_tick(&lines, "memory_usage").len() >= 2,
        "a first and a last sample"
    );
}

#[test]
fn a_process_that_does_not_exist_is_an_error_of_usage() {
    let folder = Folder::new();
    folder.write("alumet-config.toml", load());
    // Above the largest number that Linux gives.
    let ended = folder.run(&["watch", "4194305"]);
    ended
        .expect_code(2)
        .expect_stderr(&["there is no process 4194305", "help: ", "ps -e"]);
    folder
        .run(&["watch", "4294967295"])
        .expect_code(2)
        .expect_stderr(&["there is no process 4294967295"]);
    folder.run(&["watch", "0"]).expect_code(2);
    folder.run(&["watch", "init"]).expect_code(2);
}

#[test]
fn a_thread_is_no_process_and_the_message_names_its_process() {
    let folder = Folder::new();
    folder.write("alumet-config.toml", load());
    let (tell, tid) = channel();
    let (release, wait) = channel::<()>();
    let thread = std::thread::spawn(move || {
        tell.send(nix::unistd::gettid()).unwrap();
        let _ = wait.recv();
    });
    let tid = tid.recv().unwrap();
    let ended = folder.run(&["watch", &tid.to_string()]);
    ended.expect_code(2).expect_stderr(&[
        &format!("{tid} is a thread, not a process"),
        &format!("help: watch its process, which is {}", std::process::id()),
    ]);
    drop(release);
    thread.join().unwrap();
}

/// Runs `script` in namespaces of its own; `None`, and a word about it, where this user may not make them.
#[expect(clippy::print_stderr, reason = "a test that checks nothing says so")]
pub(crate) fn in_namespaces(folder: &Folder, kinds: &[&str], script: &str) -> Option<Ended> {
    let allowed = Command::new("unshare").args(kinds).arg("true").status();
    if !allowed.is_ok_and(|status| status.success()) {
        eprintln!("skipped: this user may not make namespaces");
        return None;
    }
    let agent = folder.command(&[]);
    let mut shell = Command::new("unshare");
    shell
        .args(kinds)
        .args(["sh", "-c", script])
        .arg(agent.get_program())
        .current_dir(folder.path(""));
    Some(folder.start_command(shell).wait())
}

const BUSY: &str = "sh -c 'while :; do :; done' busy";

#[test]
fn a_pid_of_another_namespace_than_that_of_proc_is_translated() {
    let folder = Folder::new();
    folder.write("alumet-config.toml", config());
    let script = format!("{BUSY} & sleep 0.2; timeout -s INT 2 \"$0\" watch $!; kill $!");
    let Some(ended) = in_namespaces(&folder, &["--pid", "--fork"], &script) else {
        return;
    };
    // `/proc/2` of the parent is `kthreadd`, or somebody else.
    let title = ended.stderr.split("process 2 (").nth(1).unwrap();
    let number: u32 = title.split(' ').next().unwrap().parse().unwrap();
    assert_ne!(number, 2);
    let lines = of_process(&lines_of(&folder.path("out.csv")), number);
    let busy: f64 = lines
        .iter()
        .filter(|line| line.metric == "process_tree_cpu_time_ns")
        .map(|line| line.value)
        .sum();
    assert!(busy > 1e8, "{busy} ns: {}", ended.stderr);
}

#[test]
fn a_process_that_proc_does_not_show_is_refused_with_the_reason() {
    let folder = Folder::new();
    folder.write("alumet-config.toml", config());
    // The mount belongs to a namespace that ends before: this process is not in it.
    let script = "unshare --pid --fork --kill-child mount -t proc proc /proc; sleep 30 & \"$0\" watch $!; kill $!; exit 0";
    let Some(ended) = in_namespaces(&folder, &["--mount"], script) else {
        return;
    };
    ended.expect_stderr(&["belongs to another PID namespace", "help: mount the proc"]);
    assert!(!folder.path("out.csv").exists());
}

#[test]
fn a_process_that_is_hidden_from_this_user_is_told_to_be_hidden_at_once() {
    let folder = Folder::new();
    folder.write("alumet-config.toml", config());
    let agent = folder.path("agent");
    std::fs::copy(folder.command(&[]).get_program(), &agent).unwrap();
    let script = "mount -t proc -o hidepid=2 proc /proc && chmod 777 . && \
                  exec setpriv --reuid 65534 --regid 65534 --clear-groups ./agent watch 1";
    let Some(ended) = in_namespaces(&folder, &["--mount"], script) else {
        return;
    };
    ended
        .expect_code(1)
        .expect_stderr(&["the process 1 is hidden from this user", "help: run as root"]);
    assert!(!folder.path("out.csv").exists());
}

#[test]
fn descendants_of_a_watched_process_are_measured_with_it() {
    let folder = Folder::new();
    folder.write("alumet-config.toml", config());
    let script = "i=0; while [ $i -lt 30 ]; do sh -c 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done'; i=$((i+1)); done";
    let mut shell = Command::new("sh").args(["-c", script]).spawn().unwrap();
    let ended = folder.run(&["watch", &shell.id().to_string()]);
    shell.wait().unwrap();
    ended.expect_code(0);
    let lines = of_process(&lines_of(&folder.path("out.csv")), shell.id());
    let sum = |metric: &str| {
        lines
            .iter()
            .filter(|line| line.metric == metric)
            .map(|line| line.value)
            .sum::<f64>()
    };
    let (tree, alone) = (sum("process_tree_cpu_time_ns"), sum("cpu_time_delta_ns"));
    assert!(tree > 5.0 * alone, "{tree} ns of all, {alone} ns of the shell");
}

#[test]
fn all_processes_of_an_application_are_one_and_those_that_begin_later_count() {
    let folder = Folder::new();
    folder.write("alumet-config.toml", config());
    // Programs with a name that no other one has.
    let name = format!("load{}", std::process::id());
    let load = folder.path(&name);
    std::fs::copy("/bin/sh", &load).unwrap();
    let busy = |seconds: &str| {
        let script = "i=0; while [ $i -lt 400000 ]; do i=$((i+1)); done; sleep $0; exit 0";
        Sleeper(Command::new(&load).args(["-c", script, seconds]).spawn().unwrap())
    };
    let _first = busy("60");
    let arguments = [
        "watch",
        "--app",
        "load[0-9]+",
        "--for",
        "4s",
        "--summary-json",
        "s.json",
        "--interval",
        "50ms",
    ];
    let mut agent = folder.start(&arguments);
    agent.wait_for_log("the plugin has started plugin=\"procfs\"");
    let mut later = busy("0");
    later.0.wait().unwrap();
    let ended = agent.wait();
    ended
        .expect_code(0)
        .expect_stderr(&["all processes called load[0-9]+", "its time is over", &name]);
    let summary: serde_json::Value = serde_json::from_str(&folder.read("s.json")).unwrap();
    let cpu = summary["usage"]["cpu_user_seconds"].as_f64().unwrap();
    assert!(cpu > 0.01, "{summary}");
    let lines = lines_of(&folder.path("out.csv"));
    let is_app = |line: &&crate::csv::Line| line.consumer == ("app".to_owned(), "load[0-9]+".to_owned());
    assert!(
        lines
            .iter()
            .filter(is_app)
            .any(|line| line.metric.starts_with("process_tree_cpu_time"))
    );
    folder
        .run(&["watch", "--app", "("])
        .expect_code(2)
        .expect_stderr(&["--app", "regular expression"]);
}

#[test]
fn a_control_group_is_watched_until_it_is_removed() {
    let Some(group) = OwnGroup::make("watched") else {
        return;
    };
    let folder = Folder::new();
    folder.write("alumet-config.toml", config());
    let path = group.path().to_string();
    let arguments = [
        "watch",
        "--cgroup",
        &path,
        "--summary-json",
        "s.json",
        "--interval",
        "50ms",
    ];
    let mut agent = folder.start(&arguments);
    agent.wait_for_log("the plugin has started plugin=\"procfs\"");
    let enter = format!(
        "echo 0 > {}/cgroup.procs; i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done",
        group.folder().display()
    );
    assert!(
        Command::new("sh")
            .args(["-c", &enter])
            .status()
            .unwrap()
            .success()
    );
    std::thread::sleep(Duration::from_millis(300));
    drop(group);
    let ended = agent.wait();
    ended.expect_code(0).expect_stderr(&[&path, "it has ended"]);
    let summary: serde_json::Value = serde_json::from_str(&folder.read("s.json")).unwrap();
    assert!(
        summary["usage"]["cpu_user_seconds"].as_f64().unwrap() > 0.005,
        "{summary}"
    );
    folder
        .run(&["watch", "--cgroup", "/no/such/group"])
        .expect_code(2)
        .expect_stderr(&["/no/such/group"]);
    folder
        .run(&["watch", "--unit", "no-such-unit"])
        .expect_code(2)
        .expect_stderr(&["no-such-unit.service", "systemctl"]);
}

#[test]
fn a_job_is_watched_by_its_number_and_others_are_named() {
    let Some(group) = OwnGroup::make("jobs") else {
        return;
    };
    let job = format!("9{}", std::process::id());
    let task = format!("node_slurmstepd.scope/job_{job}/step_0/user/task_0");
    let task = group.folder().join(task);
    std::fs::create_dir_all(&task).unwrap();
    let _busy = Sleeper::busy_in(&task);
    let folder = Folder::new();
    folder.write(
        "alumet-config.toml",
        "[plugins.csv]\noutput_path = 'out.csv'\n[plugins.slurm]\nhierarchy = 'v2'\n",
    );
    let watch = |job: &str, arguments: &[&str]| {
        folder.run(&[&["watch", "--slurm-job", job, "--for", "1s"], arguments].concat())
    };
    watch(&job, &["--summary-json", "s.json"])
        .expect_code(0)
        .expect_stderr(&[&format!("job of Slurm {job}: its time is over")]);
    let summary: serde_json::Value = serde_json::from_str(&folder.read("s.json")).unwrap();
    let user = summary["usage"]["cpu_user_seconds"].as_f64().unwrap();
    assert!(user > 0.03, "{summary}");
    watch("1", &[])
        .expect_code(2)
        .expect_stderr(&["there is no job of Slurm 1", &job]);
}

#[test]
fn a_container_is_watched_by_its_name() {
    let Some(group) = OwnGroup::make("containers") else {
        return;
    };
    let name = format!("web{}", std::process::id());
    let container = group.child(&format!("lxc.payload.{name}"));
    let _busy = Sleeper::busy_in(container.folder());
    let folder = Folder::new();
    folder.write(
        "alumet-config.toml",
        "[plugins.csv]\noutput_path = 'out.csv'\n[plugins.containers]\nhierarchy = 'v2'\nnames = 'never'\n",
    );
    let watch = |name: &str, arguments: &[&str]| {
        folder.run(&[&["watch", "--container", name, "--for", "1s"], arguments].concat())
    };
    watch(&name, &["--summary-json", "s.json"])
        .expect_code(0)
        .expect_stderr(&[&name, "its time is over"]);
    let summary: serde_json::Value = serde_json::from_str(&folder.read("s.json")).unwrap();
    let user = summary["usage"]["cpu_user_seconds"].as_f64().unwrap();
    assert!(user > 0.03, "{summary}");
    watch("no-such-container", &[])
        .expect_code(2)
        .expect_stderr(&["no-such-container", &name]);
}

#[test]
fn a_container_that_is_not_there_when_all_names_are_known_is_not_waited_for() {
    let Some(group) = OwnGroup::make("later") else {
        return;
    };
    let name = format!("late{}", std::process::id());
    let folder = Folder::new();
    folder.write(
        "alumet-config.toml",
        "[plugins.csv]\noutput_path = 'out.csv'\n[plugins.containers]\nhierarchy = 'v2'\nnames = 'never'\n",
    );
    let mut agent = folder.start(&["watch", "--container", &name, "--for", "1s"]);
    // Whoever waits for 10 s finds the one that comes before.
    let mut looks = 0..800;
    while looks.next().is_some() && !agent.has_ended() {
        std::thread::sleep(Duration::from_millis(10));
    }
    let _late = group.child(&format!("lxc.payload.{name}"));
    agent.wait().expect_code(2).expect_stderr(&[&name]);
}

#[test]
fn a_pod_is_watched_by_the_name_that_its_kubelet_tells() {
    let Some(group) = OwnGroup::make("watched-pods") else {
        return;
    };
    let uid = format!("00000000-0000-4000-9000-{:012}", std::process::id());
    let pod = group.child(&format!("kubepods-pod{}.slice", uid.replace('-', "_")));
    let container = pod.child("cri-containerd-0123456789abcdef.scope");
    let _busy = Sleeper::busy_in(container.folder());
    let pods = serde_json::json!({ "kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": [{
        "metadata": { "name": "web", "namespace": "shop", "uid": uid },
        "spec": { "nodeName": "n", "containers": [] },
    }] });
    let kubelet = TestServer::answering(move |_| ("200 OK", pods.to_string())).unwrap();
    let folder = Folder::new();
    let config = format!(
        "[plugins.csv]\noutput_path = 'out.csv'\n[plugins.k8s]\nhierarchy = 'v2'\nk8s_node = 'n'\nnames_from = 'kubelet'\n\
         kubelet_url = '{}'\npath = '{}'\n",
        kubelet.url(),
        group.path()
    );
    folder.write("alumet-config.toml", &config);
    let watch = |pod: &str, arguments: &[&str]| {
        folder.run(&[&["watch", "--pod", pod, "--for", "1s"], arguments].concat())
    };
    watch("shop/web", &["--summary-json", "s.json"])
        .expect_code(0)
        .expect_stderr(&["shop/web", "its time is over"]);
    let summary: serde_json::Value = serde_json::from_str(&folder.read("s.json")).unwrap();
    let user = summary["usage"]["cpu_user_seconds"].as_f64().unwrap();
    assert!(user > 0.03, "{summary}");
    let began = Instant::now();
    watch("shop/wev", &[])
        .expect_code(2)
        .expect_stderr(&["shop/wev", "shop/web"]);
    // All pods are known by then, and names are waited for for 20 s.
    assert!(began.elapsed() < Duration::from_secs(15));
    folder.write(
        "alumet-config.toml",
        config.replace(&kubelet.url(), "http://127.0.0.1:1"),
    );
    watch("shop/web", &[]).expect_code(2).expect_stderr(&[
        "there is no pod shop/web",
        "of 1 control groups something is missing (",
    ]);
}

#[test]
fn a_pod_without_a_name_is_measured_once_and_named_by_whoever_is_asked_how_things_are() {
    let Some(group) = OwnGroup::make("pods") else {
        return;
    };
    let uid = format!("00000000-0000-4000-8000-{:012}", std::process::id());
    let pod = group.child(&format!("kubepods-pod{}.slice", uid.replace('-', "_")));
    let folder = Folder::new();
    let config = format!(
        "[plugins.csv]\noutput_path = 'out.csv'\n[plugins.socket-control]\nsocket_path = '{}'\n\
         [plugins.cgroups]\nhierarchy = 'v2'\npoll_interval = '50ms'\ninclude = ['{}/**']\n\
         [plugins.k8s]\nhierarchy = 'v2'\npoll_interval = '50ms'\nk8s_node = 'n'\nk8s_api_url = 'http://127.0.0.1:1'\n\
         start_spread = '0s'\n",
        folder.path("control.sock").display(),
        group.path(),
    );
    folder.write("alumet-config.toml", config);
    let mut agent = folder.start(&["run"]);
    agent.wait_for_log("127.0.0.1:1");
    let path = pod.path().to_string();
    let told = wait_until("the pod is named", || {
        let doctor = folder.run(&["doctor"]);
        doctor.stdout.contains(&path).then_some(doctor.stdout)
    });
    assert!(told.contains("running now"), "{told}");
    let status = folder.run(&["ctl", "status"]);
    assert!(status.stdout.contains(&path), "{}", status.stdout);
    drop(pod);
    wait_until("the pod is gone", || {
        let status = folder.run(&["ctl", "status"]);
        (!status.stdout.contains(&path)).then_some(())
    });
    let ended = agent.stop(Signal::SIGTERM);
    assert!(!ended.expect_code(0).stderr.contains("ERROR"), "{}", ended.stderr);
    let text = folder.read("out.csv");
    let of_pod: Vec<_> = text.lines().filter(|line| line.contains(&path)).collect();
    assert!(!of_pod.is_empty());
    assert!(of_pod.iter().all(|line| line.contains(&uid)), "{of_pod:#?}");
    let of_parent = format!("{}", group.path());
    let is_of_parent = |line: &&str| line.contains(&of_parent) && !line.contains(&path);
    assert!(text.lines().any(|line| is_of_parent(&line)), "{text}");
}
