//! A reader parses what the kernel shows: it knows nothing of Alumet, and is told where the system root is.

use heck::ToSnakeCase;

use super::Violation;
use super::tree::{Tree, code, numbered};

/// Words of the data model. `resource` is none of them, because the kernel has resources, too.
const WORDS: [&str; 6] = ["metric", "metrics", "sample", "samples", "consumer", "consumers"];

/// Where the system shows itself when its root is `/`.
const ROOTS: [&str; 2] = ["\"/proc", "\"/sys"];

/// Finds readers that speak of what plugins make of a reading, or that choose the system root themselves.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let mut found = tree.in_lines(is_of_reader, numbered, |_, text| {
        // A crate of that name makes values for tests.
        let words = text.replace("proptest::sample", "").to_snake_case();
        let word = words.split('_').find(|word| WORDS.contains(word))?;
        Some(format!(
            "a reader does not know what a {word} is; name what the kernel shows, or move this to the plugin"
        ))
    });
    found.extend(tree.in_lines(is_of_reader, code, |_, text| {
        let chooses = ROOTS.iter().any(|root| text.contains(root));
        chooses.then(|| "the system root is an argument; join the rest of the path to it".to_owned())
    }));
    found
}

/// Whether it is a source of a reader, other than a file of tests.
fn is_of_reader(path: &str) -> bool {
    path.strip_prefix("alumet-plugins/readers/")
        .and_then(|path| path.split_once('/'))
        .is_some_and(|(_, path)| path.starts_with("src/") && !path.ends_with("/tests.rs"))
}

#[cfg(test)]
mod tests {
    use super::super::lines;
    use super::*;

    const PATH: &str = "alumet-plugins/readers/iron/src/stat/cpu.rs";

    fn found(path: &str, text: &str) -> Vec<String> {
        lines(&check(&Tree::with_files(&[(path, text)])))
    }

    #[test]
    fn a_reader_that_mentions_the_data_model_is_found() {
        for line in [
            "/// The value of the metric.",
            "use crate::Metric;",
            "pub fn metric_name() {}",
            "struct CpuSample(u64);",
            "let samples = 3;",
            "enum Consumer {}",
        ] {
            assert_eq!(
                found(PATH, &format!("\n{line}\n")),
                [format!("{PATH}:2")],
                "{line}"
            );
        }
    }

    #[test]
    fn words_of_the_kernel_and_other_crates_are_none() {
        let text = "/// A resource, and asymmetric.\nlet x = proptest::sample::subsequence(y);\nlet sampled = resample();\n";
        assert_eq!(found(PATH, text), [""; 0]);
        for other in [
            "alumet-plugins/sources/iron/src/source.rs",
            "alumet-plugins/readers/iron/tests/metrics.rs",
            "alumet-plugins/readers/iron/src/stat/tests.rs",
        ] {
            assert_eq!(found(other, "let metric = read(\"/proc/stat\");\n"), [""; 0]);
        }
    }

    #[test]
    fn a_reader_that_chooses_the_system_root_is_found() {
        for root in ROOTS {
            let text = format!("fn a() {{\n    read({root}/stat\");\n}}\n");
            assert_eq!(found(PATH, &text), [format!("{PATH}:2")]);
            let tests =
                format!("/// `{root}/stat\"`\n#[cfg(test)]\nmod tests {{\n    read({root}/stat\");\n}}\n");
            assert_eq!(found(PATH, &tests), [""; 0]);
        }
    }
}
