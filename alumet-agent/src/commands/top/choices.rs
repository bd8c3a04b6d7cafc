//! What the user has chosen to see.

use regex::Regex;

use super::Top;
use super::arrange::Sort;
use super::keys::Action;
use super::units::Units;

/// What the user has chosen to see.
#[derive(Debug, Clone)]
pub(super) struct Choices {
    pub(super) sort: Sort,
    pub(super) search: Option<Regex>,
    /// A search while it is typed, and what is wrong with it.
    pub(super) typed: Option<String>,
    pub(super) fault: Option<String>,
    pub(super) units: Units,
    pub(super) is_tree: bool,
    pub(super) shows_groups: bool,
    pub(super) shows_help: bool,
    pub(super) is_paused: bool,
    /// The row that is marked, counted from the first one.
    pub(super) marked: usize,
}

impl From<&Top> for Choices {
    fn from(top: &Top) -> Self {
        Self {
            sort: top.sort,
            search: top.filter.clone(),
            typed: None,
            fault: None,
            units: top.units,
            is_tree: top.tree,
            shows_groups: top.groups,
            shows_help: false,
            is_paused: false,
            marked: 0,
        }
    }
}

impl Choices {
    /// Does what a key says; `rows` are shown, `page` of them at once.
    pub(super) fn apply(&mut self, action: Action, rows: usize, page: usize) {
        let last = rows.saturating_sub(1);
        match action {
            Action::Sort => self.sort = self.sort.next(),
            Action::Tree => self.is_tree = !self.is_tree,
            Action::Groups => {
                self.shows_groups = !self.shows_groups;
                self.marked = 0;
            }
            Action::Units => self.units = self.units.next(),
            Action::Pause => self.is_paused = !self.is_paused,
            Action::Help => self.shows_help = !self.shows_help,
            Action::Up => self.marked = self.marked.saturating_sub(1),
            Action::Down => self.marked += 1,
            Action::PageUp => self.marked = self.marked.saturating_sub(page),
            Action::PageDown => self.marked += page,
            Action::First => self.marked = 0,
            Action::Last => self.marked = last,
            Action::Search => {
                let text = self.search.as_ref().map_or("", |search| search.as_str());
                self.typed = Some(text.to_owned());
            }
            Action::Type(letter) => self.edit(|text| text.push(letter)),
            Action::Erase => self.edit(|text| {
                text.pop();
            }),
            // What is wrong is no search.
            Action::Accept => (self.typed, self.fault) = (None, None),
            Action::Cancel => {
                self.shows_help = false;
                (self.typed, self.fault, self.search) = (None, None, None);
            }
            Action::Suspend | Action::Quit => {}
        }
        self.keep_mark(rows);
    }

    /// There may be fewer rows now.
    pub(super) fn keep_mark(&mut self, rows: usize) {
        self.marked = self.marked.min(rows.saturating_sub(1));
    }

    /// Edits the search; the rows follow as long as it is one.
    fn edit(&mut self, edit: impl FnOnce(&mut String)) {
        let text = self.typed.get_or_insert_default();
        edit(text);
        self.fault = None;
        match Regex::new(text) {
            _ if text.is_empty() => self.search = None,
            Ok(search) => self.search = Some(search),
            // The last line of it says what is wrong, those before show where.
            Err(error) => self.fault = error.to_string().lines().last().map(str::to_owned),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn choices() -> Choices {
        Choices {
            sort: Sort::Power,
            search: None,
            typed: None,
            fault: None,
            units: Units::W,
            is_tree: false,
            shows_groups: false,
            shows_help: false,
            is_paused: false,
            marked: 0,
        }
    }

    fn after(actions: impl IntoIterator<Item = Action>) -> Choices {
        let mut choices = choices();
        actions
            .into_iter()
            .for_each(|action| choices.apply(action, 100, 20));
        choices
    }

    #[test]
    fn the_mark_stays_on_the_rows() {
        let marked = |actions: &[Action]| after(actions.iter().copied()).marked;
        assert_eq!(marked(&[Action::Up]), 0);
        assert_eq!(marked(&[Action::Down, Action::PageDown]), 21);
        assert_eq!(marked(&[Action::Last, Action::Down]), 99);
        assert_eq!(marked(&[Action::Last, Action::PageUp]), 79);
        assert_eq!(marked(&[Action::Last, Action::Groups]), 0);
        let mut choices = after([Action::Last]);
        choices.apply(Action::Sort, 3, 20);
        assert_eq!(choices.marked, 2, "there are fewer rows now");
    }

    #[test]
    fn a_search_works_while_it_is_typed_and_says_what_is_wrong_with_it() {
        let typed = |text: &str| after([Action::Search].into_iter().chain(text.chars().map(Action::Type)));
        let search = |choices: &Choices| choices.search.as_ref().map(ToString::to_string);
        let mut choices = typed("ab(");
        assert_eq!(search(&choices).as_deref(), Some("ab"), "the last that is one");
        assert!(
            choices
                .fault
                .as_ref()
                .is_some_and(|fault| fault.contains("group")),
            "{choices:?}"
        );
        choices.apply(Action::Erase, 1, 1);
        assert_eq!(
            (choices.fault.as_ref(), search(&choices).as_deref()),
            (None, Some("ab"))
        );
        choices.apply(Action::Accept, 1, 1);
        assert_eq!(choices.typed, None);
        choices.apply(Action::Search, 1, 1);
        assert_eq!(choices.typed.as_deref(), Some("ab"), "it can be changed");
        choices.apply(Action::Cancel, 1, 1);
        assert_eq!((choices.typed.as_ref(), search(&choices)), (None, None));
    }

    #[test]
    fn each_switch_goes_back() {
        for action in [
            Action::Tree,
            Action::Groups,
            Action::Pause,
            Action::Help,
            Action::Units,
        ] {
            let text = |choices: Choices| format!("{choices:?}");
            assert_ne!(text(after([action])), text(choices()), "{action:?}");
            assert_eq!(text(after([action, action])), text(choices()), "{action:?}");
        }
    }
}
