//! Tables for people.

/// Rows with columns as wide as their widest cell, two spaces apart.
pub(crate) struct Table<const N: usize> {
    alignment: [Align; N],
    rows: Vec<[String; N]>,
}

/// On which side of its column a cell stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    /// Texts.
    Left,
    /// Numbers.
    Right,
}

impl<const N: usize> Table<N> {
    pub(crate) fn new(columns: [(&str, Align); N]) -> Self {
        Self {
            alignment: columns.map(|(_, align)| align),
            rows: vec![columns.map(|(title, _)| title.to_owned())],
        }
    }

    pub(crate) fn row(&mut self, cells: [String; N]) {
        self.rows.push(cells.map(|cell| one_line(&cell)));
    }

    pub(crate) fn render(&self) -> String {
        let width = |column: usize| self.rows.iter().map(|row| row[column].chars().count()).max();
        let widths: [usize; N] = std::array::from_fn(|column| width(column).unwrap_or_default());
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for ((cell, align), width) in row.iter().zip(self.alignment).zip(widths) {
                let padding = std::iter::repeat_n(' ', width - cell.chars().count());
                match align {
                    Align::Left => {
                        line.push_str(cell);
                        line.extend(padding);
                    }
                    Align::Right => {
                        line.extend(padding);
                        line.push_str(cell);
                    }
                }
                line.push_str("  ");
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// The text without ends of lines and other control characters.
pub(crate) fn one_line(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let joined = lines.collect::<Vec<_>>().join("; ");
    joined.replace(char::is_control, "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_on_the_right_and_errors_on_one_line() {
        let mut table = Table::new([("NAME", Align::Left), ("N", Align::Right), ("WHY", Align::Left)]);
        table.row(["a".into(), "100".into(), "two\n  lines\u{7}".into()]);
        table.row(["long-name".into(), "5".into(), String::new()]);
        assert_eq!(
            table.render(),
            "NAME         N  WHY\na          100  two; lines\u{fffd}\nlong-name    5\n"
        );
    }
}
