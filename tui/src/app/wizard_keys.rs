//! Keys of the first start.

use super::wizard::{PASSPHRASE_MIN, Step, Way};
use super::{Action, Model, Screen, Wizard};
use crate::command::{Command, Connect, Lock, WizardResult};
use crate::lang::{Lang, Texts};
use karvon_node::client::check_door;
use zeroize::Zeroizing;

/// Applies a key to the wizard.
pub(super) fn key(model: &mut Model, action: &Action) -> Vec<Command> {
    let Screen::Wizard(wizard) = &mut model.screen else { return Vec::new() };
    let theme = &mut model.theme;
    wizard.problem = None;
    match (action, wizard.step) {
        (Action::Back, step) => {
            wizard.step = step
                .number()
                .checked_sub(1)
                .and_then(|before| Step::ALL.get(before))
                .copied()
                .unwrap_or(step);
            wizard.field = 0;
            // Nobody sees what stands there, and what is typed later would be added to it.
            for editor in &mut wizard.passphrase {
                drop(editor.take());
            }
        }
        (Action::Enter, _) => return enter(wizard, theme.plain),
        (Action::Up | Action::Down, Step::Language) => {
            let down = matches!(action, Action::Down);
            wizard.lang = neighbour(&Lang::ALL, wizard.lang, down);
            model.texts = Texts::new(wizard.lang);
        }
        (Action::Left | Action::Right, Step::Language) => {
            let by = crate::draw::wizard::language_rows(model.size.0);
            wizard.lang = beside(wizard.lang, by, matches!(action, Action::Right));
            model.texts = Texts::new(wizard.lang);
        }
        (Action::Next | Action::Previous, Step::Language) => theme.plain = !theme.plain,
        (Action::Up | Action::Down, Step::Lock) if wizard.field == 0 => wizard.locked = !wizard.locked,
        (Action::Next | Action::Down, Step::Lock) if wizard.locked => wizard.field = (wizard.field + 1) % 3,
        (Action::Previous | Action::Up, Step::Lock) if wizard.locked => wizard.field = (wizard.field + 2) % 3,
        (Action::Next | Action::Down, Step::Connect) => wizard.way = neighbour(&WAYS, wizard.way, true),
        (Action::Previous | Action::Up, Step::Connect) => wizard.way = neighbour(&WAYS, wizard.way, false),
        (_, step) => {
            if step == Step::Lock
                && wizard.field == 0
                && wizard.locked
                && matches!(action, Action::Char(_) | Action::Paste(_))
            {
                wizard.field = 1;
            }
            if let Some(editor) = wizard.editor() {
                super::update::edit(editor, action);
            }
        }
    }
    Vec::new()
}

const WAYS: [Way; 3] = [Way::Paste, Way::Demo, Way::Later];

/// The next or previous of a few choices, around the end.
fn neighbour<T: Copy + PartialEq>(all: &[T], one: T, forward: bool) -> T {
    let at = all.iter().position(|other| *other == one).unwrap_or(0);
    let step = if forward { 1 } else { all.len().saturating_sub(1) };
    all.get((at + step) % all.len().max(1)).copied().unwrap_or(one)
}

/// The language in the next or previous column, where there is one.
fn beside(lang: Lang, rows: usize, forward: bool) -> Lang {
    let at = Lang::ALL.iter().position(|other| *other == lang).unwrap_or(0);
    let next = if forward { at.checked_add(rows) } else { at.checked_sub(rows) };
    next.and_then(|next| Lang::ALL.get(next)).copied().unwrap_or(lang)
}

fn enter(wizard: &mut Wizard, plain: bool) -> Vec<Command> {
    match wizard.step {
        Step::Language => wizard.step = Step::Name,
        Step::Name if wizard.name.is_blank() => wizard.problem = Some("wizard-name-missing"),
        Step::Name => wizard.step = Step::Lock,
        Step::Lock if wizard.locked => {
            let [first, second] = &mut wizard.passphrase;
            if first.text().chars().count() < PASSPHRASE_MIN {
                wizard.problem = Some("wizard-passphrase-short");
                wizard.field = 1;
            } else if first.text() != second.text() {
                wizard.problem = (wizard.field == 2).then_some("wizard-passphrase-differs");
                drop(second.take());
                wizard.field = 2;
            } else {
                wizard.step = Step::Connect;
            }
        }
        Step::Lock => wizard.step = Step::Connect,
        Step::Connect => {
            let connect = match wizard.way {
                Way::Demo => Some(Connect::Demo),
                Way::Later => Some(Connect::Later),
                Way::Paste => Connect::recognise(wizard.line.text()),
            };
            match connect {
                Some(Connect::Door(door))
                    if check_door(&door).is_err_and(|error| error.code == "invite_newer") =>
                {
                    wizard.problem = Some("error-invite-newer");
                }
                Some(Connect::Door(door))
                    if check_door(&door).is_err_and(|error| error.code == "transport_damaged") =>
                {
                    wizard.problem = Some("error-transport-damaged");
                }
                Some(Connect::Door(door)) if check_door(&door).is_err() => {
                    wizard.problem = Some("error-door-damaged");
                }
                Some(connect) => return vec![finish(wizard, plain, connect)],
                None => wizard.problem = Some("not-recognised"),
            }
        }
    }
    Vec::new()
}

fn finish(wizard: &mut Wizard, plain: bool, connect: Connect) -> Command {
    let [first, second] = &mut wizard.passphrase;
    // The repetition is taken too, so that no copy stays in the model.
    let (passphrase, _repetition): (Zeroizing<String>, _) = (first.take(), second.take());
    let lock = if wizard.locked { Lock::Passphrase(passphrase) } else { Lock::None };
    let name = wizard.name.text().trim().to_owned();
    Command::Finish(WizardResult { lang: wizard.lang, plain, name, lock, connect })
}
