use std::fmt::{Display, Write};

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
///
/// Based on the longest common subsequence, so that one missing line does not make all following lines differ.
pub fn difference(expected: &[String], actual: &[String]) -> Option<String> {
    if expected == actual {
        return None;
    }
    let (rows, columns) = (expected.len(), actual.len());
    let mut common = vec![vec![0_usize; columns + 1]; rows + 1];
    for row in (0..rows).rev() {
        for column in (0..columns).rev() {
            common[row][column] = if expected[row] == actual[column] {
                common[row + 1][column + 1] + 1
            } else {
                common[row + 1][column].max(common[row][column + 1])
            };
        }
    }
    let (mut row, mut column) = (0, 0);
    let mut text = String::new();
    while row < rows || column < columns {
        if row < rows && column < columns && expected[row] == actual[column] {
            writeln!(text, "  {}", expected[row]).unwrap();
            row += 1;
            column += 1;
        } else if column == columns || (row < rows && common[row + 1][column] >= common[row][column + 1]) {
            writeln!(text, "- {}", expected[row]).unwrap();
            row += 1;
        } else {
            writeln!(text, "+ {}", actual[column]).unwrap();
            column += 1;
        }
    }
    Some(text)
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
