//! Every screen in every language and size as text, and what must hold for all of them.

use karvon_node::api::ApiError;
use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;

use crate::app::story::{self, World, open, typed};
use crate::app::{Action, Model, Overlay};
use crate::command::Purpose;
use crate::lang::Lang;
use crate::text::width::width;
use crate::theme::Theme;

const SIZES: [(u16, u16); 3] = [(40, 20), (80, 24), (120, 40)];

fn drawn(model: &Model, size: (u16, u16)) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).unwrap();
    terminal.draw(|frame| super::draw(model, frame)).unwrap();
    terminal.backend().buffer().clone()
}

fn text_rows(buffer: &Buffer) -> Vec<String> {
    let rows = buffer.area.rows().map(|row| {
        let mut line = String::new();
        let mut skip = 0;
        for column in row.columns() {
            let symbol = buffer[(column.x, column.y)].symbol();
            if skip == 0 {
                line.push_str(symbol);
                skip = width(symbol);
            }
            skip = skip.saturating_sub(1);
        }
        line.trim_end().to_owned()
    });
    rows.collect()
}

/// A screen by its name, in a world of its own.
fn screen(name: &str, lang: Lang, plain: bool, size: (u16, u16)) -> Model {
    let mut world = World::new();
    if let Some(step) = name.strip_prefix("wizard-") {
        let mut model = Model::wizard(lang, Theme { color: true, plain, light: false }, size);
        let name = [Action::Enter].into_iter().chain(typed("Али"));
        let keys: Vec<Action> = match step {
            "language" => Vec::new(),
            "name" => name.collect(),
            "lock" => name.chain([Action::Enter]).chain(typed("кабӯтар")).chain([Action::Enter]).collect(),
            _ => {
                let lock = [Action::Enter, Action::Down, Action::Enter];
                name.chain(lock).chain(typed("nonsense")).chain([Action::Enter]).collect()
            }
        };
        world.play(&mut model, keys);
        return model;
    }
    if name == "lock" {
        let mut model = Model::locked(lang, Theme { color: true, plain, light: false }, size);
        world.play(&mut model, typed("кабӯтар").chain([Action::Enter]));
        let wrong = ApiError { code: "wrong_passphrase".to_owned(), message: String::new() };
        world.play(&mut model, [Action::Answer(Purpose::Unlock, Err(wrong))]);
        return model;
    }
    if name == "empty" {
        world.contacts.clear();
        world.messages.clear();
    }
    let mut model = open(&mut world, lang, plain, size);
    let chat = [Action::Down, Action::Enter]
        .into_iter()
        .chain(typed("Моҳи оянда,"))
        .chain([Action::NewLine])
        .chain(typed("насиб бошад"));
    let keys: Vec<Action> = match name {
        "list" => vec![Action::Down],
        "chat" => chat.collect(),
        "held" => [Action::Find].into_iter().chain(typed("руст")).chain([Action::Enter]).collect(),
        "find" => vec![Action::Find],
        "add" => vec![Action::Add, Action::Paste(story::INVITATION.to_owned()), Action::Enter],
        "invite" => vec![Action::Invite],
        "info" => {
            vec![
                Action::Down,
                Action::Enter,
                Action::Up,
                Action::Up,
                Action::Up,
                Action::Up,
                Action::Char('i'),
            ]
        }
        "help" => vec![Action::Help],
        "search" => [Action::Search].into_iter().chain(typed("pul")).collect(),
        "menu" => vec![Action::Down, Action::Enter, Action::Up, Action::Enter],
        "forward" => vec![Action::Down, Action::Enter, Action::Up, Action::Char('f')],
        "details" => vec![Action::Down, Action::Enter, Action::Details],
        "settings" => vec![Action::Settings, Action::Down],
        "doctor" => vec![Action::Doctor],
        _ => Vec::new(),
    };
    world.play(&mut model, keys);
    model
}

const SCREENS: [&str; 20] = [
    "wizard-language",
    "wizard-name",
    "wizard-lock",
    "wizard-connect",
    "empty",
    "list",
    "chat",
    "held",
    "find",
    "add",
    "invite",
    "info",
    "help",
    "search",
    "menu",
    "forward",
    "details",
    "settings",
    "doctor",
    "lock",
];

/// Languages whose screens are kept as text: one with letters of its own, the longest one, and the one the program is written in.
const REVIEWED: [Lang; 3] = [Lang::Tg, Lang::Ru, Lang::En];

#[test]
fn every_screen_looks_as_it_was_reviewed() {
    for name in SCREENS {
        for lang in REVIEWED {
            let mut all = String::new();
            for plain in [false, true] {
                for size in SIZES {
                    let glyphs = if plain { "plain" } else { "unicode" };
                    all.push_str(&format!("== {}x{} {glyphs}\n", size.0, size.1));
                    for row in text_rows(&drawn(&screen(name, lang, plain, size), size)) {
                        all.push_str(&format!("{row}\n"));
                    }
                }
            }
            insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
                insta::assert_snapshot!(format!("{name}.{}", lang.tag()), all);
            });
        }
    }
}

#[test]
fn every_screen_names_its_keys_and_how_to_leave_in_every_language_and_size() {
    for name in SCREENS {
        for lang in Lang::ALL {
            for size in SIZES {
                let model = screen(name, lang, false, size);
                let rows = text_rows(&drawn(&model, size));
                let keys = rows.last().unwrap();
                assert!(width(keys) > 8, "{name} {lang:?} {size:?}: {keys}");
                let leaves = keys.contains("Esc")
                    || keys.contains("^Q")
                    || keys.contains("^K")
                    || keys.contains("Enter");
                assert!(leaves, "{name} {lang:?} {size:?}: {keys}");
            }
        }
    }
}

#[test]
fn plain_glyphs_are_only_those_every_terminal_has() {
    // Names of languages, the display test and the world's own texts are letters of people, not structure.
    for name in ["empty", "add", "help", "wizard-name", "wizard-lock", "wizard-connect"] {
        let rows = text_rows(&drawn(&screen(name, Lang::En, true, (80, 24)), (80, 24)));
        for row in rows {
            let foreign: String =
                row.chars().filter(|letter| !letter.is_ascii() && !letter.is_alphabetic()).collect();
            assert_eq!(foreign, "", "{name}: {row}");
        }
    }
}

#[test]
fn the_own_invitation_is_a_square_at_80_columns_and_text_at_45() {
    let square = |size| {
        let rows = text_rows(&drawn(&screen("invite", Lang::En, false, size), size));
        rows.iter().filter(|row| row.contains('▀')).count()
    };
    assert!(square((80, 24)) >= 15);
    assert_eq!(square((45, 24)), 0);
    let phone = text_rows(&drawn(&screen("invite", Lang::En, false, (45, 24)), (45, 24))).concat();
    assert!(phone.replace(' ', "").contains(story::INVITATION));
}

#[test]
fn without_colour_no_cell_has_one() {
    for name in SCREENS {
        let mut model = screen(name, Lang::En, false, (80, 24));
        model.theme.color = false;
        let buffer = drawn(&model, (80, 24));
        let reset = ratatui::style::Color::Reset;
        assert!(buffer.content().iter().all(|cell| cell.fg == reset && cell.bg == reset), "{name}");
    }
}

#[test]
fn nothing_of_a_hostile_message_but_its_letters_reaches_the_screen() {
    let mut world = World::new();
    let mut model = open(&mut world, Lang::En, false, (80, 24));
    world.play(&mut model, [Action::Down, Action::Enter]);
    world.receive(&mut model, 1, "a\u{1b}[31mred\u{1b}]52;c;ZXZpbA==\u{7}\tb\u{202e}txt\u{9b}2J\r\nend");
    let rows = text_rows(&drawn(&model, (80, 24))).join("\n");
    assert!(rows.contains("ared    btxt") && rows.contains("end"), "{rows}");
    assert!(!rows.contains("[31m") && !rows.contains("ZXZpbA") && !rows.contains('\u{202e}'));
}

#[test]
fn right_to_left_text_has_nothing_to_its_right() {
    let mut world = World::new();
    let mut model = open(&mut world, Lang::En, false, (80, 24));
    world.play(
        &mut model,
        [Action::Down, Action::Enter].into_iter().chain(typed("سلام دوست من")).chain([Action::Enter]),
    );
    let rows = text_rows(&drawn(&model, (80, 24)));
    let row = rows.iter().find(|row| row.contains("سلام")).unwrap();
    assert!(row.ends_with("سلام دوست من"), "{row}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn any_text_at_any_size_is_drawn_without_control_characters(
        name in proptest::collection::vec(any::<char>(), 0..20),
        text in proptest::collection::vec(prop_oneof![any::<char>(), Just('\u{1b}'), Just('\n'), Just('ӯ'), Just('\u{301}'), Just('😀')], 0..120),
        written in proptest::collection::vec(prop_oneof![any::<char>(), Just('\u{200d}'), Just('👩'), Just(' ')], 0..60),
        columns in 1u16..=200,
        rows in 1u16..=60,
        place in 0usize..14,
        plain: bool,
    ) {
        let (name, text): (String, String) = (name.into_iter().collect(), text.into_iter().collect());
        let mut world = World::new();
        world.contacts[0].name = name.clone();
        for message in &mut world.messages {
            message.text = Some(text.clone());
            message.from.clone_from(&name);
        }
        let mut model = open(&mut world, Lang::Tg, plain, (columns, rows));
        let write = [Action::Down, Action::Enter, Action::Paste(written.into_iter().collect())];
        let then = match place {
            0 => vec![Action::PageUp, Action::PageUp],
            1 => vec![Action::Up, Action::Up, Action::Up, Action::Enter],
            2 => vec![Action::Find, Action::Paste(text.clone())],
            3 => vec![Action::Add, Action::Paste(text.clone()), Action::Next, Action::Paste(name)],
            4 => vec![Action::Back],
            5 => vec![Action::Help, Action::PageDown],
            6 => vec![Action::Enter, Action::PageUp, Action::PageDown],
            7 => vec![Action::Invite, Action::Char('i')],
            8 => vec![Action::Search, Action::Paste(text.clone()), Action::Down],
            9 => vec![Action::Details, Action::Char('r'), Action::Paste(text.clone())],
            10 => vec![Action::Settings, Action::Down, Action::Enter, Action::Right],
            11 => vec![Action::Doctor, Action::PageDown],
            12 => vec![Action::Up, Action::Enter, Action::Char('f'), Action::Paste(text.clone())],
            _ => vec![Action::Click(columns / 2, rows / 2), Action::Wheel(-3)],
        };
        world.play(&mut model, write.into_iter().chain(then));
        let buffer = drawn(&model, (columns, rows));
        prop_assert!(buffer.content().iter().all(|cell| !cell.symbol().contains(char::is_control)));
        if let Some(Overlay::Find(find)) = model.overlays.last() {
            prop_assert!(!find.query.text().contains('\n'));
        }
    }
}
