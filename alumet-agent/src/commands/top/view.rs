//! From rows to lines of text: those that a script reads, and the screen.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use alumet_core::Consumer;
use alumet_core::metric::Quality;

use super::arrange::Arranged;
use super::choices::Choices;
use super::keys::KEYS;
use super::model::{Machine, Power, Row};
use super::units::{Units, size};

/// What is on the screen.
pub(super) struct View<'a> {
    pub(super) machine: &'a Machine,
    pub(super) rows: &'a [Arranged<'a>],
    pub(super) choices: &'a Choices,
    /// The latest line of the log.
    pub(super) warning: Option<&'a str>,
    pub(super) has_colours: bool,
}

/// How many lines the head has, and how many there are besides rows: the names of the columns and the last line.
const HEAD: u16 = 4;
const FRAME: u16 = 2;
/// From this height on the whole head is shown, and from this one on its first line.
const WHOLE_HEAD: u16 = 12;
const FIRST_OF_HEAD: u16 = 5;

/// How many rows a screen of that height has.
pub(super) const fn page(height: u16) -> u16 {
    height.saturating_sub(head_height(height) + FRAME)
}

const fn head_height(height: u16) -> u16 {
    match height {
        WHOLE_HEAD.. => HEAD,
        FIRST_OF_HEAD.. => 1,
        _ => 0,
    }
}

impl Widget for View<'_> {
    fn render(self, area: Rect, buffer: &mut Buffer) {
        let head = head_height(area.height);
        let page = page(area.height);
        let width = usize::from(area.width);
        let mut lines: Vec<Line<'_>> = Vec::new();
        for text in self::head(self.machine, self.rows.len(), self.choices)
            .into_iter()
            .take(usize::from(head))
        {
            lines.push(Line::raw(text));
        }
        let columns = Columns::fitting(width, self.choices.shows_groups);
        let heading = columns.heading(self.choices.units, self.choices.shows_groups);
        let heading = format!("{heading:width$}");
        lines.push(Line::styled(heading, self.style(Color::Cyan, Modifier::REVERSED)));
        if self.choices.shows_help {
            lines.extend(help().map(Line::raw).take(usize::from(page)));
        } else {
            let first = self.first(page);
            let rows = self.rows.iter().enumerate().skip(first);
            for (at, shown) in rows.take(usize::from(page)) {
                let text = columns.line(shown, self.choices.units);
                let line = match at == self.choices.marked {
                    true => Line::styled(format!("{text:width$}"), Modifier::REVERSED),
                    false => self.coloured(&columns, text),
                };
                lines.push(line);
            }
        }
        lines.truncate(usize::from(area.height.saturating_sub(1)));
        for (y, line) in (area.y..area.bottom()).zip(&lines) {
            buffer.set_line(area.x, y, line, area.width);
        }
        if area.height > 0 {
            buffer.set_line(area.x, area.bottom() - 1, &self.last_line(), area.width);
        }
    }
}

impl View<'_> {
    /// The first row of a page that has the marked one, in or near its middle.
    fn first(&self, page: u16) -> usize {
        let page = usize::from(page);
        let most = self.rows.len().saturating_sub(page);
        self.choices.marked.saturating_sub(page / 2).min(most)
    }

    fn style(&self, colour: Color, modifier: Modifier) -> Style {
        let style = Style::new().add_modifier(modifier);
        if self.has_colours { style.fg(colour) } else { style }
    }

    /// A row whose numbers stand out from its text.
    fn coloured(&self, columns: &Columns, text: String) -> Line<'static> {
        let at = text
            .char_indices()
            .nth(columns.numbers_width())
            .map_or(text.len(), |(at, _)| at);
        let (numbers, rest) = text.split_at(at);
        let numbers = Span::styled(numbers.to_owned(), self.style(Color::Green, Modifier::empty()));
        Line::from(vec![numbers, Span::raw(rest.to_owned())])
    }

    fn last_line(&self) -> Line<'static> {
        if let Some(typed) = &self.choices.typed {
            let typed = printable(&format!("/{typed}_"));
            return match &self.choices.fault {
                Some(fault) => Line::from(vec![
                    Span::raw(typed),
                    Span::styled(
                        format!("  {}", printable(fault)),
                        self.style(Color::Red, Modifier::BOLD),
                    ),
                ]),
                None => Line::raw(format!("{typed}  Enter keeps it, Esc shows all")),
            };
        }
        if let Some(warning) = self.warning {
            return Line::styled(printable(warning), self.style(Color::Yellow, Modifier::BOLD));
        }
        Line::raw("q quit  s sort  / filter  t tree  g groups  u units  p pause  ? help")
    }
}

/// What keys do.
fn help() -> impl Iterator<Item = String> {
    let letters = KEYS.iter().map(|(key, _, what)| format!("  {key}       {what}"));
    let more = [
        "  arrows  move the mark; PgUp, PgDn, Home, End in large steps",
        "",
        "  CPU %   of one CPU; 200 is two whole ones",
        "  MEMORY  in RAM, in steps of 1024; IO/S is read and written together, per second",
        "  POWER   the share of the measured or estimated power of the machine",
        "  ENERGY  the same since the start of this program; `-` is not known",
    ];
    letters.chain(more.map(str::to_owned))
}

/// What stands above the columns, four lines.
pub(super) fn head(machine: &Machine, rows: usize, choices: &Choices) -> Vec<String> {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let percent = |part: f64, whole: f64| format!("{:.0} %", 100.0 * part / whole.max(f64::MIN_POSITIVE));
    let cpus = machine.cpus as f64;
    let load: Vec<String> = machine
        .load
        .iter()
        .map(|load| or_dash(load.map(|load| format!("{load:.2}"))))
        .collect();
    let used = machine.memory.zip(machine.memory_available);
    let memory = used.map(|(total, available)| {
        let used = total - available;
        format!("{} of {} ({})", size(used), size(total), percent(used, total))
    });
    let first = format!(
        "cpu     {} of {} CPUs; load {}; memory {}",
        or_dash(machine.busy.map(|busy| percent(busy, cpus))),
        machine.cpus,
        load.join(" "),
        or_dash(memory)
    );
    let lines = [
        first,
        power(machine, choices.units),
        sources(machine, choices.units),
        shown(rows, choices),
    ];
    lines.map(|line| printable(&line)).to_vec()
}

/// The power that is shared, and over whom.
fn power(machine: &Machine, units: Units) -> String {
    let (Some(processes), Some(quality)) = (machine.attributed, machine.quality) else {
        return match machine.why.as_str() {
            "" => "power   of processes not known yet".to_owned(),
            why => format!("power   of processes not known: {why}"),
        };
    };
    let [idle, unattributed] = [machine.idle, machine.unattributed].map(|part| part.unwrap_or(0.0));
    let idle_text = match idle {
        0.0 => "not known yet".to_owned(),
        _ => units.number(idle),
    };
    format!(
        "power   {} ({}): processes {}, idle {idle_text}, unattributed {}",
        units.quantity(processes + idle + unattributed, "W"),
        quality.name(),
        units.number(processes),
        units.number(unattributed),
    )
}

/// What sensors and estimates show, by how it is known.
fn sources(machine: &Machine, units: Units) -> String {
    if machine.sources.is_empty() {
        return "sources none yet; `doctor` tells what this machine has".to_owned();
    }
    let of_quality = |powers: &[Power]| {
        let powers_text: Vec<String> = powers
            .iter()
            .map(|power| format!("{} {}", power.name, units.quantity(power.watts, "W")))
            .collect();
        let quality = powers.first().map_or(Quality::Measured, |power| power.quality);
        format!("{} ({})", powers_text.join(", "), quality.name())
    };
    let groups: Vec<String> = machine
        .sources
        .chunk_by(|a, b| a.quality == b.quality)
        .map(of_quality)
        .collect();
    format!("sources {}", groups.join("; "))
}

/// What the rows are.
fn shown(rows: usize, choices: &Choices) -> String {
    let what = match choices.shows_groups {
        true => "control groups",
        false => "processes",
    };
    let mut text = format!("shown   {what}: {rows}, by {}", choices.sort.name());
    if choices.is_tree {
        text.push_str(", as a tree");
    }
    if let Some(search) = &choices.search {
        text.push_str(&format!(", that match /{search}/"));
    }
    if choices.is_paused {
        text.push_str("; paused");
    }
    text
}

/// Text that cannot steer the terminal: names and command lines may hold anything.
fn printable(text: &str) -> String {
    let shown = |letter: char| if letter.is_control() { '?' } else { letter };
    text.chars().map(shown).collect()
}

/// The columns that there is room for; the text of a row is always the last one.
pub(super) struct Columns(Vec<Column>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Pid,
    Cpu,
    Memory,
    Io,
    Power,
    Energy,
}

impl Column {
    const ALL: [Self; 6] = [
        Self::Pid,
        Self::Cpu,
        Self::Memory,
        Self::Io,
        Self::Power,
        Self::Energy,
    ];
    /// Those that go first where there is no room.
    const LESS: [Self; 6] = [
        Self::Io,
        Self::Energy,
        Self::Memory,
        Self::Cpu,
        Self::Pid,
        Self::Power,
    ];

    const fn width(self) -> usize {
        match self {
            Self::Pid => 7,
            Self::Cpu | Self::Memory | Self::Io => 6,
            Self::Power | Self::Energy => 9,
        }
    }

    fn title(self, units: Units) -> String {
        match self {
            Self::Pid => "PID".to_owned(),
            Self::Cpu => "CPU %".to_owned(),
            Self::Memory => "MEMORY".to_owned(),
            Self::Io => "IO/S".to_owned(),
            Self::Power => format!("POWER {}", units.symbol("W")),
            Self::Energy => format!("ENERGY {}", units.symbol("J")),
        }
    }

    fn value(self, row: &Row, units: Units) -> Option<String> {
        match self {
            Self::Pid => match row.consumer {
                Consumer::Process { pid } => Some(pid.to_string()),
                _ => None,
            },
            Self::Cpu => row.cpu.map(|cpus| format!("{:.1}", 100.0 * cpus)),
            Self::Memory => row.memory.map(size),
            Self::Io => row.io.map(size),
            Self::Power => row.power.map(|watts| units.number(watts)),
            Self::Energy => row.energy.map(|joules| units.number(joules)),
        }
    }
}

impl Columns {
    /// What the text of a row needs at least.
    const TEXT: usize = 12;

    /// All that there are of processes or groups.
    pub(super) fn all(of_groups: bool) -> Self {
        let columns = Column::ALL.into_iter();
        Self(
            columns
                .filter(|column| !of_groups || *column != Column::Pid)
                .collect(),
        )
    }

    fn fitting(width: usize, of_groups: bool) -> Self {
        let mut columns = Self::all(of_groups);
        for column in Column::LESS {
            if columns.numbers_width() + Self::TEXT <= width {
                break;
            }
            columns.0.retain(|other| *other != column);
        }
        columns
    }

    /// The width of all columns but the text, with a blank behind each.
    fn numbers_width(&self) -> usize {
        self.0.iter().map(|column| column.width() + 1).sum()
    }

    /// The names of the columns.
    pub(super) fn heading(&self, units: Units, of_groups: bool) -> String {
        let text = if of_groups { "CONTROL GROUP" } else { "COMMAND" };
        self.joined(|column| column.title(units), text)
    }

    /// A row as text.
    pub(super) fn line(&self, shown: &Arranged<'_>, units: Units) -> String {
        let value = |column: Column| column.value(shown.row, units).unwrap_or_else(|| "-".to_owned());
        // A deep tree must not push all text off the screen.
        let indent = "  ".repeat(shown.depth.min(16));
        self.joined(value, &format!("{indent}{}", printable(&shown.row.text)))
    }

    fn joined(&self, text_of: impl Fn(Column) -> String, last: &str) -> String {
        let mut line = String::new();
        for column in &self.0 {
            let (width, text) = (column.width(), text_of(*column));
            line.push_str(&format!("{text:>width$} "));
        }
        line.push_str(last);
        line
    }
}

#[cfg(test)]
mod tests;
