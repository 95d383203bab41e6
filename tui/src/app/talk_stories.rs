//! What people do with messages that are there already, told as stories.

use super::story::{World, open, typed};
use super::{About, Action, Model, Overlay, Talk};
use crate::lang::Lang;

/// A screen with the conversation open and the message at this many steps above the composer selected.
fn selected(world: &mut World, up: usize) -> Model {
    let mut model = open(world, Lang::En, false, (80, 24));
    world.play(&mut model, [Action::Enter].into_iter().chain(std::iter::repeat_n(Action::Up, up)));
    model
}

#[test]
fn an_answer_names_what_it_answers_until_it_is_sent_or_left() {
    let mut world = World::new();
    let mut model = selected(&mut world, 2);
    world.play(&mut model, [Action::Char('к')]);
    let chat = model.chat.as_ref().unwrap();
    assert!(
        matches!(&chat.about, About::Reply(_, text) if text.starts_with("Пулро")),
        "р is on the key of R"
    );
    world.play(&mut model, typed("хуб").chain([Action::Enter]));
    let last = world.messages.last().unwrap();
    assert_eq!(last.reply_to.as_deref(), Some(world.messages[5].id.as_str()));
    assert_eq!(model.chat.as_ref().unwrap().about, About::Nothing);
    world.play(&mut model, [Action::Up, Action::Char('r'), Action::Char('x'), Action::Back]);
    let chat = model.chat.as_ref().unwrap();
    assert_eq!((&chat.about, chat.composer.text()), (&About::Nothing, "x"), "what was written stays");
}

#[test]
fn an_own_message_is_changed_and_one_of_others_is_not() {
    let mut world = World::new();
    let mut model = selected(&mut world, 3);
    let id = world.messages[4].id.clone();
    world.play(&mut model, [Action::Char('e'), Action::Char('!'), Action::Enter]);
    world.changed(&mut model, &id);
    let chat = model.chat.as_ref().unwrap();
    let shown = chat.messages.iter().find(|message| message.id == id).unwrap();
    assert_eq!((shown.text.as_deref(), shown.edited), (Some("Навис, ки расид ё не!"), true));
    assert_eq!(chat.messages.len(), 7, "nothing was added");
    let mut model = selected(&mut world, 1);
    world.play(&mut model, [Action::Char('e'), Action::Char('d')]);
    assert!(model.overlays.is_empty() && model.chat.as_ref().unwrap().about == About::Nothing);
}

#[test]
fn a_change_that_is_left_leaves_the_message_and_the_composer_as_they_were() {
    let mut world = World::new();
    let mut model = selected(&mut world, 3);
    world.play(&mut model, [Action::Char('e'), Action::Char('!'), Action::Back]);
    assert_eq!(model.chat.as_ref().unwrap().composer.text(), "");
    assert!(!world.asked.iter().any(|asked| asked.contains("\"edit\"")));
}

#[test]
fn taking_back_asks_first() {
    let mut world = World::new();
    let mut model = selected(&mut world, 3);
    let id = world.messages[4].id.clone();
    world.play(&mut model, [Action::Char('d')]);
    assert!(matches!(model.overlays.last(), Some(Overlay::Delete(_))));
    world.play(&mut model, [Action::Back, Action::Char('в'), Action::Enter]);
    assert!(world.messages[4].deleted);
    world.changed(&mut model, &id);
    let shown = model.chat.as_ref().unwrap().messages.iter().find(|message| message.id == id).unwrap();
    assert!(shown.deleted && shown.text.is_none());
}

#[test]
fn a_sign_is_put_on_a_message_and_taken_back() {
    let mut world = World::new();
    let mut model = selected(&mut world, 2);
    world.play(&mut model, [Action::Char('l'), Action::Down, Action::Enter]);
    assert_eq!(world.messages[5].reactions.len(), 1);
    assert_eq!(world.messages[5].reactions[0].emoji, "💗");
    world.play(&mut model, [Action::Char('д')]);
    world.play(&mut model, std::iter::repeat_n(Action::Down, 9).chain([Action::Enter]));
    assert!(world.messages[5].reactions.is_empty());
}

#[test]
fn a_refused_answer_comes_back_as_an_answer() {
    let mut world = World::new();
    let mut model = selected(&mut world, 2);
    world.play(&mut model, [Action::Char('r'), Action::Char('x')]);
    let commands = super::update(&mut model, Action::Enter);
    assert_eq!(commands.len(), 1);
    let error = karvon_node::api::ApiError { code: "store".to_owned(), message: String::new() };
    let _ = super::update(&mut model, Action::Answer(crate::command::Purpose::Sent, Err(error)));
    let chat = model.chat.as_ref().unwrap();
    assert_eq!(chat.composer.text(), "x");
    assert!(matches!(chat.about, About::Reply(..)));
}

#[test]
fn the_number_is_compared_and_marked_and_a_conversation_is_set_up() {
    let mut world = World::new();
    world.contacts[0].verified = false;
    let mut model = open(&mut world, Lang::En, false, (80, 24));
    world.play(&mut model, [Action::Enter, Action::Details, Action::Enter, Action::Back]);
    assert!(!world.contacts[0].verified, "one key too many marks nobody as compared");
    world.play(&mut model, [Action::Enter, Action::Enter]);
    assert!(world.contacts[0].verified);
    let down = |steps: usize| std::iter::repeat_n(Action::Down, steps).chain([Action::Enter]);
    world.play(&mut model, down(2).chain(down(2)));
    assert_eq!(
        world.contacts[0].timer_s, 3_600,
        "the other side is told of one time, not of those passed by"
    );
    assert_eq!(world.asked.iter().filter(|asked| asked.contains("\"timer\"")).count(), 1);
    world.play(&mut model, down(1));
    assert!(world.contacts[0].receipts);
    world.play(&mut model, down(2));
    assert!(world.contacts[0].blocked);
    assert!(model.contact(1).unwrap().blocked, "the screen shows what holds now");
}

#[test]
fn a_number_that_was_never_shown_can_not_be_marked_as_compared() {
    let mut world = World::new();
    world.contacts[0].verified = false;
    let mut model = open(&mut world, Lang::En, false, (80, 24));
    world.play(&mut model, [Action::Enter]);
    let unanswered = super::update(&mut model, Action::Details);
    world.play(&mut model, [Action::Enter]);
    assert!(!world.contacts[0].verified);
    world.carry_out(&mut model, unanswered);
    world.play(&mut model, [Action::Enter, Action::Enter]);
    assert!(world.contacts[0].verified);
}

#[test]
fn new_keys_of_a_contact_are_an_alarm_until_they_are_accepted() {
    let mut world = World::new();
    world.contacts[0].keys_changed = true;
    let mut model = open(&mut world, Lang::En, false, (80, 24));
    world.play(&mut model, [Action::Enter]);
    assert!(crate::draw::areas::held_reason(&model, Talk::Person(1)).unwrap().contains("pretends"));
    assert!(model.held(1));
    world.play(&mut model, [Action::Details, Action::Enter, Action::Enter, Action::Back]);
    assert!(!model.held(1));
}

#[test]
fn a_locked_node_leaves_nothing_on_the_screen_and_opens_again() {
    let mut world = World::new();
    let mut model = open(&mut world, Lang::En, false, (80, 24));
    world.play(&mut model, [Action::Enter, Action::Char('x')]);
    let late = super::update(&mut model, Action::Details);
    world.play(&mut model, [Action::Lock]);
    assert!(matches!(model.screen, super::Screen::Lock(_)));
    world.carry_out(&mut model, late);
    assert!(model.contacts.is_empty() && model.chat.is_none() && model.name.is_empty());
    world.play(&mut model, typed("wrong").chain([Action::Enter]));
    let super::Screen::Lock(lock) = &model.screen else { panic!("it opened") };
    assert!(lock.problem.as_deref().unwrap().contains("wrong"));
    world.play(&mut model, typed("right").chain([Action::Enter]));
    assert!(matches!(model.screen, super::Screen::Main));
    assert_eq!(model.contacts.len(), 3);
}

#[test]
fn everything_is_destroyed_only_after_a_word_was_written() {
    let mut world = World::new();
    let mut model = open(&mut world, Lang::En, false, (80, 24));
    world.play(&mut model, [Action::Wipe, Action::Enter, Action::Char('y'), Action::Enter]);
    assert!(!world.quit && !world.asked.iter().any(|asked| asked.contains("wipe")));
    world.play(&mut model, [Action::EraseLine].into_iter().chain(typed("WIPE")).chain([Action::Enter]));
    assert!(world.quit && world.asked.iter().any(|asked| asked.contains("wipe")));
}

#[test]
fn a_file_is_sent_from_a_pasted_path_and_a_received_one_is_saved() {
    let mut world = World::new();
    let mut model = open(&mut world, Lang::En, false, (80, 24));
    world.play(&mut model, [Action::Enter, Action::File]);
    world.play(&mut model, [Action::Paste("/none".to_owned()), Action::Enter]);
    let Some(Overlay::Attach(attach)) = model.overlays.last() else { panic!("the window is gone") };
    assert!(attach.problem.is_some() && !attach.busy);
    world.play(&mut model, [Action::EraseLine, Action::Paste("'/tmp/a b.jpg'".to_owned()), Action::Enter]);
    assert!(model.overlays.is_empty() && world.asked.iter().any(|asked| asked == "file /tmp/a b.jpg"));
    let file = karvon_node::api::Attachment { name: "patent.jpg".to_owned(), ..Default::default() };
    world.messages[6].attachment = Some(file);
    world.messages[6].text = None;
    let mut model = selected(&mut world, 1);
    world.play(&mut model, [Action::Char('v')]);
    assert!(model.notice.as_deref().unwrap().contains("~/Downloads/patent.jpg"));
}

#[test]
fn a_file_is_found_folder_by_folder_and_sent_only_when_its_whole_path_is_written() {
    let mut world = World::new();
    let mut model = open(&mut world, Lang::En, false, (80, 24));
    world.play(&mut model, [Action::Enter, Action::File]);
    let path = |model: &Model| match model.overlays.last() {
        Some(Overlay::Attach(attach)) => attach.path.text().to_owned(),
        _ => "sent".to_owned(),
    };
    // Letters without marks and of the other alphabet find it too.
    world.play(&mut model, typed("surat").chain([Action::Enter]));
    assert_eq!(path(&model), "~/Суратҳо/");
    world.play(&mut model, [Action::Enter]);
    assert_eq!(path(&model), "~/Суратҳо/модар.jpg", "the first Enter shows what the second sends");
    assert!(!world.asked.iter().any(|asked| asked.starts_with("file")));
    world.play(&mut model, [Action::Enter]);
    assert_eq!(path(&model), "sent");
    assert!(world.asked.iter().any(|asked| asked == "file ~/Суратҳо/модар.jpg"));
    world.play(&mut model, [Action::File].into_iter().chain(typed("zzz")).chain([Action::Next]));
    assert_eq!(path(&model), "~/zzz", "nothing is chosen where nothing fits");
}

#[test]
fn typing_is_shown_until_it_ends_or_the_message_is_there() {
    let mut world = World::new();
    let mut model = open(&mut world, Lang::En, false, (80, 24));
    let typing = || Action::Event(karvon_node::api::Event::Typing { contact: 1 });
    world.play(&mut model, [typing(), typing(), Action::Quiet(1, 1)]);
    assert!(model.typing.is_some(), "an earlier sign does not end a later one");
    world.play(&mut model, [Action::Quiet(1, 2)]);
    assert!(model.typing.is_none());
    world.play(&mut model, [typing()]);
    world.receive(&mut model, 1, "ана");
    assert!(model.typing.is_none());
}

#[test]
fn a_message_that_disappears_leaves_the_screen() {
    let mut world = World::new();
    let mut model = open(&mut world, Lang::En, false, (80, 24));
    world.play(&mut model, [Action::Enter]);
    let id = world.messages[3].id.clone();
    let gone = karvon_node::api::ApiError { code: "no_such_message".to_owned(), message: String::new() };
    world.play(&mut model, [Action::Answer(crate::command::Purpose::Again(id.clone()), Err(gone))]);
    assert!(model.chat.as_ref().unwrap().messages.iter().all(|message| message.id != id));
}

#[test]
fn the_other_side_learns_of_typing_only_where_that_was_allowed() {
    let mut world = World::new();
    let mut model = open(&mut world, Lang::En, false, (80, 24));
    world.play(&mut model, [Action::Enter, Action::Char('x')]);
    let told = |world: &World| world.asked.iter().filter(|asked| asked.contains("\"typing\"")).count();
    assert_eq!(told(&world), 0);
    world.contacts[0].typing = true;
    let event = karvon_node::api::Event::Contact { contact: 1 };
    world.play(&mut model, [Action::Event(event), Action::Char('y'), Action::Backspace]);
    assert_eq!(told(&world), 1);
}

/// What is on the screen.
fn screen(model: &Model) -> String {
    let (columns, rows) = model.size;
    let mut terminal = ratatui::Terminal::new(ratatui::backend::TestBackend::new(columns, rows)).unwrap();
    terminal.draw(|frame| crate::draw::draw(model, frame)).unwrap();
    let cells = terminal.backend().buffer().content();
    let row = |cells: &[ratatui::buffer::Cell]| cells.iter().map(ratatui::buffer::Cell::symbol).collect();
    cells.chunks(usize::from(columns)).map(row).collect::<Vec<String>>().join("\n")
}

/// Two strangers ask, one of them with hostile words.
fn asked(world: &mut World) -> Model {
    let mut model = open(world, Lang::En, false, (80, 24));
    world.strangers = super::story::strangers();
    world.play(&mut model, [Action::Event(karvon_node::api::Event::Requests)]);
    model
}

#[test]
fn a_stranger_is_announced_shown_and_accepted_by_a_letter_only() {
    let mut world = World::new();
    let mut model = asked(&mut world);
    assert!(model.notice.as_deref().is_some_and(|notice| notice.contains("Requests of strangers")));
    world.play(&mut model, [Action::Requests]);
    let shown = screen(&model);
    assert!(shown.contains("Зафар") && shown.contains("| Салом! Мо дар Хуҷанд шинос шудем."), "{shown}");
    world.play(&mut model, [Action::Enter]);
    assert_eq!(world.strangers.len(), 2, "Enter answers nobody");
    world.play(&mut model, [Action::Char('ф')]);
    assert_eq!(world.strangers.len(), 1, "ф is on the key of A");
    assert_eq!(model.chat.as_ref().map(|chat| chat.talk), Some(Talk::Person(8)));
    assert!(model.overlays.is_empty());
}

#[test]
fn strangers_are_declined_and_blocked_and_their_words_stay_words() {
    let mut world = World::new();
    let mut model = asked(&mut world);
    world.play(&mut model, [Action::Requests, Action::Down]);
    let shown = screen(&model);
    assert!(shown.contains("| http://example.org") && shown.contains("| > Модар  online"), "{shown}");
    assert!(!shown.contains('\u{1b}') && !shown.contains('\u{202e}'));
    world.play(&mut model, [Action::Char('b')]);
    assert!(world.strangers[1].blocked && model.strangers.len() == 1);
    world.play(&mut model, [Action::Char('d')]);
    assert!(model.strangers.is_empty() && world.strangers.len() == 1);
    assert!(screen(&model).contains("Nobody asks."));
    world.play(&mut model, [Action::Char('a'), Action::Char('d'), Action::Back]);
    assert!(model.overlays.is_empty());
}

#[test]
fn an_address_is_made_at_once_and_replaced_or_ended_only_by_a_key_pressed_twice() {
    let mut world = World::new();
    let mut model = asked(&mut world);
    world.play(&mut model, [Action::Address]);
    assert!(screen(&model).contains("Only people you invite reach you."), "{}", screen(&model));
    world.play(&mut model, [Action::Char('e'), Action::Char('c')]);
    assert!(world.copied.is_empty() && model.notice.is_none(), "there is nothing to copy or to end");
    world.play(&mut model, [Action::Char('т')]);
    assert!(world.address.is_some(), "т is on the key of N");
    assert!(screen(&model).replace(['\n', ' '], "").contains(super::story::ADDRESS), "{}", screen(&model));
    world.play(&mut model, [Action::Char('c')]);
    assert_eq!(world.copied, [super::story::ADDRESS]);
    world.address = Some("the same one".to_owned());
    world.play(&mut model, [Action::Char('n'), Action::Char('x'), Action::Char('n')]);
    assert_eq!(world.address.as_deref(), Some("the same one"), "another key in between takes it back");
    assert!(screen(&model).contains("ends the old one"), "{}", screen(&model));
    world.play(&mut model, [Action::Char('e')]);
    assert!(world.address.is_some());
    world.play(&mut model, [Action::Char('e')]);
    assert!(world.address.is_none());
    assert!(screen(&model).contains("Only people you invite reach you."));
}
