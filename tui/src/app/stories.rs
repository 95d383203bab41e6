//! What people do and what they then see, told as stories.

use karvon_node::api::{Event, Request, State};

use super::room_stories::screen;
use super::story::{INVITATION, World, open, typed};
use super::{Action, Model, Overlay, Talk, update};
use crate::command::{Command, Purpose};
use crate::lang::{Lang, Texts};
use crate::theme::Theme;

#[test]
fn opening_a_conversation_shows_its_messages_and_says_that_they_were_seen() {
    let mut world = World::new();
    let mut model = open(&mut world, Lang::En, false, (80, 24));
    assert_eq!(model.contacts.first().map(|contact| contact.unread), Some(2));
    world.play(&mut model, [Action::Enter]);
    let chat = model.chat.as_ref().unwrap();
    assert_eq!((chat.talk, chat.messages.len(), chat.new_from), (Talk::Person(1), 7, Some(6)));
    assert!(world.asked.iter().any(|asked| asked.contains("mark_read") && asked.contains("\"seq\":7")));
    assert_eq!(model.contacts.first().map(|contact| contact.unread), Some(0));
}

#[test]
fn what_arrives_behind_the_list_on_a_phone_is_not_marked_as_seen() {
    let mut world = World::new();
    let mut model = open(&mut world, Lang::En, false, (40, 20));
    world.play(&mut model, [Action::Enter, Action::Back]);
    world.asked.clear();
    world.receive(&mut model, 1, "ту куҷо?");
    assert!(!world.asked.iter().any(|asked| asked.contains("mark_read")), "{:?}", world.asked);
    world.play(&mut model, [Action::Enter]);
    assert!(world.asked.iter().any(|asked| asked.contains("mark_read")));
}

#[test]
fn a_sent_text_appears_with_the_mark_it_has_earned_and_then_moves_on() {
    let mut world = World::new();
    let mut model = open(&mut world, Lang::En, false, (80, 24));
    world.play(&mut model, [Action::Enter].into_iter().chain(typed("Пагоҳ меоям")).chain([Action::Enter]));
    let mark = |model: &Model| {
        model
            .chat
            .as_ref()
            .unwrap()
            .messages
            .back()
            .map(|last| (last.text.clone().unwrap(), model.mark(last)))
    };
    assert_eq!(mark(&model), Some(("Пагоҳ меоям".to_owned(), "·")));
    let moved = |delivered_below, stored, read_upto| {
        Action::Event(Event::Delivery { contact: 1, delivered_below, stored, read_upto })
    };
    world.play(&mut model, [moved(3, vec![(8, 8)], 2)]);
    assert_eq!(mark(&model).unwrap().1, "↑");
    world.play(&mut model, [moved(9, vec![], 2)]);
    assert_eq!(mark(&model).unwrap().1, "✓");
    world.play(&mut model, [moved(9, vec![], 8)]);
    assert_eq!(mark(&model).unwrap().1, "✓✓");
    assert_eq!(model.last.get(&Talk::Person(1)).map(|last| last.state), Some(State::Read));
}

#[test]
fn a_text_is_not_shown_as_queued_before_the_node_says_that_it_is_on_disk() {
    let mut world = World::new();
    let mut model = open(&mut world, Lang::En, false, (80, 24));
    world.play(&mut model, [Action::Enter].into_iter().chain(typed("a")));
    let first = update(&mut model, Action::Enter);
    assert!(matches!(first.as_slice(), [Command::Call(Request::Send { .. }, Purpose::Sent)]));
    assert_eq!(model.chat.as_ref().unwrap().messages.len(), 7);
    let _ = update(&mut model, Action::Char('b'));
    assert!(update(&mut model, Action::Enter).is_empty(), "the second text waits for the first");
    assert_eq!(model.outgoing.len(), 2);
    world.carry_out(&mut model, first);
    let texts: Vec<_> =
        model.chat.as_ref().unwrap().messages.iter().skip(7).filter_map(|m| m.text.clone()).collect();
    assert_eq!(texts, ["a", "b"]);
}

#[test]
fn a_refused_text_goes_back_to_the_composer() {
    let mut world = World::new();
    world.refuse = Some("store");
    let mut model = open(&mut world, Lang::En, false, (80, 24));
    world.play(&mut model, [Action::Enter].into_iter().chain(typed("муҳим")).chain([Action::Enter]));
    assert_eq!(model.chat.as_ref().unwrap().composer.text(), "муҳим");
    assert!(model.notice.as_deref().unwrap().contains("disk"));
    assert!(model.outgoing.is_empty());
}

#[test]
fn a_failed_meeting_holds_its_messages_with_a_reason() {
    let mut world = World::new();
    let mut model = open(&mut world, Lang::En, false, (80, 24));
    world.play(&mut model, [Action::Find].into_iter().chain(typed("руст")).chain([Action::Enter]));
    let last = model.chat.as_ref().unwrap().messages.back().unwrap();
    assert_eq!(model.mark(last), "!");
    assert!(crate::draw::areas::held_reason(&model, Talk::Person(2)).unwrap().contains("already used"));
}

#[test]
fn a_hundred_thousand_messages_are_never_held_at_once() {
    let mut world = World::long(100_000);
    let mut model = open(&mut world, Lang::En, false, (80, 24));
    world.play(&mut model, [Action::Enter]);
    for _ in 0..120 {
        world.play(&mut model, [Action::PageUp]);
        assert!(model.chat.as_ref().unwrap().messages.len() <= super::chat::WINDOW);
    }
    let chat = model.chat.as_ref().unwrap();
    let positions: Vec<_> = chat.messages.iter().map(|message| message.position).collect();
    assert!(positions.windows(2).all(|pair| pair[1] == pair[0] + 1), "no gap in the window");
    assert!(chat.newer && chat.older && positions[0] < 98_500, "{}", positions[0]);
    world.receive(&mut model, 1, "new below");
    for _ in 0..200 {
        world.play(&mut model, [Action::PageDown]);
    }
    let chat = model.chat.as_ref().unwrap();
    assert_eq!(chat.view, super::chat::View::Bottom);
    assert_eq!(chat.messages.back().map(|message| message.position), Some(100_001));
    assert!(chat.messages.len() <= super::chat::WINDOW);
}

#[test]
fn a_message_that_arrives_while_the_page_is_read_is_not_missed() {
    let mut world = World::new();
    let mut model = open(&mut world, Lang::En, false, (80, 24));
    let asked = update(&mut model, Action::Enter);
    let [Command::Call(request, purpose)] = asked.as_slice() else { panic!("one call") };
    let page = world.answer(request.clone());
    world.receive(&mut model, 1, "дар миёна");
    assert!(!model.chat.as_ref().unwrap().loaded);
    world.play(&mut model, [Action::Answer(purpose.clone(), page)]);
    let last = model.chat.as_ref().unwrap().messages.back().and_then(|message| message.text.clone());
    assert_eq!(last.as_deref(), Some("дар миёна"));
}

#[test]
fn escape_always_goes_back_and_from_the_top_opens_the_menu() {
    let mut world = World::new();
    let mut model = open(&mut world, Lang::En, false, (80, 24));
    world.play(&mut model, [Action::Enter, Action::Up, Action::Enter]);
    assert!(matches!(model.overlays.last(), Some(Overlay::Menu(0))));
    world.play(&mut model, [Action::Back]);
    assert!(model.overlays.is_empty() && model.chat.as_ref().unwrap().selected.is_some());
    world.play(&mut model, [Action::Back]);
    assert!(model.chat.as_ref().unwrap().selected.is_none());
    world.play(&mut model, [Action::Back]);
    assert_eq!(model.focus, super::Focus::List);
    world.play(&mut model, [Action::Back]);
    assert!(matches!(model.overlays.last(), Some(Overlay::Find(_))));
    world.play(&mut model, [Action::Back]);
    assert!(model.overlays.is_empty());
}

#[test]
fn an_invitation_is_pasted_and_a_used_one_is_explained() {
    let mut world = World::new();
    let mut model = open(&mut world, Lang::En, false, (80, 24));
    world.play(&mut model, [Action::Add, Action::Paste("hello".to_owned()), Action::Enter]);
    let problem = |model: &Model| match model.overlays.last() {
        Some(Overlay::Add(form)) => form.problem.clone(),
        _ => None,
    };
    assert!(problem(&model).unwrap().contains("neither"));
    world.play(&mut model, [Action::EraseLine, Action::Paste(INVITATION.to_owned()), Action::Enter]);
    assert!(problem(&model).unwrap().contains("already used"));
    let good = INVITATION.trim_end_matches('9').to_owned();
    let name = [Action::Next].into_iter().chain(typed("Зарина"));
    world.play(
        &mut model,
        [Action::EraseLine, Action::Paste(good)].into_iter().chain(name).chain([Action::Enter]),
    );
    assert!(model.overlays.is_empty());
    assert_eq!(model.chat.as_ref().map(|chat| chat.talk), Some(Talk::Person(9)));
    assert_eq!(model.contact_name(9), "Зарина");
}

#[test]
fn quitting_asks_once_when_something_was_not_sent() {
    let mut world = World::new();
    let mut model = open(&mut world, Lang::En, false, (80, 24));
    world.play(&mut model, [Action::Enter, Action::Char('x'), Action::Quit]);
    assert!(!world.quit && model.notice.is_some());
    world.play(&mut model, [Action::Quit]);
    assert!(world.quit);
}

#[test]
fn a_draft_waits_in_its_conversation() {
    let mut world = World::new();
    let mut model = open(&mut world, Lang::En, false, (80, 24));
    world.play(&mut model, [Action::Enter, Action::Char('x'), Action::Back, Action::Down, Action::Enter]);
    assert_eq!(model.chat.as_ref().unwrap().composer.text(), "");
    world.play(&mut model, [Action::Back, Action::Up, Action::Enter]);
    assert_eq!(model.chat.as_ref().unwrap().composer.text(), "x");
}

#[test]
fn a_tap_on_a_person_opens_and_a_tap_on_a_key_is_the_key() {
    let mut world = World::new();
    let mut model = open(&mut world, Lang::En, false, (80, 24));
    world.play(&mut model, [Action::Click(3, 1)]);
    assert_eq!(
        model.chat.as_ref().map(|chat| chat.talk),
        model.contacts.first().map(|contact| Talk::Person(contact.contact))
    );
    world.play(&mut model, [Action::Back, Action::Click(2, 23)]);
    assert_eq!(model.focus, super::Focus::Chat, "Enter is the first key of the list");
}

#[test]
fn the_selected_message_is_copied_on_a_cyrillic_layout_too() {
    let mut world = World::new();
    let mut model = open(&mut world, Lang::En, false, (80, 24));
    world.play(&mut model, [Action::Enter, Action::Up, Action::Up, Action::Char('с')]);
    assert_eq!(world.copied, ["Пулро гирифтам, раҳмат"]);
}

#[test]
fn when_the_node_is_gone_the_screen_says_so_and_can_be_left() {
    let mut world = World::new();
    let mut model = open(&mut world, Lang::En, false, (80, 24));
    world.play(&mut model, [Action::Gone]);
    assert!(model.gone && model.notice.is_some());
    world.play(&mut model, [Action::Quit]);
    assert!(world.quit);
}

#[test]
fn the_first_start_asks_for_language_name_lock_and_connection() {
    let mut world = World::new();
    let mut model = Model::wizard(Lang::En, Theme { color: true, plain: false, light: false }, (80, 24));
    world.play(&mut model, [Action::Down]);
    assert_eq!(model.texts.lang(), Lang::Tg);
    world.play(&mut model, [Action::Next, Action::Enter, Action::Enter]);
    assert!(world.finished.is_none(), "a name is needed");
    world.play(&mut model, typed("Али").chain([Action::Enter]));
    world.play(
        &mut model,
        typed("кабӯтар нон").chain([Action::Enter]).chain(typed("кабӯтар нун")).chain([Action::Enter]),
    );
    assert!(
        matches!(&model.screen, super::Screen::Wizard(wizard) if wizard.problem == Some("wizard-passphrase-differs"))
    );
    // Invisible letters that are wrong are not left for the next try.
    world.play(&mut model, typed("кабӯтар нон").chain([Action::Enter, Action::Back]));
    for _ in 0..2 {
        world.play(&mut model, typed("кабӯтар нон").chain([Action::Enter]));
    }
    world.play(&mut model, [Action::Paste(format!("\n{INVITATION}\n")), Action::Enter]);
    let result = world.finished.unwrap();
    assert_eq!((result.lang, result.plain, result.name.as_str()), (Lang::Tg, true, "Али"));
    assert!(
        matches!(&result.lock, crate::command::Lock::Passphrase(phrase) if phrase.as_str() == "кабӯтар нон")
    );
    assert!(
        matches!(&result.connect, crate::command::Connect::Invitation(line) if line.as_str() == INVITATION)
    );
}

#[test]
fn the_first_start_goes_back_and_allows_no_lock_and_a_demo() {
    let mut world = World::new();
    let mut model = Model::wizard(Lang::En, Theme { color: true, plain: false, light: false }, (40, 20));
    world.play(&mut model, [Action::Enter, Action::Char('A'), Action::Enter, Action::Back, Action::Enter]);
    world.play(&mut model, [Action::Down, Action::Enter, Action::Down, Action::Enter]);
    let result = world.finished.unwrap();
    assert!(matches!(result.lock, crate::command::Lock::None));
    assert!(matches!(result.connect, crate::command::Connect::Demo));
}

#[test]
fn whoever_presses_enter_before_the_search_has_answered_still_gets_there() {
    let mut world = World::new();
    let mut model = open(&mut world, Lang::En, false, (80, 24));
    world.play(&mut model, [Action::Search]);
    let asked = update(&mut model, Action::Paste("pul".to_owned()));
    world.play(&mut model, [Action::Enter]);
    assert!(matches!(model.overlays.last(), Some(Overlay::Search(_))));
    world.carry_out(&mut model, asked);
    assert!(model.overlays.is_empty());
    assert_eq!(model.chat.as_ref().map(|chat| chat.talk), Some(Talk::Person(1)));
}

#[test]
fn a_search_finds_in_either_script_and_goes_to_the_message() {
    let mut world = World::long(3_000);
    world.messages[41].text = Some("Пулро гирифтам".to_owned());
    let mut model = open(&mut world, Lang::En, false, (80, 24));
    world.play(&mut model, [Action::Search].into_iter().chain(typed("pul")));
    let found = |model: &Model| match model.overlays.last() {
        Some(Overlay::Search(search)) => {
            search.found.iter().map(|one| one.message.position).collect::<Vec<_>>()
        }
        _ => Vec::new(),
    };
    assert_eq!(found(&model), [42]);
    world.play(&mut model, [Action::Enter]);
    let chat = model.chat.as_ref().unwrap();
    assert!(model.overlays.is_empty());
    assert_eq!(chat.selected_message().unwrap().text.as_deref(), Some("Пулро гирифтам"));
    assert!(chat.messages.len() <= super::chat::WINDOW && chat.newer);
    world.play(&mut model, std::iter::repeat_n(Action::PageDown, 10));
    let positions: Vec<_> =
        model.chat.as_ref().unwrap().messages.iter().map(|message| message.position).collect();
    assert!(positions.windows(2).all(|pair| pair[1] == pair[0] + 1), "no gap behind the jump");
}

#[test]
fn the_first_message_and_the_newest_are_one_key_away() {
    let mut world = World::long(3_000);
    let mut model = open(&mut world, Lang::En, false, (80, 24));
    world.play(&mut model, [Action::Enter, Action::First]);
    let chat = model.chat.as_ref().unwrap();
    assert_eq!((chat.messages[0].position, chat.selected), (1, Some(1)));
    assert!(!chat.older && chat.newer);
    world.play(&mut model, [Action::Newest]);
    let chat = model.chat.as_ref().unwrap();
    assert_eq!(chat.messages.back().map(|message| message.position), Some(3_000));
    assert_eq!((chat.selected, chat.view), (None, super::chat::View::Bottom));
}

#[test]
fn a_page_for_a_window_that_was_left_is_dropped() {
    let mut world = World::long(3_000);
    let mut model = open(&mut world, Lang::En, false, (80, 24));
    world.play(&mut model, [Action::Enter, Action::First]);
    // A page for the window at the start is under way when the person goes to the end.
    let late: Vec<_> = (0..8).flat_map(|_| update(&mut model, Action::PageDown)).collect();
    assert!(late.iter().any(|command| matches!(command, Command::Call(_, Purpose::Newer(..)))));
    world.play(&mut model, [Action::Newest]);
    world.carry_out(&mut model, late);
    let positions: Vec<_> =
        model.chat.as_ref().unwrap().messages.iter().map(|message| message.position).collect();
    assert!(positions.windows(2).all(|pair| pair[1] == pair[0] + 1), "no gap in the window");
}

#[test]
fn a_message_is_forwarded_from_the_menu_and_by_its_letter() {
    let mut world = World::new();
    let mut model = open(&mut world, Lang::En, false, (80, 24));
    world.play(&mut model, [Action::Enter, Action::Up, Action::Up, Action::Enter]);
    assert!(matches!(model.overlays.last(), Some(Overlay::Menu(0))));
    world.play(&mut model, [Action::Char('а')]);
    world.play(&mut model, typed("рустам").chain([Action::Enter]));
    let last = world.messages.last().unwrap();
    assert_eq!((last.contact, last.forwarded), (2, true));
    assert_eq!(last.text.as_deref(), Some("Пулро гирифтам, раҳмат"));
    assert!(model.notice.as_deref().unwrap().contains("Рустам"));
}

#[test]
fn a_contact_gets_another_name_on_this_device() {
    let mut world = World::new();
    let mut model = open(&mut world, Lang::En, false, (80, 24));
    world.play(&mut model, [Action::Enter, Action::Details, Action::Char('к'), Action::EraseLine]);
    world.play(&mut model, typed("Оча").chain([Action::Enter]));
    assert_eq!(model.contact_name(1), "Оча");
}

#[test]
fn settings_change_at_once_and_are_saved() {
    let mut world = World::new();
    let mut model = open(&mut world, Lang::En, false, (80, 24));
    world.play(&mut model, [Action::Settings, Action::Left]);
    assert_eq!(model.texts.lang(), Lang::Kk);
    world.play(&mut model, [Action::Down, Action::Enter, Action::Down, Action::Enter]);
    assert!(model.theme.light && model.theme.plain);
    let saved: Vec<_> = world.asked.iter().filter(|asked| asked.starts_with("set ")).collect();
    assert_eq!(saved, ["set ui.lang kk", "set ui.theme light", "set ui.glyphs plain"]);
}

#[test]
fn colours_that_the_system_forbids_are_not_brought_back_by_a_setting() {
    let mut world = World::new();
    let mut model = Model::new(
        Lang::En,
        Theme { color: false, plain: false, light: false },
        crate::text::time::Zone::default(),
        (80, 24),
    );
    world.play(&mut model, [Action::Settings, Action::Down, Action::Enter, Action::Enter]);
    assert!(!model.theme.color);
}

#[test]
fn a_message_that_is_not_seen_rings_and_says_no_more_than_it_may() {
    let mut world = World::new();
    let mut model = open(&mut world, Lang::En, false, (80, 24));
    world.play(&mut model, [Action::Enter]);
    world.receive(&mut model, 1, "seen at once");
    assert!(world.alerts.is_empty());
    world.receive(&mut model, 3, "a secret");
    assert_eq!(world.alerts.len(), 1);
    assert_eq!(world.alerts[0].words.as_deref(), Some("1 new"));
    world.play(&mut model, [Action::Focused(false)]);
    model.prefs.notify = super::settings::Notify::Name;
    world.receive(&mut model, 1, "a secret");
    assert_eq!(world.alerts[1].words.as_deref(), Some("Модар: 1 new"));
    model.prefs.notify = super::settings::Notify::Off;
    model.prefs.bell = false;
    world.receive(&mut model, 1, "a secret");
    assert_eq!(world.alerts.len(), 2);
}

#[test]
fn a_text_comes_back_from_the_editor_without_the_line_break_at_its_end() {
    let mut world = World::new();
    let mut model = open(&mut world, Lang::En, false, (80, 24));
    world.play(&mut model, [Action::Enter, Action::Char('x'), Action::Editor]);
    assert_eq!(model.chat.as_ref().unwrap().composer.text(), "x\nаз муҳаррир");
    world.play(&mut model, [Action::Edited(None)]);
    assert!(model.notice.as_deref().unwrap().contains("$EDITOR"));
    assert_eq!(model.chat.as_ref().unwrap().composer.text(), "x\nаз муҳаррир", "nothing written is lost");
}

#[test]
fn the_closed_screen_takes_a_passphrase_and_says_what_was_wrong() {
    let mut model = Model::locked(Lang::En, Theme { color: true, plain: false, light: false }, (80, 24));
    assert!(update(&mut model, Action::Enter).is_empty(), "nothing was typed");
    for key in typed("сирр") {
        assert!(update(&mut model, key).is_empty());
    }
    let commands = update(&mut model, Action::Enter);
    assert!(matches!(commands.as_slice(), [Command::Unlock(tried)] if tried.as_str() == "сирр"));
    assert!(update(&mut model, Action::Enter).is_empty(), "one try at a time");
    let wrong = karvon_node::api::ApiError { code: "wrong_passphrase".to_owned(), message: String::new() };
    let _ = update(&mut model, Action::Answer(Purpose::Unlock, Err(wrong)));
    let super::Screen::Lock(lock) = &model.screen else { panic!("it opened") };
    assert!(lock.problem.as_deref().unwrap().contains("wrong") && !lock.busy);
}

#[test]
fn a_tap_chooses_a_row_of_a_window() {
    let mut world = World::new();
    let mut model = open(&mut world, Lang::En, false, (80, 24));
    world.play(&mut model, [Action::Settings, Action::Click(5, 5)]);
    assert!(matches!(model.overlays.last(), Some(Overlay::Settings(settings)) if settings.chosen == 2));
    assert!(!model.theme.plain, "the first tap only chooses");
    world.play(&mut model, [Action::Click(5, 5)]);
    assert!(model.theme.plain);
}

#[test]
fn a_damaged_door_is_said_in_the_wizard_where_it_can_be_pasted_again() {
    let mut world = World::new();
    let mut model = Model::wizard(Lang::En, Theme { color: true, plain: false, light: false }, (40, 20));
    world.play(&mut model, [Action::Enter, Action::Char('A'), Action::Enter, Action::Down, Action::Enter]);
    world.play(&mut model, [Action::Paste("KARVON-DOOR:ABCD2345".to_owned()), Action::Enter]);
    assert!(world.finished.is_none());
    let super::Screen::Wizard(wizard) = &model.screen else { panic!("the wizard is gone") };
    assert_eq!(wizard.problem, Some("error-door-damaged"));
}

#[test]
fn a_door_with_a_damaged_transport_is_said_to_be_damaged_there() {
    let mut world = World::new();
    let mut model = Model::wizard(Lang::En, Theme { color: true, plain: false, light: false }, (40, 20));
    world.play(&mut model, [Action::Enter, Action::Char('A'), Action::Enter, Action::Down, Action::Enter]);
    let door = "KARVON-DOOR:AAAQCAIBAEAQCAIBAEAQCAIBAEAQEAQCAIBAEAQCAMBQGAYDAMBQGAYDAMBQGAYDAMBQGAYDAMBQGAYDAMBQGAYDAMBX6AAAAEA3WER2";
    world.play(&mut model, [Action::Paste(format!("{door} pt=obfs4 nowhere")), Action::Enter]);
    let super::Screen::Wizard(wizard) = &model.screen else { panic!("the wizard is gone") };
    assert_eq!(wizard.problem, Some("error-transport-damaged"));
}

#[test]
fn the_top_line_says_how_many_are_near_on_an_accepted_network_only() {
    for lang in Lang::ALL {
        let mut world = World::new();
        let mut model = open(&mut world, lang, true, (80, 24));
        let mut top = |near| {
            model.status.as_mut().expect("the node has told").near = near;
            screen(&model).lines().next().unwrap_or_default().to_owned()
        };
        let words = |n: u64| Texts::new(lang).with("status-near", &[("n", n.into())]);
        assert!(!top(None).contains(words(0).trim_end_matches('0')), "{lang:?}");
        for n in [0, 1, 12] {
            let shown = top(Some(n));
            assert!(shown.contains(&words(n.into())), "{lang:?} {shown}");
        }
    }
    // Somebody comes or goes: the status is asked for.
    let mut world = World::new();
    let mut model = open(&mut world, Lang::En, true, (80, 24));
    let commands = update(&mut model, Action::Event(Event::Near));
    assert!(commands.iter().any(|command| matches!(command, Command::Call(Request::Status, _))));
}
