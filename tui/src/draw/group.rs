//! A group: what may be done with it and its members, who is to be invited, and what is asked before it is done.

use karvon_node::api::groups::{Group, Member, Role, Standing};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;

use super::{details, list, paint};
use crate::app::Model;
use crate::app::details::TIMERS;
use crate::app::gather::{Gather, people};
use crate::app::group::{Act, Members, Row, Step, acts, rows};
use crate::text::{name, one_line, wrap};

/// Rows above the list of the window about a group.
pub(super) const ABOVE: usize = 2;
/// Rows above the list of people who can be invited: for a new group with its name.
pub(super) const GATHER_ABOVE: (usize, usize) = (5, 2);

/// Draws the window about a group.
pub(super) fn draw(model: &Model, open: &Members, frame: &mut Frame<'_>, area: Rect) {
    let (theme, texts) = (model.theme, &model.texts);
    let Some(group) = model.group(open.group) else { return };
    let below = below(area, ABOVE);
    match &open.step {
        Step::Rows => {
            let head = format!("{} · {}", name(&group.name, group.group), about_line(model, group));
            paint::text(frame, area, 0, &theme.glyphs(&head), theme.strong());
            let lines: Vec<(String, Style)> =
                rows(model, group).iter().map(|row| (row_line(model, group, row), Style::new())).collect();
            list::draw(frame, below, &lines, open.chosen, true, theme);
        }
        Step::Name(editor) => {
            paint::paragraph(frame, area, 0, &texts.get("group-new-name"), Style::new());
            field(model, editor, true, frame, area, 1);
        }
        Step::Timer(chosen) => {
            let times = TIMERS.iter().map(|seconds| (details::span(model, *seconds), Style::new()));
            paint::text(frame, area, 0, &theme.glyphs(&texts.get("details-timer")), theme.strong());
            let used = details::list_of(model, &times.collect::<Vec<_>>(), *chosen, frame, below);
            let note = theme.glyphs(&one_line(&texts.get("group-timer-note")));
            paint::paragraph(frame, below, used, &note, theme.faint());
        }
        Step::Member(id, chosen) => {
            let Some(member) = member(model, group, id) else { return };
            paint::text(frame, area, 0, &theme.glyphs(&member_line(model, member)), theme.strong());
            let acts = acts(group, member);
            if acts.is_empty() {
                paint::paragraph(frame, below, 0, &theme.glyphs(&texts.get("member-nothing")), theme.faint());
                return;
            }
            let lines: Vec<(String, Style)> =
                acts.iter().map(|act| (theme.glyphs(&texts.get(act_key(act))), Style::new())).collect();
            list::draw(frame, below, &lines, *chosen, true, theme);
        }
        Step::Sure(act) => {
            paint::paragraph(frame, area, 1, &theme.glyphs(&sure(model, group, act)), theme.warn());
        }
    }
}

fn member<'a>(model: &'a Model, group: &Group, id: &str) -> Option<&'a Member> {
    model.members_of(group.group)?.iter().find(|member| member.member == id)
}

/// Name of a member, fit to be drawn; one nothing of which can be seen is shown by the beginning of the id.
fn member_name(member: &Member) -> String {
    let digits: String = one_line(&member.member).chars().take(4).collect();
    let shown = name(&member.name, 0);
    if shown == "#0" { format!("#{digits}") } else { shown }
}

fn role_key(role: Role) -> &'static str {
    match role {
        Role::Member => "role-member",
        Role::Admin => "role-admin",
        Role::Owner => "role-owner",
    }
}

/// How many there are, and what this person is among them.
pub(super) fn about_line(model: &Model, group: &Group) -> String {
    let texts = &model.texts;
    match group.standing {
        Standing::In => {
            let role = texts.get(role_key(group.role.unwrap_or(Role::Member)));
            let members = texts.with("group-members", &[("n", group.members.into())]);
            format!("{members} · {}", texts.with("group-you", &[("role", role.into())]))
        }
        Standing::Invited | Standing::Joining => texts.get("group-joining"),
        Standing::Out => texts.get("group-out"),
    }
}

fn member_line(model: &Model, member: &Member) -> String {
    let texts = &model.texts;
    let role = texts.get(role_key(member.role));
    let known = match (member.me, member.contact) {
        (true, _) => format!(" · {}", texts.get("member-me")),
        (false, Some(_)) => String::new(),
        (false, None) => {
            let by = one_line(&member.added_by);
            format!(" · {}", texts.with("member-unconfirmed", &[("name", by.into())]))
        }
    };
    let forked = if member.forked { format!(" · ! {}", texts.get("member-forked")) } else { String::new() };
    format!("{} · {role}{known}{forked}", member_name(member))
}

fn row_line(model: &Model, group: &Group, row: &Row) -> String {
    let texts = &model.texts;
    let line = match row {
        Row::Add => format!("a  {}", texts.get("group-add")),
        Row::Link => format!("i  {}", texts.get("group-link")),
        Row::Name => format!("r  {}", texts.get("group-rename")),
        Row::Timer => {
            let time = details::span(model, group.timer_s.into());
            format!("d  {}: {time}", texts.get("details-timer"))
        }
        Row::Mute => format!("t  [{}] {}", if group.muted { "x" } else { " " }, texts.get("group-mute")),
        Row::Leave => format!("l  {}", texts.get("group-leave")),
        Row::Member(id) => member(model, group, id).map(|one| member_line(model, one)).unwrap_or_default(),
    };
    model.theme.glyphs(&line)
}

fn act_key(act: &Act) -> &'static str {
    match act {
        Act::Leave => "group-leave",
        Act::Role(_, Role::Member) => "act-role-member",
        Act::Role(_, Role::Admin) => "act-role-admin",
        Act::Role(_, Role::Owner) => "act-role-owner",
        Act::Remove(_) => "act-remove",
    }
}

fn sure(model: &Model, group: &Group, act: &Act) -> String {
    let texts = &model.texts;
    let who = |id: &str| member(model, group, id).map(member_name).unwrap_or_default();
    match act {
        Act::Leave => texts.with("group-leave-sure", &[("name", name(&group.name, group.group).into())]),
        Act::Remove(id) => texts.with("group-remove-sure", &[("name", who(id).into())]),
        Act::Role(id, role) => {
            let role = texts.get(role_key(*role));
            texts.with("group-role-sure", &[("name", who(id).into()), ("role", role.into())])
        }
    }
}

/// Draws what is known about a group, beside its conversation.
pub(super) fn about(model: &Model, number: u32, frame: &mut Frame<'_>, area: Rect) {
    let theme = model.theme;
    let Some(group) = model.group(number) else { return };
    let mut out: Vec<Line<'static>> = Vec::new();
    let mut say = |sentence: &str, style: Style| {
        for part in wrap::wrapped(&theme.glyphs(&one_line(sentence)), usize::from(area.width)) {
            out.push(Line::styled(part.to_owned(), style));
        }
    };
    say(&name(&group.name, group.group), theme.strong());
    say(&about_line(model, group), Style::new());
    if group.deaf {
        say(&format!("! {}", model.texts.get("group-deaf")), theme.warn());
    }
    if group.timer_s > 0 {
        let time = details::span(model, group.timer_s.into());
        say(&model.texts.with("disappears", &[("time", time.into())]), Style::new());
    }
    say("", Style::new());
    for member in model.members_of(number).unwrap_or_default() {
        say(&member_line(model, member), Style::new());
    }
    paint::lines(frame, area, &out, 0);
}

/// Draws the choice of people.
pub(super) fn gather(model: &Model, gather: &Gather, frame: &mut Frame<'_>, area: Rect) {
    let (theme, texts) = (model.theme, &model.texts);
    let mut row = 0;
    if gather.group.is_none() {
        paint::text(frame, area, 0, &theme.glyphs(&texts.get("gather-name")), Style::new());
        field(model, &gather.name, gather.on_name, frame, area, 1);
        row = GATHER_ABOVE.0 - GATHER_ABOVE.1;
    }
    let problem = gather.problem.as_ref().map(|problem| (format!("! {problem}"), theme.warn()));
    let (words, style) = problem.unwrap_or_else(|| match gather.busy {
        true => (texts.get("add-busy"), theme.faint()),
        false => (texts.get("gather-people"), Style::new()),
    });
    paint::text(frame, paint::row(area, row), 0, &one_line(&theme.glyphs(&words)), style);
    let below = below(area, row + 2);
    let people = people(model, gather);
    if people.is_empty() {
        paint::paragraph(frame, below, 0, &theme.glyphs(&texts.get("gather-nobody")), theme.faint());
        return;
    }
    let lines: Vec<(String, Style)> = people
        .into_iter()
        .map(|contact| {
            let sign = if gather.picked.contains(&contact.contact) { "[x]" } else { "[ ]" };
            (format!("{sign} {}", name(&contact.name, contact.contact)), Style::new())
        })
        .collect();
    list::draw(frame, below, &lines, gather.chosen, !gather.on_name, theme);
}

/// Draws a field with its sign before it.
pub(super) fn field(
    model: &Model,
    editor: &crate::text::edit::Editor,
    focused: bool,
    frame: &mut Frame<'_>,
    area: Rect,
    row: usize,
) {
    let line = paint::row(area, row);
    paint::text(frame, line, 0, if focused { "> " } else { "  " }, model.theme.accent());
    paint::field(frame, paint::indent(line, 2), editor, focused, false, model.theme);
}

/// An area without its first rows.
pub(super) fn below(area: Rect, rows: usize) -> Rect {
    let used = u16::try_from(rows).unwrap_or(area.height).min(area.height);
    Rect { y: area.y + used, height: area.height - used, ..area }
}
