//! What keys mean.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Quit,
    Suspend,
    Sort,
    Tree,
    Groups,
    Units,
    Pause,
    Help,
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
    /// Begin to type a search.
    Search,
    Type(char),
    Erase,
    /// The search is typed.
    Accept,
    /// Leave the search, or the help.
    Cancel,
}

/// What a key asks for, while a search is typed or not.
pub(super) fn action(key: KeyEvent, is_typing: bool) -> Option<Action> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return match key.code {
            KeyCode::Char('c') => Some(Action::Quit),
            KeyCode::Char('z') => Some(Action::Suspend),
            _ => None,
        };
    }
    match key.code {
        KeyCode::Esc => Some(Action::Cancel),
        KeyCode::Up => Some(Action::Up),
        KeyCode::Down => Some(Action::Down),
        KeyCode::PageUp => Some(Action::PageUp),
        KeyCode::PageDown => Some(Action::PageDown),
        KeyCode::Home => Some(Action::First),
        KeyCode::End => Some(Action::Last),
        KeyCode::Enter if is_typing => Some(Action::Accept),
        KeyCode::Backspace if is_typing => Some(Action::Erase),
        KeyCode::Char(letter) if is_typing => Some(Action::Type(letter)),
        KeyCode::Char(letter) => KEYS
            .iter()
            .find_map(|(key, action, _)| (*key == letter).then_some(*action)),
        _ => None,
    }
}

/// The letters, and what the help says of them.
pub(super) const KEYS: [(char, Action, &str); 8] = [
    ('q', Action::Quit, "quit"),
    ('s', Action::Sort, "sort by power, CPU time, memory, I/O, name"),
    (
        '/',
        Action::Search,
        "show what matches a regular expression; Esc shows all again",
    ),
    (
        't',
        Action::Tree,
        "each below its parent, or all by the same order",
    ),
    ('g', Action::Groups, "control groups or processes"),
    ('u', Action::Units, "watts and joules, or thousandths of them"),
    (
        'p',
        Action::Pause,
        "let the picture stand still; what is measured goes on",
    ),
    ('?', Action::Help, "this help"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn of(code: KeyCode, is_typing: bool) -> Option<Action> {
        action(KeyEvent::new(code, KeyModifiers::NONE), is_typing)
    }

    #[test]
    fn letters_are_commands_unless_a_search_is_typed() {
        for (key, meant, _) in KEYS {
            assert_eq!(of(KeyCode::Char(key), false), Some(meant));
            assert_eq!(of(KeyCode::Char(key), true), Some(Action::Type(key)));
        }
        assert_eq!(of(KeyCode::Char('x'), false), None);
        assert_eq!(of(KeyCode::Enter, false), None);
        assert_eq!(of(KeyCode::Enter, true), Some(Action::Accept));
    }

    #[test]
    fn control_keys_work_while_a_search_is_typed() {
        for is_typing in [false, true] {
            let control = |letter| {
                let key = KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL);
                action(key, is_typing)
            };
            assert_eq!(control('c'), Some(Action::Quit));
            assert_eq!(control('z'), Some(Action::Suspend));
            assert_eq!(control('q'), None);
        }
    }

    #[test]
    fn a_key_that_is_let_go_does_nothing() {
        let mut key = KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE);
        key.kind = KeyEventKind::Release;
        assert_eq!(action(key, false), None);
    }
}
