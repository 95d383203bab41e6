//! What people do in groups and with channels, told as stories.

use karvon_node::api::channels::ChannelEvent;
use karvon_node::api::groups::{GroupEvent, Role, Standing};
use karvon_node::api::{Event, State};

use super::story::rooms::{GROUP_LINK, LINK, entry, member, said};
use super::story::{World, open, typed};
use super::{Action, Focus, Model, Overlay, Talk, update};
use crate::command::Command;
use crate::lang::Lang;

/// What is on the screen.
pub(super) fn screen(model: &Model) -> String {
    let (columns, rows) = model.size;
    let mut terminal = ratatui::Terminal::new(ratatui::backend::TestBackend::new(columns, rows)).unwrap();
    terminal.draw(|frame| crate::draw::draw(model, frame)).unwrap();
    let cells = terminal.backend().buffer().content();
    let row = |cells: &[ratatui::buffer::Cell]| cells.iter().map(ratatui::buffer::Cell::symbol).collect();
    cells.chunks(usize::from(columns)).map(row).collect::<Vec<String>>().join("\n")
}

/// Opens a conversation by the menu.
pub(super) fn go(world: &mut World, model: &mut Model, name: &str) {
    world.play(model, [Action::Find].into_iter().chain(typed(name)).chain([Action::Enter]));
}

pub(super) fn in_group(world: &mut World, size: (u16, u16)) -> Model {
    let mut model = open(world, Lang::En, false, size);
    go(world, &mut model, "бригада");
    assert_eq!(model.chat.as_ref().map(|chat| chat.talk), Some(Talk::Group(1)));
    model
}

pub(super) fn asked(world: &World, words: &[&str]) -> bool {
    world.asked.iter().any(|asked| words.iter().all(|word| asked.contains(word)))
}

#[test]
fn groups_and_channels_stand_beside_people_with_what_is_unread() {
    let mut world = World::with_rooms();
    let model = open(&mut world, Lang::En, false, (80, 24));
    let shown = screen(&model);
    for row in ["Бригада (3)", "# Хабарҳо", "# Кор дар", "Модар"] {
        assert!(shown.contains(row), "{row}\n{shown}");
    }
    assert!(!shown.contains("Ҳамдеҳаҳо"), "nobody is in a group they did not join");
    let row = shown.lines().find(|row| row.contains("Хабарҳо")).unwrap();
    let list: String = row.chars().take(26).collect();
    assert!(list.trim_end().ends_with('2'), "{list}");
    let own = shown.lines().find(|row| row.contains("Кор дар")).unwrap();
    assert!(own.chars().take(26).any(|sign| sign == '↑'), "{own}");
}

#[test]
fn a_group_shows_who_said_what_and_how_far_own_messages_are() {
    let mut world = World::with_rooms();
    let model = in_group(&mut world, (80, 24));
    let shown = screen(&model);
    for words in ["Модар", "Зарина", "3 members · you: owner", "1 of 2 delivered"] {
        assert!(shown.contains(words), "{words}\n{shown}");
    }
    let marks: Vec<_> =
        model.chat.as_ref().unwrap().messages.iter().map(|message| model.mark(message)).collect();
    assert_eq!(marks, ["", "✓", "↑", ""]);
    assert!(asked(&world, &["mark_read", "\"position\":4"]));
    assert_eq!(model.unread(Talk::Group(1)), 0);
}

#[test]
fn a_phone_names_the_author_where_it_changes() {
    let mut world = World::with_rooms();
    let mut model = in_group(&mut world, (40, 20));
    world.hear(&mut model, 2, "ва боз");
    let shown = screen(&model);
    assert_eq!(shown.matches("Зарина").count(), 1, "{shown}");
    assert!(shown.contains("Модар") && shown.contains("ва боз"), "{shown}");
}

#[test]
fn a_text_goes_to_the_group_and_its_mark_moves_with_the_events() {
    let mut world = World::with_rooms();
    let mut model = in_group(&mut world, (80, 24));
    world.play(&mut model, typed("Дар роҳам").chain([Action::Enter]));
    let last = |model: &Model| {
        let chat = model.chat.as_ref().unwrap();
        let last = chat.messages.back().unwrap();
        (last.text.clone().unwrap(), last.state, chat.counts.get(&last.position).copied())
    };
    assert_eq!(last(&model), ("Дар роҳам".to_owned(), State::Queued, Some((0, 2))));
    assert!(screen(&model).contains("0 of 2 delivered"));
    let sent = world.rooms.said.last_mut().unwrap();
    (sent.state, sent.delivered) = (State::Stored, Some(1));
    let moved = || Action::Event(Event::Group(GroupEvent::Delivery { group: 1 }));
    world.play(&mut model, [moved()]);
    assert_eq!(last(&model), ("Дар роҳам".to_owned(), State::Stored, Some((1, 2))));
    let sent = world.rooms.said.last_mut().unwrap();
    (sent.state, sent.delivered) = (State::Delivered, Some(2));
    world.play(&mut model, [moved()]);
    assert_eq!(last(&model).1, State::Delivered);
    assert_eq!(model.last.get(&Talk::Group(1)).map(|last| last.state), Some(State::Delivered));
}

#[test]
fn a_refused_text_goes_back_to_the_composer_of_the_group() {
    let mut world = World::with_rooms();
    world.refuse = Some("not_member");
    let mut model = in_group(&mut world, (80, 24));
    world.play(&mut model, typed("муҳим").chain([Action::Enter]));
    assert_eq!(model.chat.as_ref().unwrap().composer.text(), "муҳим");
    assert!(model.notice.as_deref().unwrap().contains("not in this group"));
}

#[test]
fn a_message_that_waited_for_an_earlier_one_takes_its_place() {
    let mut world = World::with_rooms();
    let modar = world.rooms.members[1].clone();
    world.rooms.said.remove(1);
    let mut model = in_group(&mut world, (80, 24));
    world.rooms.said.push(said(2, &modar, "дер омад", None));
    let event = GroupEvent::Received { group: 1, from: 2, to: 2 };
    world.play(&mut model, [Action::Event(Event::Group(event))]);
    let positions: Vec<_> =
        model.chat.as_ref().unwrap().messages.iter().map(|message| message.position).collect();
    assert_eq!(positions, [1, 2, 3, 4]);
}

#[test]
fn two_members_of_one_name_are_told_apart() {
    let mut world = World::with_rooms();
    let other = member("dd", "Модар", Role::Member, None);
    world.rooms.said.push(said(5, &other, "пул фиристед", None));
    world.rooms.members.push(other);
    let model = in_group(&mut world, (80, 24));
    let names: Vec<_> = model.chat.as_ref().unwrap().messages.iter().map(|one| one.from.clone()).collect();
    assert_ne!(names[0], names[4]);
    assert!(names[4].contains("dddd"), "{names:?}");
}

#[test]
fn hostile_names_and_words_of_a_group_stay_words() {
    let mut world = World::with_rooms();
    world.rooms.groups[0].name = "\u{1b}[2JБригада\u{202e}".to_owned();
    world.rooms.members[2].name = "\u{1b}]0;x\u{7}\u{202e}".to_owned();
    world.rooms.said[3].from = world.rooms.members[2].name.clone();
    world.rooms.said[3].text = Some("\u{1b}[31mсурх".to_owned());
    let mut model = in_group(&mut world, (80, 24));
    let chat = screen(&model);
    assert!(chat.contains("#cccc") && chat.contains("сурх"), "{chat}");
    world.play(&mut model, [Action::Details]);
    let about = screen(&model);
    assert!(about.contains("#cccc"), "{about}");
    for shown in [chat, about] {
        assert!(
            !shown.contains('\u{1b}') && !shown.contains('\u{202e}') && !shown.contains("[2J"),
            "{shown}"
        );
    }
}

#[test]
fn an_invitation_into_a_group_is_announced_and_answered_by_a_letter() {
    let mut world = World::with_rooms();
    let mut model = open(&mut world, Lang::En, false, (80, 24));
    assert!(model.notice.as_deref().is_some_and(|notice| notice.contains("invites you into a group")));
    world.play(&mut model, [Action::Requests]);
    assert!(screen(&model).contains("Модар invites you into the group Ҳамдеҳаҳо (3)"), "{}", screen(&model));
    world.play(&mut model, [Action::Enter, Action::Char('b')]);
    assert_eq!(world.rooms.groups[1].standing, Standing::Invited, "neither Enter nor B answers");
    world.play(&mut model, [Action::Char('ф')]);
    assert_eq!(world.rooms.groups[1].standing, Standing::Joining, "ф is on the key of A");
    assert!(model.list.contains(&Talk::Group(2)) && model.overlays.is_empty());
    go(&mut world, &mut model, "ҳамдеҳа");
    world.play(&mut model, typed("салом").chain([Action::Enter]));
    assert!(!asked(&world, &["\"send\""]), "nothing is written before one is in");
    assert!(model.notice.as_deref().unwrap().contains("take you in"));
}

#[test]
fn a_declined_group_leaves_nothing_in_the_list() {
    let mut world = World::with_rooms();
    let mut model = open(&mut world, Lang::En, false, (80, 24));
    world.play(&mut model, [Action::Requests, Action::Char('d')]);
    assert_eq!(world.rooms.groups[1].standing, Standing::Out);
    assert!(!model.list.contains(&Talk::Group(2)));
    assert!(screen(&model).contains("Nobody asks."));
}

#[test]
fn a_group_is_made_of_chosen_contacts() {
    let mut world = World::with_rooms();
    world.contacts[2].meeting = karvon_node::api::Meeting::Connected;
    let mut model = open(&mut world, Lang::En, false, (80, 24));
    world.play(&mut model, [Action::NewGroup, Action::Enter]);
    let Some(Overlay::Gather(gather)) = model.overlays.last() else { panic!("the window is gone") };
    assert!(gather.problem.is_some(), "a group needs a name");
    world.play(&mut model, typed("Хона").chain([Action::Enter, Action::Enter]));
    assert!(!asked(&world, &["\"create\""]), "nobody was picked yet");
    assert!(!screen(&model).contains("Рустам"), "with whom no keys were exchanged nobody is invited");
    world.play(&mut model, [Action::Char(' '), Action::Down, Action::Char(' '), Action::Enter]);
    assert!(asked(&world, &["\"create\"", "Хона"]));
    for contact in ["\"contact\":1", "\"contact\":3"] {
        assert!(asked(&world, &["\"invite\"", "\"group\":3", contact]), "{:?}", world.asked);
    }
    assert!(!asked(&world, &["\"invite\"", "\"contact\":2"]));
    assert_eq!(model.chat.as_ref().map(|chat| chat.talk), Some(Talk::Group(3)));
    assert!(screen(&model).contains("Хона"));
}

#[test]
fn a_tap_picks_people_and_makes_no_group() {
    let mut world = World::with_rooms();
    let mut model = open(&mut world, Lang::En, false, (80, 24));
    world.play(&mut model, [Action::NewGroup].into_iter().chain(typed("Хона")).chain([Action::Next]));
    let row = screen(&model).lines().position(|row| row.contains("[ ] Модар")).unwrap();
    let tap = Action::Click(4, u16::try_from(row).unwrap());
    world.play(&mut model, [tap.clone()]);
    assert!(screen(&model).contains("[x] Модар"));
    world.play(&mut model, [tap]);
    assert!(screen(&model).contains("[ ] Модар") && !asked(&world, &["\"create\""]));
}

#[test]
fn removing_and_leaving_ask_first_and_roles_are_given() {
    let mut world = World::with_rooms();
    let mut model = in_group(&mut world, (80, 24));
    world.play(&mut model, [Action::Details]);
    let shown = screen(&model);
    assert!(shown.contains("Зарина · member · not confirmed, added by Али"), "{shown}");
    // The rows: invite, link, name, time, muted, leave, Али, Модар, Зарина.
    world.play(&mut model, std::iter::repeat_n(Action::Down, 8).chain([Action::Enter, Action::Enter]));
    assert!(screen(&model).contains("New role of Зарина: admin"), "{}", screen(&model));
    world.play(&mut model, [Action::Enter]);
    assert_eq!(world.rooms.members[2].role, Role::Admin);
    // She stands before Модар now, and is still the one who is chosen.
    let remove = [Action::Enter, Action::Down, Action::Down, Action::Enter];
    world.play(&mut model, remove.clone());
    assert!(screen(&model).contains("Remove Зарина from the group?"), "{}", screen(&model));
    world.play(&mut model, [Action::Back]);
    assert_eq!(world.rooms.members.len(), 3, "Esc removes nobody");
    world.play(&mut model, remove.into_iter().chain([Action::Enter]));
    assert_eq!(world.rooms.members.len(), 2);
    assert!(!screen(&model).contains("Зарина"), "the screen shows who is in it now");
    world.play(&mut model, [Action::Char('д'), Action::Back]);
    assert_eq!(world.rooms.groups[0].standing, Standing::In);
    world.play(&mut model, [Action::Char('l'), Action::Enter]);
    assert_eq!(world.rooms.groups[0].standing, Standing::Out);
    assert!(model.read_only(Talk::Group(1)).is_some() && screen(&model).contains("not in this group"));
}

#[test]
fn a_group_is_renamed_muted_and_people_are_added() {
    let mut world = World::with_rooms();
    world.contacts[2].meeting = karvon_node::api::Meeting::Connected;
    let mut model = in_group(&mut world, (80, 24));
    world.play(&mut model, [Action::Details, Action::Char('к'), Action::EraseLine]);
    world.play(&mut model, typed("Устоҳо").chain([Action::Enter]));
    assert_eq!(model.talk_name(Talk::Group(1)), "Устоҳо");
    world.play(&mut model, [Action::Char('t')]);
    assert!(model.group(1).unwrap().muted);
    let alerts = world.alerts.len();
    world.play(&mut model, [Action::Focused(false)]);
    world.hear(&mut model, 1, "ором");
    assert_eq!(world.alerts.len(), alerts, "a muted group rings not");
    world.play(&mut model, [Action::Char('a')]);
    let shown = screen(&model);
    assert!(shown.contains("[ ] Фарҳод") && !shown.contains("[ ] Модар"), "{shown}");
    world.play(&mut model, [Action::Char(' '), Action::Enter]);
    assert!(asked(&world, &["\"invite\"", "\"group\":1", "\"contact\":3"]));
    assert!(matches!(model.overlays.last(), Some(Overlay::Group(_))));
}

#[test]
fn an_ordinary_member_is_offered_nothing_that_would_be_refused() {
    let mut world = World::with_rooms();
    world.rooms.groups[0].role = Some(Role::Member);
    let mut model = in_group(&mut world, (80, 24));
    world.play(&mut model, [Action::Details]);
    let shown = screen(&model);
    assert!(!shown.contains("Invite people") && !shown.contains("Change its name"), "{shown}");
    world.play(&mut model, [Action::Char('a'), Action::Char('r')]);
    assert!(
        matches!(model.overlays.last(), Some(Overlay::Group(open)) if matches!(open.step, super::group::Step::Rows))
    );
    world.play(&mut model, [Action::Down, Action::Down, Action::Down, Action::Enter]);
    assert!(screen(&model).contains("There is nothing to do here"), "{}", screen(&model));
}

#[test]
fn a_channel_is_followed_by_its_link_and_a_damaged_one_is_explained() {
    let mut world = World::new();
    let mut model = open(&mut world, Lang::En, false, (80, 24));
    let bent = format!("{}9", &LINK[..LINK.len() - 1]);
    world.play(&mut model, [Action::Add, Action::Paste(bent), Action::Enter]);
    let Some(Overlay::Add(form)) = model.overlays.last() else { panic!("the window is gone") };
    assert!(form.problem.as_deref().is_some_and(|problem| problem.contains("link is damaged")) && !form.busy);
    // A terminal broke the line.
    let (one, other) = LINK.split_at(60);
    world.play(&mut model, [Action::EraseLine, Action::Paste(format!("{one}\n {other}")), Action::Enter]);
    assert_eq!(model.chat.as_ref().map(|chat| chat.talk), Some(Talk::Channel(1)));
    assert!(screen(&model).contains("# (no entry yet)"));
    world.rooms.channels[0].name = "Хабарҳо".to_owned();
    world.publish(&mut model, 1, 7, "Шумораи 7");
    let shown = screen(&model);
    assert!(shown.contains("# Хабарҳо") && shown.contains("Шумораи 7"), "{shown}");
    assert!(asked(&world, &["\"mark_read\"", "\"channel\":1", "\"seq\":7"]));
}

#[test]
fn an_admin_shows_a_link_to_a_group_and_whoever_pastes_it_asks_to_be_let_in() {
    let mut world = World::with_rooms();
    let mut model = open(&mut world, Lang::En, false, (120, 40));
    go(&mut world, &mut model, "бригада");
    // The letter on the key of I of a Russian keyboard.
    world.play(&mut model, [Action::Details, Action::Char('ш')]);
    assert!(asked(&world, &["\"link\"", "\"group\":1"]));
    let shown = screen(&model);
    assert!(
        shown.contains('▀') && shown.contains("KARVON-GROUP:") && shown.contains("lets one person in"),
        "{shown}"
    );
    world.play(&mut model, [Action::Char('c'), Action::Next]);
    assert_eq!(world.copied, [GROUP_LINK]);
    assert!(matches!(model.overlays.last(), Some(Overlay::Invite(_))), "no way from a link to adding people");

    let mut world = World::new();
    let mut model = open(&mut world, Lang::En, false, (80, 24));
    let bent = format!("{}9", &GROUP_LINK[..GROUP_LINK.len() - 1]);
    world.play(&mut model, [Action::Add, Action::Paste(bent), Action::Enter]);
    let Some(Overlay::Add(form)) = model.overlays.last() else { panic!("the window is gone") };
    assert!(form.problem.as_deref().is_some_and(|problem| problem.contains("link is damaged")) && !form.busy);
    let (one, other) = GROUP_LINK.split_at(70);
    world.play(&mut model, [Action::EraseLine, Action::Paste(format!("{one}\n{other}")), Action::Enter]);
    assert!(asked(&world, &["\"join\"", GROUP_LINK]));
    assert_eq!(model.chat.as_ref().map(|chat| chat.talk), Some(Talk::Group(1)));
    assert!(model.notice.as_deref().is_some_and(|notice| notice.contains("takes you in")));
}

#[test]
fn nobody_but_its_owner_writes_to_a_channel() {
    let mut world = World::with_rooms();
    let mut model = open(&mut world, Lang::En, false, (80, 24));
    go(&mut world, &mut model, "хабарҳо");
    world.play(&mut model, typed("салом").chain([Action::Enter]));
    assert!(!asked(&world, &["\"post\""]) && model.chat.as_ref().unwrap().composer.text().is_empty());
    assert!(model.notice.as_deref().unwrap().contains("read only"));
    world.play(&mut model, [Action::Up, Action::Char('с')]);
    assert_eq!(world.copied, ["Бақайдгирӣ аз 1 декабр"], "с is on the key of C");
}

#[test]
fn an_own_entry_is_marked_as_stored_only_when_relays_have_it() {
    let mut world = World::with_rooms();
    let mut model = open(&mut world, Lang::En, false, (80, 24));
    go(&mut world, &mut model, "қазон");
    world.play(&mut model, typed("Се дуредгар").chain([Action::Enter]));
    let marks = |model: &Model| -> Vec<&'static str> {
        model.chat.as_ref().unwrap().messages.iter().map(|message| model.mark(message)).collect()
    };
    assert_eq!(marks(&model), ["↑", ""], "the first was with relays before");
    assert!(screen(&model).contains("not at relays yet: 1"), "{}", screen(&model));
    world.rooms.channels[1].under_way = 0;
    world.play(&mut model, [Action::Event(Event::Channel(ChannelEvent::Changed { channel: 2 }))]);
    assert_eq!(marks(&model), ["↑", "↑"]);
    assert!(!screen(&model).contains("not at relays yet"));
}

#[test]
fn a_channel_is_made_and_its_link_shown_as_a_square_and_a_line() {
    let mut world = World::new();
    let mut model = open(&mut world, Lang::En, false, (80, 24));
    world.play(&mut model, [Action::NewChannel, Action::Enter]);
    assert!(!asked(&world, &["\"create\""]), "a channel needs a name");
    world.play(&mut model, typed("Корҳо").chain([Action::Enter]));
    assert_eq!(model.chat.as_ref().map(|chat| chat.talk), Some(Talk::Channel(1)));
    world.play(&mut model, [Action::Details, Action::Enter]);
    let shown = screen(&model);
    assert!(
        shown.contains('▀') && shown.contains("KARVON-CHANNEL:") && shown.contains("pass it on"),
        "{shown}"
    );
    world.play(&mut model, [Action::Char('c'), Action::Next]);
    assert_eq!(world.copied, [LINK]);
    assert!(matches!(model.overlays.last(), Some(Overlay::Invite(_))), "no way from a link to adding people");
}

#[test]
fn giving_a_channel_up_asks_first_and_leaves_nothing_on_the_screen() {
    let mut world = World::with_rooms();
    let mut model = open(&mut world, Lang::En, false, (80, 24));
    go(&mut world, &mut model, "қазон");
    world.play(&mut model, [Action::Details, Action::Char('u')]);
    assert!(screen(&model).contains("nobody can ever write to it"), "{}", screen(&model));
    world.play(&mut model, [Action::Back, Action::Back]);
    assert_eq!(world.rooms.channels.len(), 2);
    world.play(&mut model, [Action::Details, Action::Char('г'), Action::Enter]);
    assert_eq!(world.rooms.channels.len(), 1);
    assert!(model.chat.is_none() && model.focus == Focus::List);
    assert!(!screen(&model).contains("Қазон"));
}

#[test]
fn older_entries_are_asked_for_and_come_before_those_that_are_here() {
    let mut world = World::with_rooms();
    world.rooms.entries.remove(0);
    let mut model = open(&mut world, Lang::En, false, (80, 24));
    go(&mut world, &mut model, "хабарҳо");
    world.play(&mut model, [Action::Details, Action::Char('e')]);
    assert!(asked(&world, &["\"older\"", "\"channel\":1"]) && model.overlays.is_empty());
    world.rooms.entries.push(entry(1, 1, "Хабарҳо", "Шумораи аввал"));
    let come = |event| Action::Event(Event::Channel(event));
    world.play(&mut model, [come(ChannelEvent::Received { channel: 1, seq: 1 })]);
    world.play(&mut model, [come(ChannelEvent::Older { channel: 1, more: false })]);
    let seqs: Vec<_> = model.chat.as_ref().unwrap().messages.iter().map(|message| message.seq).collect();
    assert_eq!(seqs, [1, 2]);
    assert!(model.notice.as_deref().unwrap().contains("No relay has older entries"));
}

#[test]
fn a_channel_that_was_forked_says_so_above_its_entries() {
    let mut world = World::with_rooms();
    (world.rooms.channels[0].forked, world.rooms.channels[0].missing) = (true, 3);
    let mut model = open(&mut world, Lang::En, false, (120, 40));
    go(&mut world, &mut model, "хабарҳо");
    let shown = screen(&model);
    assert!(shown.contains("Beware") && shown.contains("Missing entries: 3"), "{shown}");
}

#[test]
fn a_group_whose_keys_can_not_be_read_here_says_so_above_its_messages() {
    let mut world = World::with_rooms();
    world.rooms.groups[0].deaf = true;
    let model = in_group(&mut world, (80, 24));
    let shown = screen(&model);
    assert!(shown.contains("! A member's keys can not be read here"), "{shown}");
}

#[test]
fn a_locked_node_leaves_no_group_on_the_screen() {
    let mut world = World::with_rooms();
    let mut model = in_group(&mut world, (80, 24));
    let late = update(&mut model, Action::Event(Event::Group(GroupEvent::Changed { group: 1 })));
    assert!(late.iter().any(|command| matches!(command, Command::Call(..))));
    world.play(&mut model, [Action::Lock]);
    world.carry_out(&mut model, late);
    assert!(model.groups.is_empty() && model.channels.is_empty());
    assert!(model.list.is_empty() && model.members.is_none() && model.chat.is_none());
}

#[test]
fn files_go_into_groups_and_own_channels() {
    let mut world = World::with_rooms();
    let mut model = in_group(&mut world, (80, 24));
    world.play(&mut model, [Action::File]);
    assert!(matches!(model.overlays.last(), Some(Overlay::Attach(attach)) if attach.talk == Talk::Group(1)));
    world.play(&mut model, [Action::Back]);
    go(&mut world, &mut model, "қазон");
    world.play(&mut model, [Action::File]);
    assert!(
        matches!(model.overlays.last(), Some(Overlay::Attach(attach)) if attach.talk.channel().is_some())
    );
}

#[test]
fn an_entry_that_was_passed_on_says_from_which_channel_it_is_and_a_forged_one_says_nothing() {
    use karvon_node::api::Copied;
    let mut world = World::with_rooms();
    let copied = Copied {
        genuine: true,
        channel: "Jobs".to_owned(),
        seq: 7,
        owner: "3f2a90c1".repeat(8),
        sent_at: None,
        followed: None,
    };
    let text = world.rooms.said[3].text.clone().unwrap();
    let mut shown = |copied: Copied, text: Option<String>| {
        (world.rooms.said[3].copied, world.rooms.said[3].text) = (Some(Box::new(copied)), text);
        world.rooms.said[3].forwarded = true;
        let mut model = open(&mut world, Lang::En, false, (200, 40));
        go(&mut world, &mut model, "бригада");
        screen(&model)
    };
    let namesake = shown(copied.clone(), Some(text.clone()));
    assert!(namesake.contains("signed by a channel that calls itself Jobs (key 3f2a90c1)"), "{namesake}");
    assert!(namesake.contains(&text), "{namesake}");
    let known = shown(Copied { followed: Some(1), ..copied.clone() }, Some(text.clone()));
    assert!(known.contains("from the channel # ") && !known.contains("calls itself"), "{known}");
    let forged = shown(Copied { genuine: false, ..copied }, None);
    assert!(forged.contains("an entry of a channel that its owner did not sign"), "{forged}");
    assert!(!forged.contains(&text), "{forged}");
}

#[test]
fn a_message_of_a_group_is_answered_signed_and_shown_as_it_became() {
    let mut world = World::with_rooms();
    let mut model = in_group(&mut world, (80, 24));
    let newest = world.rooms.said[3].id.clone();
    world.play(&mut model, [Action::Up, Action::Char('l'), Action::Enter]);
    assert!(asked(&world, &["\"react\"", &newest]), "{:?}", world.asked);
    world.play(&mut model, [Action::Char('r')].into_iter().chain(typed("ҳа")).chain([Action::Enter]));
    assert!(asked(&world, &["\"reply\"", &newest, "ҳа"]), "{:?}", world.asked);

    let changed = |id: &str| Action::Event(Event::Group(GroupEvent::Message { group: 1, id: id.to_owned() }));
    let said = &mut world.rooms.said[3];
    (said.text, said.edited) = (Some("Ман ҳам меоям".to_owned()), true);
    world.play(&mut model, [changed(&newest)]);
    assert!(screen(&model).contains("Ман ҳам меоям"), "{}", screen(&model));
    world.rooms.said.retain(|one| one.id != newest);
    world.play(&mut model, [changed(&newest)]);
    assert!(!screen(&model).contains("Ман ҳам меоям"), "it disappeared");
}

#[test]
fn an_admin_chooses_after_what_time_messages_of_a_group_disappear() {
    let mut world = World::with_rooms();
    let mut model = open(&mut world, Lang::En, false, (120, 40));
    go(&mut world, &mut model, "бригада");
    world.play(&mut model, [Action::Details]);
    assert!(screen(&model).contains("d  Messages disappear after: never"), "{}", screen(&model));
    // The letter on the key of D of a Russian keyboard; the same time as before tells nobody anything.
    world.play(&mut model, [Action::Char('в'), Action::Enter]);
    assert!(!asked(&world, &["\"timer\""]));
    world.play(&mut model, [Action::Char('d'), Action::Down, Action::Down, Action::Enter]);
    assert!(asked(&world, &["\"timer\"", "\"group\":1", "\"seconds\":3600"]));
    assert!(screen(&model).contains("d  Messages disappear after: 1 h"), "{}", screen(&model));
    world.play(&mut model, [Action::Back]);
    assert!(screen(&model).contains("disappears after 1 h"), "{}", screen(&model));
}
