//! Text to tree.

use std::borrow::Cow;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::place::{Origin, Place, Source};
use super::problem::{Problem, Problems};
use super::tree::{Node, Table, Value};

/// Longest text of which all syntax errors are looked for; of a longer one only the first is told, because
/// the recovery keeps an error for every byte of garbage.
const LONGEST_RECOVERY: usize = 256 * 1024;

/// Reads the text of a source; what is wrong with it goes to `problems`.
pub(super) fn parse(source: &Arc<Source>, problems: &mut Problems) -> Option<Table> {
    match DeTable::parse(source.text()) {
        Ok(table) => {
            let mut tree = Tree { source, problems };
            Some(tree.table(table.into_inner()))
        }
        Err(first) => {
            let mut errors = vec![first];
            if source.text().len() <= LONGEST_RECOVERY {
                errors = DeTable::parse_recoverable(source.text()).1;
            }
            // One broken line often breaks several rules; its first error is the one to mend.
            errors.sort_by_key(start);
            let mut next_line = 0;
            for error in &errors {
                if start(error) < next_line {
                    continue;
                }
                let rest = source.text().get(start(error)..).unwrap_or_default();
                next_line = rest.find('\n').map_or(usize::MAX, |end| start(error) + end + 1);
                problems.push(syntax_problem(source, error));
            }
            None
        }
    }
}

fn start(error: &toml::de::Error) -> usize {
    error.span().map_or(0, |span| span.start)
}

fn syntax_problem(source: &Arc<Source>, error: &toml::de::Error) -> Problem {
    let place = source.place(error.span().unwrap_or(0..0));
    let message = error.message();
    if let Origin::Override(_) = source.origin {
        let what = format!("cannot read this override as TOML: {message}");
        return Problem::new(what).at(&place).help(
            "an override looks like `plugins.rapl.poll_interval='1ms'`: text in quotes, inside the quotes of the shell",
        );
    }
    if message == "duplicate key" {
        let key = place.text().trim_matches(['"', '\'']);
        let what = format!("the key `{key}` is given twice");
        return Problem::new(what).at(&place).help("keep one of the two");
    }
    let problem = Problem::new(format!("cannot read this as TOML: {message}")).at(&place);
    // Files that were written for a substitution before parsing have `"\${X}"`, which TOML refuses.
    match place.excerpt() {
        Some(excerpt) if excerpt.text.contains("\\${") => problem.help("for a literal `${` write `$${`"),
        _ => problem,
    }
}

/// The conversion of one source.
struct Tree<'a> {
    source: &'a Arc<Source>,
    problems: &'a mut Problems,
}

impl Tree<'_> {
    fn table(&mut self, table: DeTable<'_>) -> Table {
        let mut node = |(key, value): (Spanned<Cow<'_, str>>, _)| {
            let place = self.source.place(key.span());
            let node = self.node(value, Some(place));
            (key.into_inner().into_owned(), node)
        };
        table.into_iter().map(&mut node).collect()
    }

    /// `key` is the place of the key, if it has one.
    fn node(&mut self, value: Spanned<DeValue<'_>>, key: Option<Place>) -> Node {
        let own = self.source.place(value.span());
        let key = key.unwrap_or_else(|| own.clone());
        let plain = match value.into_inner() {
            DeValue::Array(items) => {
                let items = items.into_iter().map(|item| self.node(item, None)).collect();
                return Node::new(Value::List(items), key, own);
            }
            DeValue::Table(table) => {
                return Node::new(Value::Table(self.table(table)), key.clone(), key);
            }
            DeValue::String(text) => text.into_owned().into(),
            DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => number.into(),
                Err(_) => self.out_of_range(&own, "the integer does not fit into 64 bits"),
            },
            DeValue::Float(number) => match number.as_str().parse::<f64>() {
                Ok(number) => number.into(),
                Err(_) => self.out_of_range(&own, "this is no decimal number"),
            },
            DeValue::Boolean(truth) => truth.into(),
            DeValue::Datetime(time) => time.into(),
        };
        Node::new(Value::Plain(plain), key, own)
    }

    /// Tells the problem, and gives a number to go on with.
    fn out_of_range(&mut self, place: &Place, message: &str) -> toml::Value {
        let problem = Problem::new(format!("cannot read this as TOML: {message}"));
        self.problems.push(problem.at(place));
        0.into()
    }
}
