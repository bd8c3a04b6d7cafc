//! The scope of systemd that a user gets who may not divide the control group of his session.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use alumet_reader_cgroupfs::testkit::OwnGroup;
use tokio::runtime::Runtime;
use tokio_stream::StreamExt;
use zbus::connection::Builder;
use zbus::{MessageStream, ObjectPath};

use crate::program::{Ended, Folder, is_installed, wait_until};
use crate::run_group::summary;
use crate::watch::in_namespaces;

/// `nobody`.
const USER: u32 = 65534;

/// Becomes that user, and is seen by the bus.
const AS_USER: &str = "setpriv --reuid 65534 --regid 65534 --clear-groups";

/// A user who has logged in: his session, which is not his to divide, and his service manager.
struct Login {
    group: OwnGroup,
    folder: Folder,
}

impl Login {
    fn new(name: &str) -> Option<Self> {
        let group = OwnGroup::make(name)?;
        let folder = Folder::measuring("processes.strategy = 'event'");
        fs::copy(folder.command(&[]).get_program(), folder.path("agent")).unwrap();
        fs::set_permissions(folder.path(""), fs::Permissions::from_mode(0o777)).unwrap();
        let login = Self { group, folder };
        let manager = login.group_of(&format!("user@{USER}.service"));
        for path in [&login.group_of("session-1.scope"), &manager] {
            fs::create_dir_all(path).unwrap();
        }
        let its_own =
            ["", "cgroup.procs", "cgroup.threads", "cgroup.subtree_control"].map(|file| manager.join(file));
        // Without a manager of the machine, which would move processes on behalf of that of the user.
        for path in its_own.iter().chain([&login.group_of("cgroup.procs")]) {
            chown(path, Some(USER), None).unwrap();
        }
        Some(login)
    }

    fn group_of(&self, name: &str) -> PathBuf {
        let user = self.group.folder().join(format!("user-{USER}.slice"));
        user.join(name)
    }

    /// Runs `script` in the session, as its user.
    fn run(&self, script: &str) -> Ended {
        let mut shell = Command::new("sh");
        let session = self.group_of("session-1.scope");
        let enter = format!(
            "echo 0 > {}/cgroup.procs && exec {AS_USER} sh -c \"$0\"",
            session.display()
        );
        shell
            .args(["-c", &enter, script])
            .current_dir(self.folder.path(""))
            .env("XDG_RUNTIME_DIR", self.folder.path(""))
            .env_remove("DBUS_SESSION_BUS_ADDRESS")
            .env("ALUMET_SUMMARY", "-");
        self.folder.start_command(shell).wait()
    }

    /// Checks that a program is measured without a control group of its own, for a reason.
    fn expect_none(&self, reasons: &[&str]) {
        let ended = self.run("RUST_LOG=debug ./agent exec --summary-json summary.json cat /proc/self/cgroup");
        ended
            .expect_code(0)
            .expect_stderr(&["the run has no control group"]);
        ended.expect_stderr(reasons);
        assert!(ended.stdout.contains("/session-1.scope\n"), "{}", ended.stdout);
        assert_eq!(summary(&self.folder)["usage"]["counted_by"], "processes");
    }
}

#[test]
fn the_program_of_a_user_has_a_group_in_a_scope_of_his_systemd_which_ends_with_its_last_process() {
    if !Path::new("/usr/lib/systemd/systemd").exists() || !is_installed("setpriv") {
        return;
    }
    let Some(login) = Login::new("scope") else { return };
    // What the manager needs: a machine that runs systemd, and a folder of its user. The processes end with the namespace.
    let script = format!(
        "mount -t tmpfs none /run && mkdir -p /run/systemd/system /run/user && chown {USER} /run/user
         export XDG_RUNTIME_DIR=/run/user HOME=/run/user RUST_LOG=debug
         unset DBUS_SESSION_BUS_ADDRESS
         (echo 0 > $SLICE/user@{USER}.service/cgroup.procs
          exec {AS_USER} /usr/lib/systemd/systemd --user --unit=basic.target > systemd.log 2>&1) &
         n=0
         until [ $n = 100 ] || {AS_USER} busctl --user status org.freedesktop.systemd1 > busctl.log 2>&1; do
            sleep 0.1
            n=$((n+1))
         done
         echo 0 > $SLICE/session-1.scope/cgroup.procs
         {AS_USER} ./agent exec --repeat 2 --show-output --summary-json repeats.json cat /proc/self/cgroup
         {AS_USER} ./agent exec --summary - --summary-json summary.json sh -c '
            sleep 60 > /dev/null 2>&1 &
            i=0; while [ $i -lt 50000 ]; do i=$((i+1)); done
            cat /proc/self/cgroup; echo $! > child' 'a b\tc'
         show='{AS_USER} systemctl --user show'
         $show -P Id -P Description -P CollectMode -P Delegate 'alumet-agent-*.scope'
         find $SLICE -path '*/alumet-agent-*/cgroup.procs' -exec sed 's/^/in /' {{}} +
         echo child $(cat child); kill $(cat child)
         n=0
         until [ $n = 100 ] || [ -z \"$($show -P Id 'alumet-agent-*.scope')\" ]; do sleep 0.1; n=$((n+1)); done
         echo left: $(find $SLICE -name 'alumet-*')"
    );
    let script = script.replace("$SLICE", &login.group_of("").display().to_string());
    let kinds = ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
    let Some(ended) = in_namespaces(&login.folder, &kinds, &script) else {
        return;
    };
    let log = login.folder.read("systemd.log") + &login.folder.read("busctl.log");
    ended.expect_code(0);
    let inside =
        |line: &&str| line.contains(".service/app.slice/alumet-agent-") && line.contains("/alumet-run-");
    // Twice in one scope, for which systemd was asked once, and once in the next one.
    assert_eq!(ended.stdout.lines().filter(inside).count(), 3, "{ended:?}\n{log}");
    assert_eq!(summary(&login.folder)["usage"]["counted_by"], "control_group");
    let child = login.folder.read("child");
    let shown = [
        "alumet-agent exec sh -c sleep 60",
        "a b c\ninactive-or-failed\n",
        "yes\n",
        &format!("in {child}child {child}left:\n"),
    ];
    for shown in shown {
        assert!(ended.stdout.contains(shown), "{shown:?} is missing in {ended:?}");
    }
    ended.expect_stderr(&[&format!("{} sleep", child.trim_end())]);
}

/// What a manager does with the request.
#[derive(Clone, Copy)]
enum Answer {
    Refuse,
    Ignore,
    Fail,
}

/// The bus of the user, and what answers at it.
struct Bus {
    daemon: Child,
    address: String,
    runtime: Runtime,
    /// How often a scope was asked for.
    asked: Arc<AtomicU32>,
}

impl Bus {
    fn start(folder: &Folder) -> Self {
        let address = format!("unix:path={}", folder.path("bus").display());
        // The user may use it, and so may this process.
        let config = format!(
            "<busconfig><type>session</type><listen>{address}</listen><policy context='default'><allow user='*'/>\
             <allow own='*'/><allow send_destination='*'/><allow receive_sender='*'/></policy></busconfig>"
        );
        let config = folder.write("bus.conf", config);
        let mut daemon = Command::new("dbus-daemon");
        let daemon = daemon
            .args(["--nofork", "--nopidfile", "--config-file"])
            .arg(config);
        let daemon = daemon.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait_until("the bus", || folder.path("bus").exists().then_some(()));
        Self {
            daemon,
            address,
            runtime: Runtime::new().unwrap(),
            asked: Arc::default(),
        }
    }

    /// Answers from now on as a manager that does this.
    fn answer(&self, answer: Answer) {
        const MANAGER: &str = "org.freedesktop.systemd1.Manager";
        let bus = self.runtime.block_on(async {
            let bus = Builder::address(&*self.address).build().await.unwrap();
            bus.request_name("org.freedesktop.systemd1").await.unwrap();
            bus
        });
        let mut calls = MessageStream::from(&bus);
        let asked = Arc::clone(&self.asked);
        self.runtime.spawn(async move {
            while let Some(Ok(call)) = calls.next().await {
                let header = call.header();
                if header
                    .member()
                    .is_none_or(|member| member != "StartTransientUnit")
                {
                    continue;
                }
                asked.fetch_add(1, Ordering::Relaxed);
                match answer {
                    Answer::Refuse => {
                        let error = "org.freedesktop.DBus.Error.AccessDenied";
                        bus.reply_error(&header, error, &"not for you").await.unwrap();
                    }
                    Answer::Ignore => {}
                    Answer::Fail => {
                        let jobs = [("/of/another", "done"), ("/of/this", "failed")];
                        let jobs = jobs.map(|(path, result)| (ObjectPath::try_from(path).unwrap(), result));
                        bus.reply(&header, &jobs[1].0).await.unwrap();
                        for (job, result) in jobs {
                            let body = (7_u32, job, "a.scope", result);
                            let object = "/org/freedesktop/systemd1";
                            let sent = bus.emit_signal(None::<&str>, object, MANAGER, "JobRemoved", &body);
                            sent.await.unwrap();
                        }
                    }
                }
            }
        });
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

#[test]
fn without_a_bus_or_a_systemd_at_it_the_descendants_are_followed() {
    let Some(login) = Login::new("no-bus") else { return };
    login.expect_none(&["there is no scope of systemd", "No such file"]);
    if is_installed("dbus-daemon") {
        let _bus = Bus::start(&login.folder);
        login.expect_none(&["there is no scope of systemd", "org.freedesktop.systemd1"]);
    }
}

#[test]
fn a_systemd_that_makes_no_scope_is_told_and_the_descendants_are_followed() {
    if !is_installed("dbus-daemon") {
        return;
    }
    for (answer, reason) in [
        (Answer::Refuse, "not for you"),
        (Answer::Ignore, "has not answered within 500 ms"),
        (Answer::Fail, "its start has ended with `failed`"),
    ] {
        let Some(login) = Login::new("refused") else {
            return;
        };
        let bus = Bus::start(&login.folder);
        bus.answer(answer);
        login.expect_none(&["there is no scope of systemd", reason]);
    }
}

#[test]
fn runs_that_are_repeated_wait_once_for_a_systemd_that_does_not_answer() {
    if !is_installed("dbus-daemon") {
        return;
    }
    let Some(login) = Login::new("silent") else { return };
    let bus = Bus::start(&login.folder);
    bus.answer(Answer::Ignore);
    login.run("./agent exec --repeat 3 true").expect_code(0);
    assert_eq!(bus.asked.load(Ordering::Relaxed), 1);
}

#[test]
fn whoever_is_in_no_session_stays_where_he_is() {
    if !is_installed("dbus-daemon") {
        return;
    }
    let Some(login) = Login::new("job") else { return };
    let bus = Bus::start(&login.folder);
    bus.answer(Answer::Fail);
    let job = login.group.child("job");
    let script = format!(
        "echo 0 > {}/cgroup.procs; exec {AS_USER} env RUST_LOG=debug XDG_RUNTIME_DIR=$PWD ./agent exec true",
        job.folder().display()
    );
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).current_dir(login.folder.path(""));
    let ended = login.folder.start_command(shell).wait();
    ended
        .expect_code(0)
        .expect_stderr(&["is no session of this user"]);
    assert_eq!(bus.asked.load(Ordering::Relaxed), 0);
}
