//! Every screen in every language and size as text, and what must hold for all of them.

use karvon_node::api::{ApiError, Attachment, Message, Reaction};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;

use crate::app::story::{self, World, open, typed};
use crate::app::{Action, Model};
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

/// Opens a conversation by the menu.
fn go(name: &str) -> impl Iterator<Item = Action> {
    [Action::Find].into_iter().chain(typed(name)).chain([Action::Enter])
}

/// Screens of a world with groups and channels.
const ROOMS: [&str; 17] = [
    "rooms",
    "group",
    "members",
    "member",
    "leave",
    "group-timer",
    "gather",
    "invited",
    "group-link",
    "channel",
    "own-channel",
    "channel-link",
    "channel-new",
    "channel-leave",
    "search-rooms",
    "info-group",
    "forward-rooms",
];

/// A screen by its name, in a world of its own.
fn screen(name: &str, lang: Lang, plain: bool, size: (u16, u16)) -> Model {
    let mut world = if ROOMS.contains(&name) { World::with_rooms() } else { World::new() };
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
    if ["empty", "no-door"].contains(&name) {
        world.contacts.clear();
        world.messages.clear();
    }
    if name.starts_with("data-") {
        world.data = Some(Box::new(story::used_up()));
    }
    let mut model = open(&mut world, lang, plain, size);
    if name == "no-door" {
        "no_door".clone_into(&mut model.state);
    }
    let chat = [Action::Enter]
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
        "invite-behind" => {
            world.all_behind = true;
            vec![Action::Invite]
        }
        "info" => {
            vec![Action::Enter, Action::Up, Action::Up, Action::Up, Action::Up, Action::Char('i')]
        }
        "help" => vec![Action::Help],
        "requests" => {
            world.strangers = story::strangers();
            vec![Action::Event(karvon_node::api::Event::Requests), Action::Requests, Action::Down]
        }
        "address" => {
            world.address = Some(story::ADDRESS.to_owned());
            vec![Action::Address, Action::Char('n')]
        }
        "no-address" => vec![Action::Address],
        "wifi" => vec![Action::Wifi],
        "search" => [Action::Search].into_iter().chain(typed("pul")).collect(),
        "menu" => vec![Action::Enter, Action::Up, Action::Enter],
        "forward" => vec![Action::Enter, Action::Up, Action::Char('f')],
        "details" => vec![Action::Enter, Action::Details],
        "compare" => {
            world.contacts[0].verified = false;
            let event = karvon_node::api::Event::Contact { contact: 1 };
            vec![Action::Event(event), Action::Enter, Action::Details, Action::Enter]
        }
        "timer" => vec![Action::Enter, Action::Details, Action::Down, Action::Down, Action::Enter],
        "react" => vec![Action::Enter, Action::Up, Action::Char('l')],
        "delete" => {
            vec![Action::Enter, Action::Up, Action::Up, Action::Up, Action::Char('d')]
        }
        "talk" => {
            world.messages[2].edited = true;
            world.messages[3] = Message { text: None, deleted: true, ..world.messages[3].clone() };
            world.messages[6].reply_to = Some(world.messages[1].id.clone());
            world.messages[5].forwarded = true;
            let sign =
                |emoji: &str, mine| Reaction { emoji: emoji.to_owned(), mine, from: "Модар".to_owned() };
            world.messages[1].reactions = vec![sign("❤️", false), sign("👍", true)];
            vec![Action::Enter, Action::Up, Action::Char('r')]
        }
        "attach" => vec![Action::Enter, Action::File, Action::Paste("~/patent.jpg".to_owned())],
        "wipe" => vec![Action::Wipe],
        "keys" => {
            world.contacts[0].keys_changed = true;
            world.contacts[0].verified = false;
            world.contacts[0].timer_s = 604_800;
            let event = karvon_node::api::Event::Contact { contact: 1 };
            vec![Action::Event(event), Action::Enter]
        }
        "files" => {
            let file =
                |name: &str, bytes| Attachment { name: name.to_owned(), bytes, ..Attachment::default() };
            world.messages[1].attachment = Some(file("\u{202e}gpj.exe", 40_000));
            world.messages[1].text = None;
            world.messages[5].timer_s = Some(604_800);
            world.messages[5].text = None;
            world.messages[6].introduces = Some("Зарина".to_owned());
            world.messages[6].text = None;
            world.messages[4].missing = 3;
            vec![Action::Enter, Action::Up]
        }
        "rooms" => vec![Action::Down],
        "group" => go("Бригада").chain(typed("Дар роҳам")).collect(),
        "members" => go("Бригада").chain([Action::Details, Action::Down]).collect(),
        "member" => {
            let down = std::iter::repeat_n(Action::Down, 8);
            go("Бригада").chain([Action::Details]).chain(down).chain([Action::Enter]).collect()
        }
        "group-timer" => go("Бригада").chain([Action::Details, Action::Char('d'), Action::Down]).collect(),
        "leave" => go("Бригада").chain([Action::Details, Action::Char('l')]).collect(),
        "gather" => {
            let name = [Action::NewGroup].into_iter().chain(typed("Хона"));
            name.chain([Action::Enter, Action::Char(' ')]).collect()
        }
        "invited" => vec![Action::Requests],
        "channel" => go("Хабарҳо").collect(),
        "own-channel" => {
            let post = go("Қазон").chain(typed("Се дуредгар лозим"));
            post.chain([Action::Enter, Action::Details]).collect()
        }
        "group-link" => go("Бригада").chain([Action::Details, Action::Char('i')]).collect(),
        "channel-link" => go("Қазон").chain([Action::Details, Action::Enter]).collect(),
        "channel-new" => [Action::NewChannel].into_iter().chain(typed("Корҳо")).collect(),
        "channel-leave" => go("Хабарҳо").chain([Action::Details, Action::Char('u')]).collect(),
        "search-rooms" => [Action::Search].into_iter().chain(typed("д")).collect(),
        "info-group" => go("Бригада").chain([Action::Up, Action::Up, Action::Char('i')]).collect(),
        "forward-rooms" => go("Хабарҳо").chain([Action::Up, Action::Char('f')]).collect(),
        "settings" => vec![Action::Settings, Action::Down],
        "doctor" | "data-doctor" => vec![Action::Doctor],
        "data-chat" => vec![Action::Enter],
        _ => Vec::new(),
    };
    world.play(&mut model, keys);
    model
}

const SCREENS: [&str; 37] = [
    "wizard-language",
    "wizard-name",
    "wizard-lock",
    "wizard-connect",
    "empty",
    "no-door",
    "list",
    "chat",
    "held",
    "find",
    "add",
    "invite",
    "invite-behind",
    "info",
    "help",
    "search",
    "menu",
    "forward",
    "compare",
    "timer",
    "react",
    "delete",
    "talk",
    "attach",
    "wipe",
    "keys",
    "files",
    "details",
    "settings",
    "doctor",
    "lock",
    "requests",
    "address",
    "no-address",
    "wifi",
    "data-chat",
    "data-doctor",
];

/// Languages whose screens are kept as text: one with letters of its own, the longest one, and the one the program is written in.
const REVIEWED: [Lang; 3] = [Lang::Tg, Lang::Ru, Lang::En];

#[test]
fn every_screen_looks_as_it_was_reviewed() {
    for name in SCREENS.into_iter().chain(ROOMS) {
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
    for name in SCREENS.into_iter().chain(ROOMS) {
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
fn what_holds_for_a_conversation_can_be_read_whole_on_the_narrowest_terminal() {
    for lang in Lang::ALL {
        let mut world = World::new();
        world.contacts[0].keys_changed = true;
        for timer in [0, 300, 3_600, 86_400, 2_592_000] {
            world.contacts[0].timer_s = timer;
            let mut model = open(&mut world, lang, false, (40, 20));
            world.play(&mut model, [Action::Enter, Action::Details]);
            let rows = text_rows(&drawn(&model, (40, 20)));
            let cut = rows.iter().skip(1).find(|row| row.contains('…'));
            assert_eq!(cut, None, "{lang:?}");
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
fn the_own_invitation_is_a_square_beside_its_line_at_80_columns_and_in_turn_with_it_at_45() {
    let square = |size| {
        let rows = text_rows(&drawn(&screen("invite", Lang::En, false, size), size));
        rows.iter().filter(|row| row.contains('▀')).count()
    };
    assert!(square((80, 24)) >= 15);
    // On a phone the square has the whole screen, and the line comes with Enter.
    assert!(square((45, 24)) >= 15);
    assert_eq!(square((40, 20)), 0);
    let mut phone = screen("invite", Lang::En, false, (45, 24));
    World::new().play(&mut phone, [Action::Enter]);
    let phone = text_rows(&drawn(&phone, (45, 24))).concat();
    assert!(phone.replace(' ', "").contains(story::INVITATION));
}

#[test]
fn without_colour_no_cell_has_one() {
    for name in SCREENS.into_iter().chain(ROOMS) {
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
    world.play(&mut model, [Action::Enter]);
    world.receive(&mut model, 1, "a\u{1b}[31mred\u{1b}]52;c;ZXZpbA==\u{7}\tb\u{202e}txt\u{9b}2J\r\nend");
    let rows = text_rows(&drawn(&model, (80, 24))).join("\n");
    assert!(rows.contains("ared    btxt") && rows.contains("end"), "{rows}");
    assert!(!rows.contains("[31m") && !rows.contains("ZXZpbA") && !rows.contains('\u{202e}'));
}

#[test]
fn right_to_left_text_has_nothing_to_its_right() {
    let mut world = World::new();
    let mut model = open(&mut world, Lang::En, false, (80, 24));
    world.play(&mut model, [Action::Enter].into_iter().chain(typed("سلام دوست من")).chain([Action::Enter]));
    let rows = text_rows(&drawn(&model, (80, 24)));
    let row = rows.iter().find(|row| row.contains("سلام")).unwrap();
    assert!(row.ends_with("سلام دوست من"), "{row}");
}
