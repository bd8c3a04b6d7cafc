//! In the core, data and contracts do not know the engine, and only the engine spawns.

use super::Violation;
use super::tree::{Tree, numbered};

/// What starts a thread or a task.
const SPAWNS: [&str; 4] = ["thread::spawn", "thread::Builder", "tokio::spawn", ".spawn("];

/// Finds modules of the core that use the engine or start something.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for (path, text) in tree.rust() {
        let Some(module) = path.strip_prefix("alumet-core/src/") else {
            continue;
        };
        let below = |folder: &str| module.starts_with(folder);
        if below("pipeline/") || below("testkit/") {
            continue;
        }
        let is_contract = !below("plugin/") && module != "lib.rs";
        for (line, text) in code(text) {
            // An event source is handed the place where its batches go, a stream output the one where they wait.
            let is_exception = (module == "source.rs" && text.contains("crate::pipeline::EventSink"))
                || (module == "output/stream.rs" && text.contains("crate::pipeline::Records"));
            if is_contract && text.contains("crate::pipeline") && !is_exception {
                let message = "data and contracts do not know the engine; \
                    move the type here, or what uses it to `pipeline`";
                found.push(Violation::new(path, line, message));
            }
            if SPAWNS.iter().any(|spawn| text.contains(spawn)) {
                let message = "only the engine starts threads and tasks; move this to `pipeline`";
                found.push(Violation::new(path, line, message));
            }
        }
    }
    found
}

/// The lines of code: neither comments nor the module of tests, which ends a file.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines: Vec<&str> = text.lines().collect();
    let is_start_of_tests = |at: &usize| {
        let following = &lines[*at..lines.len().min(at + 4)];
        lines[*at] == "#[cfg(test)]" && following.iter().any(|line| line.contains("mod tests"))
    };
    let end = (0..lines.len()).find(is_start_of_tests).unwrap_or(lines.len());
    numbered(text)
        .take(end)
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

#[cfg(test)]
mod tests {
    use super::super::lines;
    use super::*;

    #[test]
    fn a_data_module_that_uses_the_engine_is_found() {
        let code = "//! Text.\nuse crate::pipeline::Control;\n";
        for module in ["batch.rs", "output/mod.rs", "source.rs"] {
            let path = format!("alumet-core/src/{module}");
            let found = check(&Tree::with_files(&[(&path, code)]));
            assert_eq!(lines(&found), [format!("{path}:2")]);
        }
        for module in [
            "pipeline/router.rs",
            "plugin/start.rs",
            "testkit/bench.rs",
            "lib.rs",
        ] {
            let path = format!("alumet-core/src/{module}");
            assert_eq!(check(&Tree::with_files(&[(&path, code)])), []);
        }
    }

    #[test]
    fn a_source_may_know_where_events_go_and_a_comment_may_link_to_the_engine() {
        let code = "use crate::pipeline::EventSink;\n/// See [`x`](crate::pipeline::Control).\n";
        assert_eq!(
            check(&Tree::with_files(&[("alumet-core/src/source.rs", code)])),
            []
        );
    }

    #[test]
    fn whoever_spawns_outside_of_the_engine_is_found() {
        for spawn in SPAWNS {
            let code = format!("fn a() {{\n    x{spawn}y();\n}}\n");
            for (module, line) in [("events.rs", ":2"), ("plugin/mod.rs", ":2")] {
                let path = format!("alumet-core/src/{module}");
                let found = check(&Tree::with_files(&[(&path, &code)]));
                assert_eq!(lines(&found), [format!("{path}{line}")]);
            }
            assert_eq!(
                check(&Tree::with_files(&[("alumet-core/src/pipeline/mod.rs", &code)])),
                []
            );
        }
    }

    #[test]
    fn tests_may_spawn() {
        let code =
            "fn a() {}\n#[cfg(test)]\n#[expect(x)]\npub(crate) mod tests {\n    scope.spawn(|| {});\n}\n";
        assert_eq!(
            check(&Tree::with_files(&[("alumet-core/src/catalog/mod.rs", code)])),
            []
        );
        let helper = "#[cfg(test)]\nfn a() {}\n\n\n\nfn b() {\n    scope.spawn(|| {});\n}\n";
        assert_eq!(
            lines(&check(&Tree::with_files(&[("alumet-core/src/a.rs", helper)]))),
            ["alumet-core/src/a.rs:7"]
        );
    }
}
