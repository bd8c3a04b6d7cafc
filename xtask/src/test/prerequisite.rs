//! The programs and servers that tests need.

use std::path::Path;

use anyhow::{Result, bail};

use crate::step::Step;

/// Something that should be on the machine before the tests run.
struct Prerequisite {
    /// What people call it.
    name: &'static str,
    /// A command that succeeds when it is there.
    probe: &'static [&'static str],
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
        probe: &["git", "--version"],
        package: "git",
        needed_by: "the tests of xtask, which copy the files of the repository",
        is_required: true,
    },
    Prerequisite {
        name: "Z shell",
        probe: &["zsh", "--version"],
        package: "zsh",
        needed_by: "the test of its completions",
        is_required: false,
    },
    Prerequisite {
        name: "fish",
        probe: &["fish", "--version"],
        package: "fish",
        needed_by: "the test of its completions",
        is_required: false,
    },
];

/// Says what is missing and how to install it, or does that.
pub(crate) fn provide(folder: &Path, install: bool) -> Result<()> {
    let install_all = |packages: &[&'static str]| install_packages(packages, folder);
    provide_all(PREREQUISITES, folder, install.then_some(&install_all))
}

/// Installs Debian packages that are missing, and leaves others as they are; whether that worked, the probes tell.
fn install_packages(packages: &[&'static str], folder: &Path) {
    let apt_get = |line: &str| {
        Step::new(["apt-get"].into_iter().chain(line.split(' ')))
            .variable("DEBIAN_FRONTEND", "noninteractive")
    };
    let install =
        apt_get("install --yes --no-install-recommends --no-upgrade").with(packages.iter().copied());
    println!("== {install}");
    if install.run(folder).is_err() {
        // On a fresh machine the lists of packages are empty, or older than the packages.
        for step in [apt_get("update"), install] {
            println!("== {step}");
            if let Err(error) = step.run(folder) {
                println!("== {error}");
            }
        }
    }
}

/// Installs the packages of these names.
type Install<'a> = &'a dyn Fn(&[&'static str]);

/// `install` is there if it is asked for.
fn provide_all(prerequisites: &[Prerequisite], folder: &Path, install: Option<Install<'_>>) -> Result<()> {
    let missing = || -> Vec<&Prerequisite> {
        let is_there = |one: &&Prerequisite| Step::new(one.probe.iter().copied()).succeeds(folder);
        prerequisites.iter().filter(|one| !is_there(one)).collect()
    };
    let mut still_missing = missing();
    if let (Some(install), false) = (install, still_missing.is_empty()) {
        let packages: Vec<&str> = still_missing.iter().map(|one| one.package).collect();
        install(&packages);
        still_missing = missing();
    }
    let word = |one: &Prerequisite| {
        format!(
            "{}, needed by {}; install it with `apt-get install {}`",
            one.name, one.needed_by, one.package
        )
    };
    let (required, optional): (Vec<_>, Vec<_>) = still_missing.into_iter().partition(|one| one.is_required);
    for one in optional {
        println!("== left out for lack of {}", word(one));
    }
    if !required.is_empty() {
        let words: Vec<String> = required.into_iter().map(word).collect();
        bail!("something that tests need is missing:\n  {}", words.join("\n  "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    const PRESENT: Prerequisite = Prerequisite {
        name: "Truth",
        probe: &["true"],
        package: "truth",
        needed_by: "everyone",
        is_required: true,
    };
    const MISSING: Prerequisite = Prerequisite {
        name: "Teapot",
        probe: &["false"],
        package: "tea",
        needed_by: "the tests of tea",
        is_required: true,
    };
    const OPTIONAL: Prerequisite = Prerequisite {
        name: "Milk",
        package: "milk",
        is_required: false,
        ..MISSING
    };

    #[test]
    fn what_is_there_is_not_installed() {
        let install = |_: &[&'static str]| panic!("installs something");
        assert!(provide_all(&[PRESENT], &std::env::temp_dir(), Some(&install)).is_ok());
    }

    #[test]
    fn what_is_missing_is_named_with_the_command_that_installs_it() {
        let install: Install<'_> = &|_| {};
        for install in [None, Some(install)] {
            let all = [PRESENT, MISSING, OPTIONAL];
            let error = provide_all(&all, &std::env::temp_dir(), install).unwrap_err();
            assert_eq!(
                error.to_string(),
                "something that tests need is missing:\n  \
                 Teapot, needed by the tests of tea; install it with `apt-get install tea`"
            );
        }
    }

    #[test]
    fn the_tests_run_without_what_only_some_of_them_need() {
        assert!(provide_all(&[PRESENT, OPTIONAL], &std::env::temp_dir(), None).is_ok());
    }

    #[test]
    fn what_is_missing_is_installed_when_asked_for() {
        let mark = std::env::temp_dir().join(format!("xtask-installed-{}", std::process::id()));
        let path: &'static str = Box::leak(mark.to_string_lossy().into_owned().into_boxed_str());
        let probe: &'static [&'static str] = Box::leak(Box::new(["ls", path]));
        let one = || Prerequisite {
            name: "Mark",
            probe,
            package: "mark",
            ..MISSING
        };
        let installed = RefCell::new(Vec::new());
        let install = |packages: &[&'static str]| {
            installed.borrow_mut().extend_from_slice(packages);
            std::fs::write(&mark, "").unwrap();
        };
        assert!(provide_all(&[one()], &std::env::temp_dir(), None).is_err());
        assert!(provide_all(&[PRESENT, one()], &std::env::temp_dir(), Some(&install)).is_ok());
        std::fs::remove_file(&mark).unwrap();
        assert_eq!(*installed.borrow(), ["mark"]);
    }
}
