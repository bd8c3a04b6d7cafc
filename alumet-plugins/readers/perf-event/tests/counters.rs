//! Counting for real: threads with their heirs, control groups and CPUs.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]
#![expect(clippy::print_stdout, reason = "a test says why it is skipped")]

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use alumet_reader_cgroupfs::testkit::OwnGroup;
use alumet_reader_perf_event::{Counters, Event, EventName, Libpfm, Reading, Target};

fn event(name: &str) -> Event {
    let name: EventName = name.parse().unwrap();
    name.resolve(Path::new("/"), &Libpfm::default()).unwrap()
}

fn read(counters: &Counters) -> Vec<Reading> {
    let mut readings = vec![Reading::default()];
    counters.read(&mut readings).unwrap();
    readings
}

/// What was opened; nothing, with a word, where the rights are missing.
fn allowed(counters: io::Result<Counters>) -> Option<Counters> {
    match counters {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            println!("skipped: CAP_PERFMON is missing");
            None
        }
        counters => Some(counters.unwrap()),
    }
}

/// A shell that waits for a line, runs `script` and then waits again.
struct Shell(Child);

impl Shell {
    fn waiting_for(script: &str) -> Self {
        let script = format!("read line\n{script}\necho done\nread line\nkill $!");
        let mut command = Command::new("sh");
        command
            .args(["-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        Self(command.spawn().unwrap())
    }

    fn run(&mut self) {
        use std::io::{Read, Write};
        self.0.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        self.0.stdout.as_mut().unwrap().read_exact(&mut [0; 5]).unwrap();
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // It ends when it has no more lines to read, and what it has begun with it.
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// The page faults of a process and of its children that have ended.
fn faults_of(pid: u32) -> [u64; 2] {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields = stat.rsplit(')').next().unwrap().split_whitespace().skip(7);
    let [minor, of_children, major, major_of_children] = fields
        .take(4)
        .map(|field| field.parse::<u64>().unwrap())
        .collect::<Vec<_>>()[..]
    else {
        panic!("{stat}")
    };
    [minor + major, of_children + major_of_children]
}

#[test]
fn what_heirs_count_comes_while_they_run_and_when_they_have_ended() {
    let mut shell = Shell::waiting_for("ls / >/dev/null\nsleep 60 >/dev/null &");
    let (pid, faults) = (shell.0.id(), event("PAGE_FAULTS"));
    let Some(counters) = allowed(Counters::open(Target::Thread(pid), [&faults, &faults])) else {
        return;
    };
    assert_eq!(
        counters.descriptors(),
        3,
        "two events and the leader of their group"
    );
    let [own, ended] = faults_of(pid);
    shell.run();
    let [own, ended] = [faults_of(pid)[0] - own, faults_of(pid)[1] - ended];
    let [one, two] = read(&counters)[..] else { panic!() };
    assert!(one.count <= two.count, "the second is read later: {two:?}");
    assert!(one.running > 0 && one.running == one.enabled);
    // The kernel counts faults for `stat` as well where it looks at the memory of a program on its own.
    assert!(
        one.count > own + ended * 4 / 5,
        "{one:?}, the shell {own}, its child {ended}"
    );
    assert!(ended > 50, "{ended}");
}

#[test]
fn a_control_group_is_counted_with_those_below_it_and_nobody_else() {
    let Some(group) = OwnGroup::make("perf") else {
        return;
    };
    let below = group.child("below");
    let folder = File::open(group.folder()).unwrap();
    let (faults, clock) = (event("PAGE_FAULTS"), event("TASK_CLOCK"));
    let mut all = Vec::new();
    for cpu in 0..std::thread::available_parallelism().unwrap().get() {
        let Some(counters) = allowed(Counters::open(
            Target::Cgroup(&folder, cpu as u32),
            [&faults, &clock],
        )) else {
            return;
        };
        all.push(counters);
    }
    let total = || all.iter().map(|counters| read(counters)[0].count).sum::<u64>();
    Command::new("true").status().unwrap();
    assert_eq!(total(), 0, "what is outside does not count");
    let procs = below.folder().join("cgroup.procs");
    let status = Command::new("sh")
        .args([
            "-c",
            &format!("echo $$ > {} && true && exec ls /", procs.display()),
        ])
        .stdout(Stdio::null())
        .status();
    assert!(status.unwrap().success());
    let counted = total();
    assert!(counted > 50, "{counted}");
    assert_eq!(total(), counted, "what has ended stays");
}

#[test]
fn all_that_runs_on_a_cpu_is_counted() {
    let switches = event("CONTEXT_SWITCHES");
    let Some(counters) = allowed(Counters::open(Target::Cpu(0), [&switches])) else {
        return;
    };
    let before = read(&counters)[0];
    std::thread::sleep(std::time::Duration::from_millis(50));
    let after = read(&counters)[0];
    assert!(
        after.running - before.running >= 50_000_000,
        "{before:?} {after:?}"
    );
    assert_eq!(after.running, after.enabled);
}

#[test]
fn only_the_modes_that_are_wanted_count() {
    let (all, user) = (event("CONTEXT_SWITCHES"), event("CONTEXT_SWITCHES#u"));
    let mut shell = Shell::waiting_for("true");
    let Some(counters) = allowed(Counters::open(Target::Thread(shell.0.id()), [&all, &user])) else {
        return;
    };
    shell.run();
    let readings = read(&counters);
    // The kernel switches in its own mode.
    assert!(readings[0].count > 0 && readings[1].count == 0, "{readings:?}");
}

#[test]
fn many_events_are_in_several_groups() {
    let faults = event("PAGE_FAULTS#u");
    let many = vec![faults; 40];
    let Some(counters) = allowed(Counters::open(Target::Thread(std::process::id()), &many)) else {
        return;
    };
    assert_eq!((read(&counters).len(), counters.descriptors()), (40, 42));
    let many = vec![event("CONTEXT_SWITCHES"); 40];
    let Some(counters) = allowed(Counters::open(Target::Cpu(0), &many)) else {
        return;
    };
    let readings = read(&counters);
    assert_eq!((readings.len(), counters.descriptors()), (40, 42));
    assert_eq!(readings[0], readings[29], "one group is read at once");
}

#[test]
fn an_event_that_is_refused_leaves_nothing_open() {
    let mut unknown = event("PAGE_FAULTS#u");
    unknown.code.config[0] = 4711;
    let known = event("PAGE_FAULTS#u");
    let open = fs::read_dir("/proc/self/fd").unwrap().count();
    let error = Counters::open(Target::Thread(std::process::id()), [&known, &unknown]).unwrap_err();
    if error.kind() != io::ErrorKind::PermissionDenied {
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
    assert_eq!(fs::read_dir("/proc/self/fd").unwrap().count(), open);
}

#[test]
fn a_thread_that_has_ended_is_not_found() {
    let mut child = Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    let error = Counters::open(Target::Thread(child.id()), [&event("PAGE_FAULTS#u")]).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(nix::errno::Errno::ESRCH as i32));
    assert!(Counters::open(Target::Thread(u32::MAX), [&event("PAGE_FAULTS#u")]).is_err());
}

#[test]
fn libpfm_knows_the_names_of_the_kernel_where_it_is_installed() {
    let libpfm = Libpfm::default();
    match libpfm.encode("perf::PERF_COUNT_SW_PAGE_FAULTS") {
        Ok(code) => assert_eq!(code, event("PAGE_FAULTS").code),
        Err(error) => println!("skipped: {error}"),
    }
    let absent = Libpfm::new(Some("libpfm-that-is-not-there.so".into()));
    let error = absent.encode("RESOURCE_STALLS:ANY").unwrap_err().to_string();
    assert!(
        error.contains("apt install libpfm4") && error.contains("ALUMET_LIBPFM_LIB"),
        "{error}"
    );
    let error = Libpfm::new(Some("libc.so.6".into()))
        .encode("x")
        .unwrap_err()
        .to_string();
    assert!(error.contains("pfm_initialize"), "{error}");
    if libpfm.encode("perf::PERF_COUNT_SW_PAGE_FAULTS").is_ok() {
        assert!(libpfm.encode("no::such_event").is_err());
    }
}
