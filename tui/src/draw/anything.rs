//! Whatever people write, whatever the size, whatever happens in between: what is drawn stays inside its cells.
//!
//! `KARVON_CASES` sets the number of cases, `KARVON_FIRST` the first one: a few hundred before one that failed.

use karvon_node::api::{Attachment, Reaction};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;

use crate::app::story::{World, open};
use crate::app::{Action, Model};
use crate::lang::Lang;
use crate::text::corpus::HOSTILE;

/// A small generator, so that a case is named by its number alone.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    fn letter(&mut self) -> char {
        let range = match self.below(12) {
            0 => 0x20..0x7f,
            1 | 2 => 0x400..0x530,
            3 => 0x590..0x900,
            4 => 0x300..0x370,
            5 => 0x1f300..0x1faff,
            6 => 0x200b..0x2070,
            7 => 0..0xa0,
            8 => 0x3000..0xa000,
            9 => 0xe0000..0xe0080,
            10 => 0xfe00..0xfe10,
            _ => 0..0x11_0000,
        };
        let code = range.start + u32::try_from(self.below(u64::from(range.end - range.start))).unwrap_or(0);
        char::from_u32(code).unwrap_or('\u{200d}')
    }

    fn text(&mut self, longest: u64) -> String {
        if self.below(4) == 0 {
            let at = usize::try_from(self.next()).unwrap_or(0) % HOSTILE.len();
            return HOSTILE.get(at).copied().unwrap_or_default().repeat(1 + usize::from(self.below(3) == 0));
        }
        let letters = self.below(longest);
        (0..letters).map(|_| self.letter()).collect()
    }

    fn action(&mut self) -> Action {
        let (column, row) = (self.below(200) as u16, self.below(60) as u16);
        match self.below(46) {
            0 => Action::Up,
            1 => Action::Down,
            2 => Action::Left,
            3 => Action::Right,
            4 => Action::WordLeft,
            5 => Action::WordRight,
            6 => Action::Home,
            7 => Action::End,
            8 => Action::PageUp,
            9 => Action::PageDown,
            10..=13 => Action::Enter,
            14 => Action::NewLine,
            15..=17 => Action::Back,
            18 => Action::Next,
            19 => Action::Previous,
            20 => Action::Backspace,
            21 => Action::EraseWord,
            22 => Action::Find,
            23 => Action::Search,
            24 => Action::First,
            25 => Action::Newest,
            26 => Action::Details,
            27 => Action::Settings,
            28 => Action::Doctor,
            29 => Action::Add,
            30 => Action::Invite,
            31 => Action::Help,
            32 => Action::NextUnread,
            33 => Action::Click(column, row),
            36 => Action::File,
            37 => Action::Wipe,
            38 => Action::Requests,
            39 => Action::NewGroup,
            40 => Action::NewChannel,
            41 => Action::Address,
            42 => Action::Wifi,
            34 => Action::Wheel(if row % 2 == 0 { -3 } else { 3 }),
            35 => Action::Char(self.letter()),
            _ => Action::Paste(self.text(60)),
        }
    }
}

fn cases(usual: u64) -> core::ops::Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|value| value.parse().ok());
    let first = number("KARVON_FIRST").unwrap_or(0);
    first..first + number("KARVON_CASES").unwrap_or(usual)
}

/// What must hold of every drawing.
fn check(model: &Model, terminal: &mut Terminal<TestBackend>, case: u64) {
    // A hidden cursor stays where it was, which is nobody's concern.
    terminal.set_cursor_position((0, 0)).unwrap();
    terminal.draw(|frame| super::draw(model, frame)).unwrap();
    let drawn = terminal.backend().buffer().clone();
    assert!(drawn.content().iter().all(|cell| !cell.symbol().contains(char::is_control)), "case {case}");
    let cursor = terminal.get_cursor_position().unwrap();
    assert!(drawn.area.contains(cursor), "case {case}: the cursor is at {cursor}");
    // A wide character never hangs over the edge, and hides exactly the cell behind it.
    for row in drawn.area.rows() {
        let mut column = 0;
        while column < row.width {
            let symbol = drawn[(column, row.y)].symbol();
            column += u16::try_from(crate::text::width::width(symbol).max(1)).unwrap();
        }
        assert_eq!(column, row.width, "case {case}: a row of {} columns", row.width);
    }
    // Nothing of an earlier drawing is left: the same model on a new terminal looks the same.
    if case.is_multiple_of(7) {
        let size = drawn.area;
        let mut fresh = Terminal::new(TestBackend::new(size.width, size.height)).unwrap();
        fresh.draw(|frame| super::draw(model, frame)).unwrap();
        assert_same(&drawn, fresh.backend().buffer(), case);
    }
}

/// What a terminal shows of both is the same. A cell behind a wide character shows nothing, whatever stood there before.
fn assert_same(one: &Buffer, other: &Buffer, case: u64) {
    for row in one.area.rows() {
        let mut column = 0;
        while column < row.width {
            let [left, right] = [one, other].map(|buffer| buffer[(column, row.y)].symbol());
            assert_eq!(left, right, "case {case}: row {}, column {column}", row.y);
            column += u16::try_from(crate::text::width::width(left).max(1)).unwrap();
        }
    }
}

#[test]
fn any_text_in_any_field_at_any_size_stays_inside_its_cells() {
    let mut model = None;
    let mut world = World::new();
    let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
    for case in cases(1_000) {
        let mut dice = Dice(case);
        let size = (1 + dice.below(160) as u16, 1 + dice.below(50) as u16);
        // Mostly the world goes on, with sizes that change in the middle of everything; now and then it starts anew.
        if model.is_none() || dice.below(50) == 0 {
            world = if dice.below(2) == 0 { World::new() } else { World::with_rooms() };
            for group in &mut world.rooms.groups {
                (group.name, group.deaf) = (dice.text(30), dice.below(4) == 0);
            }
            for member in &mut world.rooms.members {
                (member.name, member.added_by) = (dice.text(30), dice.text(30));
                member.forked = dice.below(4) == 0;
            }
            for said in &mut world.rooms.said {
                (said.from, said.text) = (dice.text(30), Some(dice.text(200)));
            }
            for channel in &mut world.rooms.channels {
                (channel.name, channel.forked) = (dice.text(30), dice.below(3) == 0);
            }
            for entry in &mut world.rooms.entries {
                (entry.from, entry.text) = (dice.text(30), Some(dice.text(200)));
            }
            for contact in &mut world.contacts {
                contact.name = dice.text(30);
                contact.keys_changed = dice.below(4) == 0;
                contact.timer_s = dice.below(3) * 90_000;
            }
            for message in &mut world.messages {
                match dice.below(8) {
                    0 => {
                        let name = dice.text(40);
                        message.attachment =
                            Some(Attachment { name, bytes: dice.next(), ..Attachment::default() });
                    }
                    1 => message.introduces = Some(dice.text(40)),
                    2 => message.timer_s = Some(dice.below(10_000_000)),
                    3 => message.missing = dice.next(),
                    4 => message.deleted = true,
                    5 => {
                        let (emoji, from) = (dice.text(10), dice.text(10));
                        message.reactions = vec![Reaction { emoji, from, mine: false }; 20];
                        message.edited = true;
                    }
                    6 => message.reply_to = Some("00000000000000010000000000000001".to_owned()),
                    _ => message.forwarded = true,
                }
                message.text = Some(dice.text(200));
                message.from = dice.text(30);
                message.sent_at = if dice.below(5) == 0 { dice.text(20) } else { message.sent_at.clone() };
            }
            let lang = Lang::ALL[usize::try_from(dice.below(7)).unwrap()];
            let mut new = open(&mut world, lang, dice.below(2) == 0, size);
            world.play(&mut new, [Action::Enter]);
            model = Some(new);
        }
        let model = model.as_mut().unwrap();
        terminal.backend_mut().resize(size.0, size.1);
        world.play(model, [Action::Resize(size.0, size.1)]);
        let actions: Vec<Action> = (0..=dice.below(3)).map(|_| dice.action()).collect();
        world.play(model, actions);
        if dice.below(3) == 0 {
            let text = dice.text(120);
            world.receive(model, 1 + dice.below(3) as u32, &text);
        }
        check(model, &mut terminal, case);
    }
}
