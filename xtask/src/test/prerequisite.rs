//! The programs and servers that tests need.

use std::path::Path;

use anyhow::{Result, bail};

use crate::shell;

/// Something that should be on the machine before the tests run.
struct Prerequisite {
    /// What people call it.
    name: &'static str,
    /// A command that succeeds when it is there.
    probe: &'static str,
    /// The Debian package that has it.
    package: &'static str,
    /// The tests that need it.
    needed_by: &'static str,
    /// Whether tests fail without it; otherwise they are left out.
    is_required: bool,
}

/// Everything that tests need beyond a Rust toolchain and a C compiler: one row each.
const PREREQUISITES: &[Prerequisite] = &[
    Prerequisite {
        name: "Git",
        probe: "git --version",
        package: "git",
        needed_by: "the tests of xtask, which copy the files of the repository",
        is_required: true,
    },
    Prerequisite {
        name: "Python",
        probe: "python3 --version",
        package: "python3",
        needed_by: "tests of the output csv",
        is_required: false,
    },
    Prerequisite {
        name: "Z shell",
        probe: "zsh --version",
        package: "zsh",
        needed_by: "the test of its completions",
        is_required: false,
    },
    Prerequisite {
        name: "fish",
        probe: "fish --version",
        package: "fish",
        needed_by: "the test of its completions",
        is_required: false,
    },
    Prerequisite {
        name: "InfluxDB 1",
        probe: "influxd version",
        package: "influxdb",
        needed_by: "the tests of the output influxdb",
        is_required: false,
    },
    Prerequisite {
        name: "nginx",
        probe: "nginx -v",
        package: "nginx-light",
        needed_by: "the tests of the output influxdb with tokens",
        is_required: false,
    },
    Prerequisite {
        name: "NATS",
        probe: "nats-server --version",
        package: "nats-server",
        needed_by: "the tests of the output nats and the source nats-input",
        is_required: false,
    },
    Prerequisite {
        name: "VictoriaMetrics",
        probe: "victoria-metrics -version",
        package: "victoria-metrics",
        needed_by: "a test of the output influxdb",
        is_required: false,
    },
    Prerequisite {
        name: "Prometheus",
        probe: "prometheus --version && promtool --version",
        package: "prometheus",
        needed_by: "the tests of prometheus-exporter and of the HTTP API of Prometheus",
        is_required: false,
    },
    Prerequisite {
        name: "umockdev",
        probe: "umockdev-run --version",
        package: "umockdev",
        needed_by: "a test of the agent with the source rapl",
        is_required: false,
    },
    Prerequisite {
        name: "buildah, skopeo, umoci and runc",
        probe: "buildah --version && skopeo --version && umoci --version && runc --version",
        package: "buildah skopeo umoci runc",
        needed_by: "the test of the images",
        is_required: false,
    },
    Prerequisite {
        name: "Chromium",
        probe: "chromium --version",
        package: "chromium",
        needed_by: "the tests of the page of rest-api",
        is_required: false,
    },
    Prerequisite {
        name: "Node.js",
        probe: "node --version",
        package: "nodejs",
        needed_by: "the tests of the page of rest-api",
        is_required: false,
    },
];

/// Says what is missing and how to install it, or does that.
pub(crate) fn provide(folder: &Path, install: bool) -> Result<()> {
    let mut missing = missing(PREREQUISITES, folder);
    if install && !missing.is_empty() {
        let packages: Vec<&str> = missing.iter().map(|one| one.package).collect();
        // On a fresh machine the lists of packages are empty, or older than the packages.
        let line = format!(
            "apt-get update; DEBIAN_FRONTEND=noninteractive \
             apt-get install --yes --no-install-recommends --no-upgrade {}",
            packages.join(" ")
        );
        println!("== {line}");
        // Whether it worked, the probes tell.
        if let Err(error) = shell::run(&line, folder) {
            println!("== {error}");
        }
        missing = self::missing(PREREQUISITES, folder);
    }
    report(&missing)
}

fn missing<'a>(all: &'a [Prerequisite], folder: &Path) -> Vec<&'a Prerequisite> {
    let is_missing = |one: &&Prerequisite| !shell::succeeds(one.probe, folder);
    all.iter().filter(is_missing).collect()
}

/// Names what is missing with the command that installs it; an error where tests fail for lack of it.
fn report(missing: &[&Prerequisite]) -> Result<()> {
    let word = |one: &&Prerequisite| {
        format!(
            "{}, needed by {}; install it with `apt-get install {}`",
            one.name, one.needed_by, one.package
        )
    };
    let (required, optional): (Vec<_>, Vec<_>) = missing.iter().partition(|one| one.is_required);
    for one in &optional {
        println!("== left out for lack of {}", word(one));
    }
    if !required.is_empty() {
        let words: Vec<String> = required.iter().map(word).collect();
        bail!("something that tests need is missing:\n  {}", words.join("\n  "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRESENT: Prerequisite = Prerequisite {
        name: "Truth",
        probe: "true",
        package: "truth",
        needed_by: "everyone",
        is_required: true,
    };
    const TEAPOT: Prerequisite = Prerequisite {
        name: "Teapot",
        probe: "false",
        package: "tea",
        needed_by: "the tests of tea",
        is_required: true,
    };
    const MILK: Prerequisite = Prerequisite {
        name: "Milk",
        is_required: false,
        ..TEAPOT
    };

    #[test]
    fn what_is_missing_is_named_with_the_command_that_installs_it() {
        let all = [PRESENT, TEAPOT, MILK];
        let error = report(&missing(&all, &std::env::temp_dir())).unwrap_err();
        assert_eq!(
            error.to_string(),
            "something that tests need is missing:\n  \
             Teapot, needed by the tests of tea; install it with `apt-get install tea`"
        );
    }

    #[test]
    fn the_tests_run_without_what_only_some_of_them_need() {
        assert!(report(&missing(&[PRESENT, MILK], &std::env::temp_dir())).is_ok());
    }
}
