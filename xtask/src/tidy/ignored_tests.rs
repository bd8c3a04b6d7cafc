//! A test that does not run says why.

use super::Violation;
use super::tree::{Tree, numbered};

/// Finds ignored tests without a reason.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for (path, text) in tree.rust() {
        for (line, text) in numbered(text) {
            if text.trim_start().starts_with("#[ignore]") {
                let message = "the test is ignored without a reason; write `#[ignore = \"why\"]`";
                found.push(Violation::new(path, line, message));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::lines;
    use super::*;

    #[test]
    fn an_ignored_test_needs_a_reason() {
        let text = "#[test]\n    #[ignore]\nfn a() {}\n#[ignore = \"needs a GPU\"]\nfn b() {}\n";
        assert_eq!(lines(&check(&Tree::with_files(&[("a.rs", text)]))), ["a.rs:2"]);
    }
}
