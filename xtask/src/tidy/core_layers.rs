//! In the core, data and contracts do not know the engine, and only the engine spawns.

use super::Violation;
use super::tree::{Tree, code};

/// What starts a thread or a task.
const SPAWNS: [&str; 4] = ["thread::Builder", "spawn(", "spawn_blocking(", "spawn_local("];

/// Finds modules of the core that use the engine or start something.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let module = |path: &str| path.strip_prefix("alumet-core/src/").map(str::to_owned);
    let concerns = |path: &str| {
        module(path).is_some_and(|module| !module.starts_with("pipeline/") && !module.starts_with("testkit/"))
    };
    tree.in_lines(concerns, code, |path, text| {
        let module = module(path)?;
        // A plugin is handed the pipeline under construction, and the crate names all its modules.
        let is_contract = !module.starts_with("plugin/") && module != "lib.rs";
        // An event source is handed the place where its batches go.
        let is_exception = module == "source.rs" && text.contains("crate::pipeline::EventSink");
        if is_contract && names_engine(text) && !is_exception {
            Some("data and contracts do not know the engine; move the type here, or what uses it to `pipeline`".to_owned())
        } else if SPAWNS.iter().any(|spawn| text.contains(spawn)) {
            Some("only the engine starts threads and tasks; move this to `pipeline`".to_owned())
        } else {
            None
        }
    })
}

/// Whether the line has a path to the engine, in a list of imports, too.
fn names_engine(line: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || "_:".contains(c);
    line.contains("crate::pipeline")
        || line.contains("super::pipeline")
        || line
            .split(|c| !is_part(c))
            .any(|path| path.starts_with("pipeline::"))
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
    fn an_import_in_a_list_or_from_above_is_found() {
        for code in [
            "use crate::{\n    pipeline::Control,\n};\n",
            "use x::Y;\nuse crate::{Batch, pipeline::Control};\n",
            "use x::Y;\nuse super::pipeline;\n",
        ] {
            let found = check(&Tree::with_files(&[("alumet-core/src/batch.rs", code)]));
            assert_eq!(lines(&found), ["alumet-core/src/batch.rs:2"], "{code}");
        }
        let other = "use crate::my_pipeline::X;\nuse other::pipeline::X;\n";
        assert_eq!(
            check(&Tree::with_files(&[("alumet-core/src/batch.rs", other)])),
            []
        );
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
        for spawn in [
            "std::thread::spawn(f)",
            "thread::Builder::new()",
            "tokio::spawn(f)",
            "tokio::task::spawn(f)",
            "task::spawn_local(f)",
            "handle.spawn_blocking(f)",
            "scope.spawn(f)",
        ] {
            let code = format!("fn a() {{\n    {spawn};\n}}\n");
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
        let code = "fn a() {}\n#[cfg(test)]\nmod tests {\n    scope.spawn(|| {});\n}\n";
        assert_eq!(
            check(&Tree::with_files(&[("alumet-core/src/catalog/mod.rs", code)])),
            []
        );
    }
}
