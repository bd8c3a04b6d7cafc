//! PMUs: what sysfs shows of them, and counting their events for real.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::fs;
use std::path::Path;

use alumet_reader_perf_event::pmu::TermError;
use alumet_reader_perf_event::{Code, Place, Pmu};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use tempfile::TempDir;

const POWER: &str = "sys/bus/event_source/devices/power";

fn root(folder: &str, files: &[(&str, &str)]) -> TempDir {
    let root = TempDir::new().unwrap();
    for (name, content) in files {
        let path = root.path().join(folder).join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    root
}

/// The energy counters of a server with two sockets, as a kernel shows them.
fn server() -> TempDir {
    root(
        POWER,
        &[
            ("type", "22\n"),
            ("cpumask", "0,18\n"),
            ("format/event", "config:0-7\n"),
            ("events/energy-pkg", "event=0x02\n"),
            ("events/energy-pkg.scale", "2.3283064365386962890625e-10\n"),
            ("events/energy-pkg.unit", "Joules\n"),
            ("events/energy-ram", "event=0x03\n"),
            ("events/energy-ram.scale", "0\n"),
            ("events/odd", "event=?\n"),
        ],
    )
}

#[test]
fn a_pmu_has_the_events_that_sysfs_names_with_their_scales_and_units() {
    let root = server();
    let pmu = Pmu::open(root.path(), "power").unwrap();
    assert_eq!(pmu.cpus().collect::<Vec<_>>(), [0, 18]);
    let events = pmu.events().unwrap();
    let names: Vec<&str> = events.iter().map(|event| &*event.name).collect();
    assert_eq!(
        names,
        ["energy-pkg", "energy-ram"],
        "what needs a number is left out"
    );
    assert_eq!(
        events[0].code,
        Code {
            kind: 22,
            config: [2, 0, 0, 0]
        }
    );
    assert_eq!(
        (events[0].scale, events[0].unit.as_deref()),
        (2_f64.powi(-32), Some("Joules"))
    );
    assert_eq!((events[1].scale, events[1].unit.as_deref()), (1.0, None));
}

#[test]
fn terms_are_fields_with_values_and_names_of_events() {
    let root = root(
        "sys/devices/cpu",
        &[
            ("type", "4\n"),
            ("format/event", "config:0-7\n"),
            ("format/umask", "config:8-15\n"),
            ("format/inv", "config:23\n"),
            ("format/ldlat", "config1:0-15\n"),
            ("events/mem-loads", "event=0xcd,umask=0x1,ldlat=3\n"),
        ],
    );
    let pmu = Pmu::open(root.path(), "cpu").unwrap();
    let config = |terms: &str| pmu.event_of(terms).map(|event| event.code.config);
    assert_eq!(config("event=0x3c,umask=1,inv").unwrap(), [0x80_013c, 0, 0, 0]);
    assert_eq!(config("mem-loads").unwrap(), [0x1cd, 3, 0, 0]);
    assert_eq!(config("mem-loads,ldlat=9").unwrap(), [0x1cd, 9, 0, 0]);
    assert_eq!(config("config=0x10,config2=7").unwrap(), [16, 0, 7, 0]);
    let error = config("umsk=1").unwrap_err();
    assert!(matches!(error, TermError::Unknown { .. }), "{error}");
    assert!(
        error.to_string().contains("`umsk`") && error.to_string().contains("`umask`"),
        "{error}"
    );
    let error = config("event=0x100").unwrap_err();
    assert!(
        error.to_string().contains("`0x100`") && error.to_string().contains("config:0-7"),
        "{error}"
    );
    for wrong in ["", "../type", "mem-loads.unit", "event=1,/etc/hostname"] {
        let error = config(wrong).unwrap_err();
        assert!(
            error.to_string().contains(&format!("no event `{wrong}`")),
            "no other file is read: {error}"
        );
    }
}

#[test]
fn the_kind_of_a_pmu_follows_from_its_list_of_cpus() {
    let place = |files| {
        Pmu::open(root("sys/devices/x", files).path(), "x")
            .unwrap()
            .event_of("config=1")
            .unwrap()
    };
    let cores = place(&[("type", "8\n"), ("cpus", "4-7\n")]);
    assert!(matches!(cores.place, Place::Cores(_)) && cores.counts_programs());
    assert!(cores.counts_on(5) && !cores.counts_on(8));
    let socket = place(&[("type", "8\n"), ("cpumask", "0\n")]);
    assert!(!socket.counts_programs() && !socket.counts_on(1));
    assert!(place(&[("type", "8\n")]).counts_on(9));
}

#[test]
fn a_pmu_that_is_not_there_or_not_understood_says_where() {
    let root = root(POWER, &[("type", "many\n")]);
    let error = |name: &str| Pmu::open(root.path(), name).unwrap_err().to_string();
    assert!(
        error("gpu").contains("devices/gpu/type` is not offered here"),
        "{}",
        error("gpu")
    );
    assert!(error("power").contains("the number of a PMU is expected"));
}

/// Page faults are events of the PMU of the kernel itself, whose number is 1; so a tree with that number counts for real.
#[test]
fn an_event_of_a_pmu_is_counted_on_its_cpu() {
    let cpu = 0;
    let mut cpus = CpuSet::new();
    cpus.set(cpu).unwrap();
    sched_setaffinity(Pid::from_raw(0), &cpus).unwrap();
    let files = [
        ("type", "1\n"),
        ("cpumask", "0\n"),
        ("format/event", "config:0-63\n"),
        ("events/faults", "event=0x02\n"),
    ];
    let root = root(POWER, &files);
    let pmu = Pmu::open(root.path(), "power").unwrap();
    let counter = match pmu.count(&pmu.event("faults").unwrap(), 0) {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            println!("skipped: CAP_PERFMON is missing");
            return;
        }
        counter => counter.unwrap(),
    };
    let before = counter.read().unwrap();
    touch_pages(1000);
    let counted = counter.read().unwrap() - before;
    assert!(counted >= 1000, "{counted}");
}

fn touch_pages(pages: usize) {
    const PAGE: usize = 4096;
    let mut memory = vec![0_u8; pages * PAGE];
    for page in 0..pages {
        memory[page * PAGE] = 1;
    }
    std::hint::black_box(&memory);
}

#[test]
fn a_real_pmu_is_read_if_there_is_one() {
    // Virtual machines have it, too.
    if let Ok(pmu) = Pmu::open(Path::new("/"), "msr") {
        let events = pmu.events().unwrap();
        let counter = pmu.count(events.iter().find(|event| event.name == "tsc").unwrap(), 0);
        match counter {
            Ok(counter) => assert!(counter.read().unwrap() < counter.read().unwrap()),
            Err(error) => println!("skipped: {error}"),
        }
    }
}
