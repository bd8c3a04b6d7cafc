//! The programs and servers that tests need.

use std::path::Path;

use anyhow::{Result, bail};

use crate::shell;

/// Something that should be on the machine before the tests run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Prerequisite {
    /// What people call it.
    pub(crate) name: &'static str,
    /// A command that succeeds when it is there.
    pub(crate) probe: &'static str,
    /// Where it comes from.
    pub(crate) source: Source,
    /// The tests that need it.
    pub(crate) needed_by: &'static str,
    /// Whether tests fail without it; otherwise they are left out.
    pub(crate) is_required: bool,
}

/// Where a program comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Source {
    /// A package of Debian.
    Package(&'static str),
    /// A line of shell that puts it into `target/tools`.
    Command(&'static str),
}

/// Everything that tests need beyond a Rust toolchain, a C compiler and what [`crate::charts::TOOLS`] has: one row each.
pub(crate) const PREREQUISITES: &[Prerequisite] = &[
    Prerequisite {
        name: "Git",
        probe: "git --version",
        source: Source::Package("git"),
        needed_by: "the tests of xtask, which copy the files of the repository",
        is_required: true,
    },
    Prerequisite {
        name: "Python",
        probe: "python3 --version",
        source: Source::Package("python3"),
        needed_by: "tests of the output csv",
        is_required: false,
    },
    Prerequisite {
        name: "Z shell",
        probe: "zsh --version",
        source: Source::Package("zsh"),
        needed_by: "the test of its completions",
        is_required: false,
    },
    Prerequisite {
        name: "fish",
        probe: "fish --version",
        source: Source::Package("fish"),
        needed_by: "the test of its completions",
        is_required: false,
    },
    Prerequisite {
        name: "InfluxDB 1",
        probe: "influxd version",
        source: Source::Package("influxdb"),
        needed_by: "the tests of the output influxdb",
        is_required: false,
    },
    Prerequisite {
        name: "nginx",
        probe: "nginx -v",
        source: Source::Package("nginx-light"),
        needed_by: "the tests of the output influxdb with tokens",
        is_required: false,
    },
    Prerequisite {
        name: "NATS",
        probe: "nats-server --version",
        source: Source::Package("nats-server"),
        needed_by: "the tests of the output nats and the source nats-input",
        is_required: false,
    },
    Prerequisite {
        name: "VictoriaMetrics",
        probe: "victoria-metrics -version",
        source: Source::Package("victoria-metrics"),
        needed_by: "a test of the output influxdb",
        is_required: false,
    },
    Prerequisite {
        name: "Prometheus",
        probe: "prometheus --version && promtool --version",
        source: Source::Package("prometheus"),
        needed_by: "the tests of prometheus-exporter and of the HTTP API of Prometheus",
        is_required: false,
    },
    Prerequisite {
        name: "umockdev",
        probe: "umockdev-run --version",
        source: Source::Package("umockdev"),
        needed_by: "a test of the agent with the source rapl",
        is_required: false,
    },
    Prerequisite {
        name: "buildah, skopeo, umoci and runc",
        probe: "buildah --version && skopeo --version && umoci --version && runc --version",
        source: Source::Package("buildah skopeo umoci runc"),
        needed_by: "the test of the images",
        is_required: false,
    },
    Prerequisite {
        name: "Chromium",
        probe: "chromium --version",
        source: Source::Package("chromium"),
        needed_by: "the tests of the page of rest-api",
        is_required: false,
    },
    Prerequisite {
        name: "Node.js",
        probe: "node --version",
        source: Source::Package("nodejs"),
        needed_by: "the tests of the page of rest-api",
        is_required: false,
    },
    Prerequisite {
        name: "RPM",
        probe: "rpm --version",
        source: Source::Package("rpm"),
        needed_by: "the test of the packages",
        is_required: false,
    },
    Prerequisite {
        name: "ShellCheck",
        probe: "shellcheck --version",
        source: Source::Package("shellcheck"),
        needed_by: "the test of the scripts of the packages",
        is_required: false,
    },
];

/// Says what is missing and how to install it, or does that.
pub(crate) fn provide(all: &[Prerequisite], folder: &Path, install: bool) -> Result<()> {
    let mut missing = missing(all, folder);
    if install && !missing.is_empty() {
        for line in installations(&missing) {
            println!("== {line}");
            // Whether it worked, the probes tell.
            if let Err(error) = shell::run(&line, folder) {
                println!("== {error}");
            }
        }
        missing = self::missing(all, folder);
    }
    report(&missing)
}

/// The lines of shell that install what is missing: all packages in one go.
fn installations(missing: &[&Prerequisite]) -> Vec<String> {
    let mut packages = String::new();
    let mut lines = Vec::new();
    for one in missing {
        match one.source {
            Source::Package(name) => packages += &format!(" {name}"),
            Source::Command(line) => lines.push(line.to_owned()),
        }
    }
    if !packages.is_empty() {
        // On a fresh machine the lists of packages are empty, or older than the packages.
        let line = format!(
            "apt-get update; DEBIAN_FRONTEND=noninteractive \
             apt-get install --yes --no-install-recommends --no-upgrade{packages}"
        );
        lines.insert(0, line);
    }
    lines
}

fn missing<'a>(all: &'a [Prerequisite], folder: &Path) -> Vec<&'a Prerequisite> {
    let is_missing = |one: &&Prerequisite| !shell::succeeds(one.probe, folder);
    all.iter().filter(is_missing).collect()
}

/// Names what is missing with the command that installs it; an error where tests fail for lack of it.
fn report(missing: &[&Prerequisite]) -> Result<()> {
    let word = |one: &&Prerequisite| {
        let remedy = match one.source {
            Source::Package(name) => format!("apt-get install {name}"),
            Source::Command(_) => "cargo xtask charts test --install".to_owned(),
        };
        let Prerequisite { name, needed_by, .. } = one;
        format!("{name}, needed by {needed_by}; install it with `{remedy}`")
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
        source: Source::Package("truth"),
        needed_by: "everyone",
        is_required: true,
    };
    const TEAPOT: Prerequisite = Prerequisite {
        name: "Teapot",
        probe: "false",
        source: Source::Package("tea"),
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
    fn packages_are_installed_together_and_the_rest_each_by_its_own_line() {
        let brewed = Prerequisite {
            source: Source::Command("brew"),
            ..TEAPOT
        };
        let lines = installations(&[&TEAPOT, &brewed, &MILK]);
        assert!(lines[0].ends_with("--no-upgrade tea tea"), "{lines:?}");
        assert_eq!(lines[1..], ["brew"]);
        assert_eq!(installations(&[&brewed]), ["brew"]);
        let error = report(&[&brewed]).unwrap_err().to_string();
        assert!(
            error.ends_with("install it with `cargo xtask charts test --install`"),
            "{error}"
        );
    }

    #[test]
    fn the_tests_run_without_what_only_some_of_them_need() {
        assert!(report(&missing(&[PRESENT, MILK], &std::env::temp_dir())).is_ok());
    }
}
