//! What people do with messages that are there already, told as stories.

use super::story::{World, open, typed};
use super::{About, Action, Model, Overlay};
use crate::lang::Lang;

/// A screen with the conversation open and the message at this many steps above the composer selected.
fn selected(world: &mut World, up: usize) -> Model {
    let mut model = open(world, Lang::En, false, (80, 24));
    world.play(
        &mut model,
        [Action::Down, Action::Enter].into_iter().chain(std::iter::repeat_n(Action::Up, up)),
    );
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
    assert_eq!(world.messages[5].reactions[0].emoji, "❤️");
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
