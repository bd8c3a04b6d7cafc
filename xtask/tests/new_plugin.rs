//! A plugin that `cargo xtask new-plugin` has written works as it is.

#![expect(clippy::unwrap_used, reason = "a test ends with a panic when its tools fail")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The plugins that the test writes: one of each kind, with a name of one word and of several.
const PLUGINS: [(&str, &str); 3] = [
    ("source", "example-big-source"),
    ("transform", "example-transform"),
    ("output", "example-a-output"),
];

/// A copy of the workspace that survives between runs, so that only what has changed is built again.
struct Copy {
    folder: PathBuf,
    target: PathBuf,
}

impl Copy {
    fn of_the_workspace() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
        let target = target.join("xtask-new-plugin");
        let folder = target.join("workspace");
        let _ = fs::remove_dir_all(folder.join(".git"));
        let listed = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(root)
            .output()
            .unwrap();
        assert!(listed.status.success(), "{listed:?}");
        let paths = String::from_utf8(listed.stdout).unwrap();
        let paths: Vec<&str> = paths
            .split('\0')
            .filter(|path| root.join(path).is_file())
            .collect();
        remove_others(&folder, &folder, &paths);
        for path in paths {
            let (from, to) = (root.join(path), folder.join(path));
            let text = fs::read(&from).unwrap();
            // What is the same keeps its time, by which cargo tells what to build.
            if fs::read(&to).ok().as_ref() != Some(&text) {
                fs::create_dir_all(to.parent().unwrap()).unwrap();
                fs::write(&to, text).unwrap();
            }
        }
        let copy = Self { folder, target };
        copy.succeeds(Command::new("git").args(["init", "-q"]));
        copy
    }

    fn output(&self, command: &mut Command) -> Output {
        command
            .current_dir(&self.folder)
            .env("CARGO_TARGET_DIR", &self.target)
            // Nobody looks at these programs in a debugger.
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .output()
            .unwrap()
    }

    fn succeeds(&self, command: &mut Command) -> String {
        let output = self.output(command);
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{command:?}\n{out}\n{err}");
        out
    }

    fn xtask(arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.args(arguments);
        command
    }

    fn cargo(arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO"));
        command.args(arguments);
        command
    }
}

/// Removes the files that an earlier run has left and that are not among `paths`.
fn remove_others(root: &Path, folder: &Path, paths: &[&str]) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        let relative = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            remove_others(root, &path, paths);
            // Fails, as it shall, when something is left inside.
            let _ = fs::remove_dir(&path);
        } else if !paths.contains(&relative.as_str()) {
            fs::remove_file(&path).unwrap();
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The plugin that CONTRIBUTING makes step by step.
const FOLLOWED: &str = "alumet-plugins/sources/file-handles";

/// Runs the command that makes the plugin, and writes the files that are given whole.
fn follow_contributing(copy: &Copy) {
    let page = fs::read_to_string(copy.folder.join("CONTRIBUTING.md")).unwrap();
    let command = page
        .lines()
        .find(|line| line.starts_with("cargo xtask new-plugin"))
        .unwrap();
    let [words, summary, _] = command.split('"').collect::<Vec<_>>()[..] else {
        panic!("{command}");
    };
    let words = words.split_whitespace().skip(2).chain([summary]);
    copy.succeeds(&mut Copy::xtask(&words.collect::<Vec<_>>()));
    let mut files = 0;
    for part in page.split("The whole of").skip(1) {
        let (path, rest) = part.trim_start()[1..].split_once('`').unwrap();
        let (_, block) = rest.split_once("\n```").unwrap();
        let (_, block) = block.split_once('\n').unwrap();
        let (text, _) = block.split_once("\n```\n").unwrap();
        fs::write(copy.folder.join(FOLLOWED).join(path), format!("{text}\n")).unwrap();
        files += 1;
    }
    assert_eq!(files, 4);
}

#[test]
fn a_new_plugin_of_each_kind_builds_passes_its_contract_and_is_known_to_the_binaries() {
    let copy = Copy::of_the_workspace();
    for (kind, name) in PLUGINS {
        copy.succeeds(&mut Copy::xtask(&["new-plugin", kind, name, "Does it."]));
    }
    follow_contributing(&copy);

    // A second one of the same name is refused, whatever its kind, and changes nothing.
    let refused = copy.output(&mut Copy::xtask(&[
        "new-plugin",
        "output",
        "example-transform",
        "Does it.",
    ]));
    assert!(!refused.status.success());
    let message = text(&refused.stderr);
    assert!(
        message.contains("exists in alumet-plugins/transforms/example-transform"),
        "{message}"
    );
    let refused = copy.output(&mut Copy::xtask(&[
        "new-plugin",
        "output",
        "Bad_Name",
        "Does it.",
    ]));
    assert!(text(&refused.stderr).contains("kebab-case"), "{refused:?}");

    // No rule of the project is broken, but that the examples are still examples.
    let tidy = copy.output(&mut Copy::xtask(&["tidy"]));
    let violations = text(&tidy.stdout);
    for (_, name) in PLUGINS {
        let readme = format!("{name}/README.md:6: `(example of new-plugin)` is left");
        assert!(violations.contains(&readme), "{violations}");
    }
    let others = violations
        .lines()
        .filter(|line| !line.contains("is left of the template"));
    let about_them = others.filter(|line| line.contains("example-") || line.contains("file-handles"));
    assert_eq!(about_them.collect::<Vec<_>>(), [""; 0]);
    assert!(!violations.contains(FOLLOWED), "{violations}");

    let names = PLUGINS.map(|(_, name)| name);
    let packages: Vec<String> = names
        .iter()
        .chain(&["file-handles"])
        .map(|name| format!("--package=alumet-plugin-{name}"))
        .collect();
    let packages = &packages;
    copy.succeeds(Copy::cargo(&["fmt", "--check"]).args(packages));
    copy.succeeds(
        Copy::cargo(&["clippy", "--no-deps", "--all-targets"])
            .args(packages)
            .args(["--", "-D", "warnings"]),
    );
    let tested = copy.succeeds(Copy::cargo(&["test", "--lib", "--tests"]).args(packages));
    let contract = "test the_plugin_fulfils_the_contract ... ok";
    assert_eq!(tested.matches(contract).count(), packages.len(), "{tested}");

    // The server measures nothing: it has no sources.
    let [source, transform, output] = names;
    for (binary, features) in [
        ("alumet-agent", [source, transform, output].join(",")),
        ("alumet-server", [transform, output].join(",")),
    ] {
        let check = [
            "check",
            "-p",
            binary,
            "--no-default-features",
            "--features",
            &features,
        ];
        copy.succeeds(&mut Copy::cargo(&check));
    }
}
