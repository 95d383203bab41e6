//! Keys of the terminal as actions, on any keyboard layout.

use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEventKind};

use crate::app::Action;
use crate::keymap::latin;

/// Rows one step of the wheel moves.
const WHEEL_ROWS: i16 = 3;

/// The action of a terminal event; `None` for keys that mean nothing here.
#[must_use]
pub fn action(event: Event) -> Option<Action> {
    match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => key_action(key),
        Event::Paste(text) => Some(Action::Paste(text)),
        Event::FocusGained => Some(Action::Focused(true)),
        Event::FocusLost => Some(Action::Focused(false)),
        Event::Resize(columns, rows) => Some(Action::Resize(columns, rows)),
        Event::Mouse(mouse) => match mouse.kind {
            MouseEventKind::Down(MouseButton::Left) => Some(Action::Click(mouse.column, mouse.row)),
            MouseEventKind::ScrollUp => Some(Action::Wheel(-WHEEL_ROWS)),
            MouseEventKind::ScrollDown => Some(Action::Wheel(WHEEL_ROWS)),
            _ => None,
        },
        _ => None,
    }
}

fn key_action(key: KeyEvent) -> Option<Action> {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    let alt = key.modifiers.contains(KeyModifiers::ALT);
    Some(match key.code {
        KeyCode::Enter if alt || key.modifiers.contains(KeyModifiers::SHIFT) => Action::NewLine,
        KeyCode::Enter => Action::Enter,
        KeyCode::Esc => Action::Back,
        KeyCode::Tab => Action::Next,
        KeyCode::BackTab => Action::Previous,
        KeyCode::Up => Action::Up,
        KeyCode::Down => Action::Down,
        KeyCode::Left if control || alt => Action::WordLeft,
        KeyCode::Right if control || alt => Action::WordRight,
        KeyCode::Left => Action::Left,
        KeyCode::Right => Action::Right,
        KeyCode::Home if control => Action::First,
        KeyCode::End if control => Action::Newest,
        KeyCode::Home => Action::Home,
        KeyCode::End => Action::End,
        KeyCode::PageUp => Action::PageUp,
        KeyCode::PageDown => Action::PageDown,
        KeyCode::Backspace if control || alt => Action::EraseWord,
        KeyCode::Backspace => Action::Backspace,
        KeyCode::Delete => Action::Delete,
        KeyCode::F(1) => Action::Help,
        // AltGr is reported as Ctrl+Alt on Windows and types letters there.
        KeyCode::Char(letter) if control && !alt => return control_action(letter),
        KeyCode::Char(letter) if !alt || control => Action::Char(letter),
        _ => return None,
    })
}

/// Ctrl with a letter, in any layout. Ctrl+C quits like Ctrl+Q: it is what people press to get out.
fn control_action(letter: char) -> Option<Action> {
    Some(match latin(letter) {
        'k' => Action::Find,
        'g' => Action::NextUnread,
        'f' => Action::Search,
        'n' => Action::Add,
        'p' => Action::Settings,
        'l' => Action::Lock,
        'r' => Action::Doctor,
        'd' => Action::Details,
        't' => Action::File,
        'x' => Action::Editor,
        'y' => Action::Invite,
        'q' | 'c' => Action::Quit,
        'j' => Action::NewLine,
        'u' => Action::EraseLine,
        // Some terminals send Ctrl+H for the erase key.
        'h' => Action::Backspace,
        'a' => Action::Home,
        'e' => Action::End,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(code: KeyCode, modifiers: KeyModifiers) -> Option<Action> {
        action(Event::Key(KeyEvent::new(code, modifiers)))
    }

    #[test]
    fn control_works_on_a_cyrillic_layout() {
        for (latin, cyrillic) in [('k', 'л'), ('n', 'т'), ('g', 'п'), ('y', 'н'), ('q', 'й'), ('j', 'о')]
        {
            let (one, other) = (
                press(KeyCode::Char(latin), KeyModifiers::CONTROL).unwrap(),
                press(KeyCode::Char(cyrillic), KeyModifiers::CONTROL).unwrap(),
            );
            assert_eq!(std::mem::discriminant(&one), std::mem::discriminant(&other));
        }
    }

    #[test]
    fn keys_that_differ_between_layouts_are_not_bound_with_control() {
        for letter in "wsom0123456789қҳӣыщьцҷ".chars() {
            assert!(press(KeyCode::Char(letter), KeyModifiers::CONTROL).is_none(), "{letter}");
        }
    }

    #[test]
    fn enter_sends_and_with_alt_starts_a_line() {
        assert!(matches!(press(KeyCode::Enter, KeyModifiers::NONE), Some(Action::Enter)));
        assert!(matches!(press(KeyCode::Enter, KeyModifiers::ALT), Some(Action::NewLine)));
    }

    #[test]
    fn a_released_key_does_nothing() {
        let mut key = KeyEvent::new(KeyCode::Char('a'), KeyModifiers::NONE);
        key.kind = KeyEventKind::Release;
        assert!(action(Event::Key(key)).is_none());
    }
}
