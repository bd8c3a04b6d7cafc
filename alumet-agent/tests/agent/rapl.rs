//! Energy of a whole process: the program on a machine whose powercap is made up, and wraps while it is measured.

use std::path::Path;
use std::process::Command;

use crate::csv::lines_of;
use crate::program::Folder;

/// The highest value of the counter.
const RANGE: u64 = 262_143_328_850;

/// What the counter shows one after the other, in microjoules; it begins again one step of 61 µJ after its highest value. Nothing
/// is more than a processor can draw within an interval.
const SHOWN: [u64; 4] = [
    RANGE - 6_000_000,
    RANGE - 3_000_000,
    2_000_000 - 61,
    9_000_000 - 61,
];

/// What that is in joules.
const JOULES: [&str; 4] = ["0.0", "3.0", "5.0", "7.0"];

/// Lets the counter, the first argument, show the next value as soon as the one before is in the file.
fn script() -> String {
    let mut script = format!(
        "counter=$1
         measured() {{
             for turn in $(seq 400); do
                 grep -q \";$1;cpu_package\" out.csv 2>/dev/null && return
                 sleep 0.02
             done
             exit 1
         }}
         measured {}\n",
        JOULES[0]
    );
    for (shown, joules) in SHOWN.iter().zip(JOULES).skip(1) {
        script += &format!("echo {shown} > \"$counter\"\nmeasured {joules}\n");
    }
    script
}

fn measure(folder: &Folder, prefix: &[&str], root: &Path, counter: &Path) {
    folder.write("script", script());
    let config = format!(
        "system_root = '{}'\n[plugins.csv]\noutput_path = 'out.csv'\n[plugins.rapl]\npoll_interval = '20ms'\n\
         flush_interval = '20ms'\ninterface = 'powercap'\n",
        root.display()
    );
    folder.write("alumet-config.toml", config);
    let counter = counter.display().to_string();
    let direct = folder.command(&["exec", "--", "sh", "script", &counter]);
    let mut command = match prefix {
        [] => direct,
        [program, arguments @ ..] => {
            let mut command = Command::new(program);
            command
                .args(arguments)
                .arg(direct.get_program())
                .args(direct.get_args());
            command
                .current_dir(folder.path(""))
                .env_remove("ALUMET_CONFIG")
                .env_remove("RUST_LOG");
            command
        }
    };
    command.stdin(std::process::Stdio::null());
    let ended = folder.start_command(command).wait();
    ended.expect_code(0);
    let lines = lines_of(&folder.path("out.csv"));
    let energy = |resource: &str| {
        let is_of = |line: &&crate::csv::Line| {
            line.metric == "rapl_consumed_energy_J" && line.text.contains(resource)
        };
        lines.iter().filter(is_of).map(|line| line.value).sum::<f64>()
    };
    assert_eq!(
        (energy(";cpu_package;"), energy(";local_machine;;local_machine;")),
        (15.0, 15.0)
    );
    let refused = lines
        .iter()
        .filter(|line| line.metric.starts_with("rapl_refused"));
    assert!(
        refused
            .clone()
            .all(|line| line.value == 0.0 || line.text.contains("unreadable"))
    );
}

#[test]
fn a_program_is_measured_on_a_folder_that_stands_for_the_machine() {
    let folder = Folder::new();
    let root = folder.path("root");
    let zone = root.join("sys/class/powercap/intel-rapl:0");
    std::fs::create_dir_all(&zone).unwrap();
    std::os::unix::fs::symlink("/proc", root.join("proc")).unwrap();
    for (file, text) in [
        ("name", "package-0".to_owned()),
        ("max_energy_range_uj", RANGE.to_string()),
        ("energy_uj", SHOWN[0].to_string()),
    ] {
        std::fs::write(zone.join(file), text + "\n").unwrap();
    }
    measure(&folder, &[], &root, &zone.join("energy_uj"));
}

#[test]
fn a_program_is_measured_on_devices_that_umockdev_makes_up() {
    if Command::new("umockdev-run").arg("--version").output().is_err() {
        println!("skipped: there is no umockdev");
        return;
    }
    let folder = Folder::new();
    let zone = "/devices/virtual/powercap/intel-rapl/intel-rapl:0";
    let devices = format!(
        "P: /devices/virtual/powercap/intel-rapl\nE: SUBSYSTEM=powercap\nA: enabled=1\\n\n\n\
         P: {zone}\nE: SUBSYSTEM=powercap\nA: name=package-0\\n\nA: max_energy_range_uj={RANGE}\\n\nA: energy_uj={}\\n\n",
        SHOWN[0]
    );
    let file = folder.write("devices.umockdev", devices).display().to_string();
    let prefix = ["umockdev-run", "-d", &file, "--"];
    measure(
        &folder,
        &prefix,
        Path::new("/"),
        Path::new(&format!("/sys{zone}/energy_uj")),
    );
}
