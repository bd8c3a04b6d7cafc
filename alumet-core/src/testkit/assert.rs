use std::fmt::Display;

/// Compares two lists of things by their text, line by line.
///
/// # Panics
/// When they differ, with a listing of what is missing (`-`) and what is too much (`+`).
#[track_caller]
pub fn assert_lines(
    actual: impl IntoIterator<Item = impl Display>,
    expected: impl IntoIterator<Item = impl Display>,
) {
    let lines = |text: String| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let actual: Vec<String> = actual
        .into_iter()
        .flat_map(|line| lines(line.to_string()))
        .collect();
    let expected: Vec<String> = expected
        .into_iter()
        .flat_map(|line| lines(line.to_string()))
        .collect();
    if let Some(difference) = difference(&expected, &actual) {
        panic!("the lines differ (- expected, + actual):\n{difference}");
    }
}

/// What turns `expected` into `actual`, or `None` if they are equal.
pub fn difference(expected: &[String], actual: &[String]) -> Option<String> {
    let changes = similar::capture_diff_slices(similar::Algorithm::Myers, expected, actual);
    let lines = changes
        .iter()
        .flat_map(|change| change.iter_changes(expected, actual));
    let text = lines.map(|line| format!("{} {}\n", line.tag(), line.value()));
    (expected != actual).then(|| text.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_missing_line_is_shown_alone() {
        let lines = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(difference(&lines("a b c"), &lines("a b c")), None);
        assert_eq!(
            difference(&lines("a b c"), &lines("a c d")).unwrap(),
            "  a\n- b\n  c\n+ d\n"
        );
    }
}
