//! What is found, passed on and asked about across people, groups and channels, told as stories.

use karvon_node::api::groups::{GroupEvent, Standing};
use karvon_node::api::{Event, State};

use super::room_stories::{asked, go, in_group, screen};
use super::story::{World, open, typed};
use super::{Action, Focus, Overlay, Talk};
use crate::lang::Lang;

#[test]
fn a_search_looks_into_groups_and_channels_and_goes_to_the_message() {
    let mut world = World::with_rooms();
    let mut model = open(&mut world, Lang::En, false, (80, 24));
    // Typed in the other alphabet.
    world.play(&mut model, [Action::Search].into_iter().chain(typed("dar obekt")));
    let shown = screen(&model);
    let row = shown.lines().find(|row| row.contains("Пагоҳ соати 7")).expect("it is found");
    assert!(row.contains("Бригада") && row.contains("Модар: Пагоҳ"), "who said it, and where: {row}");
    world.play(&mut model, [Action::Enter]);
    let chat = model.chat.as_ref().unwrap();
    assert_eq!((chat.talk, chat.selected, model.focus), (Talk::Group(1), Some(1), Focus::Chat));
    assert!(asked(&world, &["\"members\"", "\"group\":1"]), "names of members are needed here");
    assert!(model.overlays.is_empty() && screen(&model).contains("Пагоҳ соати 7"));

    // An entry of an own channel: what is there is marked as own at once.
    world.play(&mut model, [Action::Search].into_iter().chain(typed("бинокор")).chain([Action::Enter]));
    let chat = model.chat.as_ref().unwrap();
    assert_eq!((chat.talk, chat.selected), (Talk::Channel(2), Some(1)));
    assert!(chat.messages.iter().all(|message| message.mine && message.state == State::Stored));
    assert!(!screen(&model).contains("newer messages below"), "it is the newest one: {}", screen(&model));
    // Own words to a person bear the name of the person, and whose they are.
    world.play(&mut model, [Action::Search].into_iter().chain(typed("занг")));
    let shown = screen(&model);
    let row = shown.lines().find(|row| row.contains("занг мезанам")).expect("it is found");
    assert!(row.contains("Модар") && row.contains("Али: Пагоҳ"), "{row}");
}

#[test]
fn enter_before_the_answer_goes_to_a_message_of_a_group_as_well() {
    let mut world = World::with_rooms();
    let mut model = open(&mut world, Lang::En, false, (80, 24));
    let mut late = Vec::new();
    for action in [Action::Search].into_iter().chain(typed("дертар")).chain([Action::Enter]) {
        late.extend(super::update(&mut model, action));
    }
    assert!(model.chat.is_none());
    world.carry_out(&mut model, late);
    let chat = model.chat.as_ref().unwrap();
    assert_eq!((chat.talk, chat.selected), (Talk::Group(1), Some(3)));
}

#[test]
fn a_chosen_message_stays_chosen_while_words_are_added() {
    let mut world = World::with_rooms();
    let mut model = open(&mut world, Lang::En, false, (80, 24));
    let down = std::iter::repeat_n(Action::Down, 7);
    world.play(&mut model, [Action::Search].into_iter().chain(typed("д")).chain(down));
    world.play(&mut model, typed("е"));
    let Some(Overlay::Search(search)) = model.overlays.last() else { panic!("the search is open") };
    let chosen = &search.found[search.chosen];
    assert_eq!((search.found.len(), chosen.message.text.as_deref()), (3, Some("Бақайдгирӣ аз 1 декабр")));
    world.play(&mut model, typed("р"));
    let Some(Overlay::Search(search)) = model.overlays.last() else { panic!("the search is open") };
    assert_eq!((search.found.len(), search.chosen), (1, 0), "it is not found any more");
}

#[test]
fn messages_of_groups_and_channels_are_passed_on_to_people_and_into_groups() {
    let mut world = World::with_rooms();
    let mut model = in_group(&mut world, (120, 40));
    let newest = world.rooms.said[3].id.clone();
    world.play(&mut model, [Action::Up, Action::Char('f')].into_iter().chain(typed("модар")));
    world.play(&mut model, [Action::Enter]);
    assert!(asked(&world, &["\"forward\"", &newest, "\"contact\":1"]), "{:?}", world.asked);
    assert!(model.notice.as_deref().unwrap().contains("Модар") && model.overlays.is_empty());
    assert!(world.messages.last().unwrap().forwarded);

    // An entry of a channel goes into the group, with the letter of a Russian keyboard.
    let entry = world.rooms.entries[1].id.clone();
    go(&mut world, &mut model, "хабарҳо");
    world.play(&mut model, [Action::Up, Action::Char('а')].into_iter().chain(typed("бригада")));
    assert!(matches!(model.overlays.last(), Some(Overlay::Find(find)) if find.rows(&model).len() == 1));
    world.play(&mut model, [Action::Enter]);
    assert!(asked(&world, &["\"what\":\"forward\"", "\"group\":1", &entry]), "{:?}", world.asked);
    go(&mut world, &mut model, "бригада");
    let last = model.chat.as_ref().unwrap().messages.back().unwrap();
    assert!(last.forwarded && last.text.as_deref() == Some("Бақайдгирӣ аз 1 декабр"));
    assert!(screen(&model).contains("forwarded"), "{}", screen(&model));
}

#[test]
fn nothing_is_passed_on_into_channels_or_into_groups_that_were_left() {
    let mut world = World::with_rooms();
    world.rooms.groups[0].standing = Standing::Out;
    let mut model = open(&mut world, Lang::En, false, (80, 24));
    go(&mut world, &mut model, "хабарҳо");
    world.play(&mut model, [Action::Up, Action::Char('f')]);
    let Some(Overlay::Find(find)) = model.overlays.last() else { panic!("nobody can be chosen") };
    let rows = find.rows(&model);
    assert_eq!(rows.len(), world.contacts.len(), "{rows:?}");
    // What was said in a group that one left can still be passed on, and is not answered.
    world.play(&mut model, [Action::Back]);
    go(&mut world, &mut model, "бригада");
    world.play(&mut model, [Action::Up, Action::Enter]);
    let letters: String = super::menu::acts(&model).into_iter().map(|act| act.named().0).collect();
    assert_eq!(letters, "cfi");
}

#[test]
fn the_page_of_a_message_to_a_group_says_who_has_it_and_follows_what_happens() {
    let mut world = World::with_rooms();
    let mut model = in_group(&mut world, (80, 24));
    world.play(&mut model, [Action::Up, Action::Up, Action::Char('i')]);
    let shown = screen(&model);
    for words in ["From Али", "1 of 2 delivered", "✓ Модар, 22 November 2026, 15:04", "↑ Зарина"]
    {
        assert!(shown.contains(words), "{words}\n{shown}");
    }
    let said = &mut world.rooms.said[2];
    (said.delivered, said.state) = (Some(2), State::Delivered);
    world.play(&mut model, [Action::Event(Event::Group(GroupEvent::Delivery { group: 1 }))]);
    let shown = screen(&model);
    assert!(shown.contains("2 of 2 delivered") && shown.contains("✓ Зарина, 22"), "{shown}");
    // Of those of others it says when they came, and that it says no more.
    world.play(&mut model, [Action::Back, Action::Down, Action::Char('i')]);
    let shown = screen(&model);
    assert!(shown.contains("From Зарина") && shown.contains("Only its author"), "{shown}");
    // Two members of the same name are told apart.
    world.rooms.members[2].name = "Модар".to_owned();
    let event = Event::Group(GroupEvent::Changed { group: 1 });
    world.play(&mut model, [Action::Back, Action::Event(event), Action::Up, Action::Char('i')]);
    let shown = screen(&model);
    assert!(shown.contains("✓ Модар bbbb, ") && shown.contains("✓ Модар cccc, "), "{shown}");
}

#[test]
fn the_doctor_tests_when_it_is_opened_and_shows_a_report_before_it_is_saved() {
    let mut world = World::new();
    let mut model = open(&mut world, Lang::En, false, (80, 24));
    world.play(&mut model, [Action::Doctor]);
    assert!(asked(&world, &["\"net_check\"", "\"begin\":true"]));
    let shown = screen(&model);
    assert!(
        shown.contains("This network cuts long connections") && shown.contains("open, 210 ms"),
        "{shown}"
    );
    // The node says that a check is done, whoever asked for it.
    world.play(&mut model, [Action::Event(Event::NetCheck)]);
    assert!(asked(&world, &["\"net_check\"", "\"begin\":false"]));
    // The key below works on a Cyrillic layout as well.
    world.play(&mut model, [Action::Char('к')]);
    let shown = screen(&model);
    assert!(shown.contains("verdict: N03 freeze") && shown.contains("Press r once more"), "{shown}");
    assert!(!shown.contains("203.0.113.5") && !shown.contains("01234567"), "no address and no id: {shown}");
    assert!(model.notice.is_none(), "nothing is written yet");
    world.play(&mut model, [Action::Back]);
    assert!(screen(&model).contains("open, 210 ms"), "back from the report, not from the doctor");
    world.play(&mut model, [Action::Char('r'), Action::Char('r')]);
    assert!(model.notice.as_ref().is_some_and(|notice| notice.contains("karvon-report.txt")));
}
