//! Tables for people.

/// Rows with columns as wide as their widest cell, two spaces apart.
pub struct Table<const N: usize> {
    /// Which columns stand on the right, as numbers do.
    right: [bool; N],
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    /// A `>` before a title puts its column on the right.
    pub fn new(titles: [&str; N]) -> Self {
        Self {
            right: titles.map(|title| title.starts_with('>')),
            rows: vec![titles.map(|title| title.trim_start_matches('>').to_owned())],
        }
    }

    /// Adds a row; what a cell says is brought on one line.
    pub fn row(&mut self, cells: [String; N]) {
        self.rows.push(cells.map(|cell| one_line(&cell)));
    }

    /// The lines of the table.
    pub fn render(&self) -> String {
        let width = |column: usize| self.rows.iter().map(|row| row[column].chars().count()).max();
        let widths: [usize; N] = std::array::from_fn(|column| width(column).unwrap_or_default());
        let mut text = String::new();
        for row in &self.rows {
            let cells = row.iter().zip(self.right).zip(widths);
            let cells = cells.map(|((cell, right), width)| match right {
                true => format!("{cell:>width$}"),
                false => format!("{cell:<width$}"),
            });
            text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
            text.push('\n');
        }
        text
    }
}

/// A table without titles, with all columns on the left.
impl<const N: usize> FromIterator<[String; N]> for Table<N> {
    fn from_iter<I: IntoIterator<Item = [String; N]>>(rows: I) -> Self {
        let mut table = Self {
            right: [false; N],
            rows: Vec::new(),
        };
        rows.into_iter().for_each(|cells| table.row(cells));
        table
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
        let mut table = Table::new(["NAME", ">N", "WHY"]);
        table.row(["a".into(), "100".into(), "two\n  lines\u{7}".into()]);
        table.row(["long-name".into(), "5".into(), String::new()]);
        assert_eq!(
            table.render(),
            "NAME         N  WHY\na          100  two; lines\u{fffd}\nlong-name    5\n"
        );
    }
}
