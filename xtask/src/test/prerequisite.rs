//! The programs and servers that tests need.

use std::path::Path;

use anyhow::{Result, bail};

use crate::step::Step;

/// Something that must be on the machine before the tests run.
struct Prerequisite {
    /// What people call it.
    name: &'static str,
    /// A command that succeeds when it is there.
    probe: &'static [&'static str],
    /// The command that installs it.
    install: &'static [&'static str],
    /// The tests that need it.
    needed_by: &'static str,
}

/// Everything that tests need beyond a Rust toolchain with its linker: one row each.
const PREREQUISITES: &[Prerequisite] = &[Prerequisite {
    name: "Git",
    probe: &["git", "--version"],
    install: &["apt-get", "install", "-y", "git"],
    needed_by: "the tests of xtask, which copy the files of the repository",
}];

/// Installs what is missing, when that is allowed and possible; otherwise says what to install.
pub(crate) fn provide(folder: &Path, may_install: bool) -> Result<()> {
    let may_install = may_install && Step::new(["sh", "-c", r#"test "$(id -u)" = 0"#]).succeeds(folder);
    provide_all(PREREQUISITES, folder, may_install)
}

fn provide_all(prerequisites: &[Prerequisite], folder: &Path, may_install: bool) -> Result<()> {
    let is_there = |one: &Prerequisite| Step::new(one.probe.iter().copied()).succeeds(folder);
    let mut missing = Vec::new();
    for one in prerequisites.iter().filter(|one| !is_there(one)) {
        let install = Step::new(one.install.iter().copied());
        if may_install {
            println!("== {} is missing: {install}", one.name);
            // Whether it worked, the probe tells.
            if let Err(error) = install.run(folder) {
                println!("== {error}");
            }
        }
        if !may_install || !is_there(one) {
            missing.push(format!(
                "{}, needed by {}; install it with `{install}`",
                one.name, one.needed_by
            ));
        }
    }
    if !missing.is_empty() {
        bail!(
            "something that tests need is missing:\n  {}",
            missing.join("\n  ")
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRESENT: Prerequisite = Prerequisite {
        name: "Truth",
        probe: &["true"],
        install: &["false"],
        needed_by: "everyone",
    };
    const MISSING: Prerequisite = Prerequisite {
        name: "Teapot",
        probe: &["false"],
        install: &["true"],
        needed_by: "the tests of tea",
    };

    #[test]
    fn what_is_there_is_not_installed() {
        assert!(provide_all(&[PRESENT], &std::env::temp_dir(), true).is_ok());
    }

    #[test]
    fn what_is_missing_is_named_with_the_command_that_installs_it() {
        for may_install in [false, true] {
            let error = provide_all(&[PRESENT, MISSING], &std::env::temp_dir(), may_install).unwrap_err();
            assert_eq!(
                error.to_string(),
                "something that tests need is missing:\n  Teapot, needed by the tests of tea; install it with `true`"
            );
        }
    }

    #[test]
    fn what_is_missing_is_installed_when_allowed() {
        let mark = std::env::temp_dir().join(format!("xtask-installed-{}", std::process::id()));
        let path: &'static str = Box::leak(mark.to_string_lossy().into_owned().into_boxed_str());
        let words = |words: [&'static str; 2]| &*Box::leak(Box::new(words));
        let one = Prerequisite {
            name: "Mark",
            probe: words(["ls", path]),
            install: words(["touch", path]),
            needed_by: "this test",
        };
        assert!(provide_all(std::slice::from_ref(&one), &std::env::temp_dir(), false).is_err());
        assert!(provide_all(&[one], &std::env::temp_dir(), true).is_ok());
        std::fs::remove_file(mark).unwrap();
    }
}
