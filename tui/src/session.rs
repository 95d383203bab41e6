//! The loop: keys, answers and events in, commands out, and a drawing after each batch; nothing ticks while nothing happens.

mod terminal;
#[cfg(test)]
mod tests;

use std::io;
use std::time::{Duration, Instant};

use crossterm::event::{Event, EventStream};
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, Stream, StreamExt};
use karvon_node::api::{self, ApiError, Request, Response};
use ratatui::Terminal;
use ratatui::backend::Backend;
use zeroize::Zeroizing;

use crate::app::alert::Alert;
use crate::app::file::Entry;
use crate::app::settings::Prefs;
use crate::app::{self, Action, Model, Talk};
use crate::command::{Command, Purpose, WizardResult};
use crate::draw;
use crate::input;
use crate::lang::Lang;
use crate::text::time::Zone;
use crate::theme::Theme;
use terminal::{Guard, Screen};

/// Ready actions taken before the screen is drawn again.
const BATCH: usize = 256;
/// How long somebody is shown as typing after the last sign of it.
const TYPING_SHOWN: Duration = Duration::from_secs(6);
/// The node is told that a person is here at most so often.
const PRESENT_EACH: Duration = Duration::from_secs(20);

/// A connection to a node, as the screen needs it, and what else lies outside the screen.
pub trait UiClient: Send {
    /// Asks the node. The future is polled at once and kept until it answers.
    fn call(&self, request: Request) -> BoxFuture<'static, Result<Response, ApiError>>;

    /// The next event after `Subscribe`; `None` when the node is gone. Dropping the future must lose no event.
    fn next_event(&mut self) -> BoxFuture<'_, Option<api::Event>>;

    /// Writes a setting of the configuration file; whether that worked.
    fn set(&self, key: &'static str, value: &'static str) -> BoxFuture<'static, bool>;

    /// What is in a folder: folders by name, then files, the newest first; nothing where it can not be read.
    fn list_files(&self, folder: String) -> BoxFuture<'static, Vec<Entry>>;

    /// Reads a file and hands it to the node; the error is a code.
    fn send_file(&self, talk: Talk, path: String) -> BoxFuture<'static, Result<(), String>>;

    /// Writes a file (contents in base64) where people look for files, and says where; the error is a code.
    fn save_file(&self, name: String, data: Zeroizing<String>) -> BoxFuture<'static, Result<String, String>>;

    /// Lets a text be written in the person's editor, which has the terminal meanwhile; `None` when it could not be used.
    fn edit(&self, text: Zeroizing<String>) -> BoxFuture<'static, Option<Zeroizing<String>>>;
}

/// What the terminal can do beside showing cells.
pub(crate) trait Device {
    /// Hands a text to the clipboard.
    fn copy(&mut self, text: &str) -> io::Result<()>;
    /// Tells of new messages.
    fn alert(&mut self, alert: &Alert) -> io::Result<()>;
    /// Takes taps and the wheel, or leaves them to the terminal.
    fn mouse(&mut self, on: bool) -> io::Result<()>;
}

/// How the screen is to be opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// Language.
    pub lang: Lang,
    /// How things look.
    pub theme: Theme,
    /// Other settings.
    pub prefs: Prefs,
    /// The calendar of this device.
    pub zone: Zone,
    /// Code of an error that is to be said first.
    pub notice: Option<String>,
}

impl Default for Options {
    /// From the environment: locale, `NO_COLOR`, `KARVON_ASCII`, and the system's time zone file.
    fn default() -> Self {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let zone = karvon_node::os::zone_file().and_then(|file| Zone::parse(&file)).unwrap_or_default();
        let color = !set("NO_COLOR");
        let theme = Theme { color, plain: set("KARVON_ASCII"), light: false };
        let prefs = Prefs { color_allowed: color, ..Prefs::default() };
        Self { lang: Lang::guess(), theme, prefs, zone, notice: None }
    }
}

/// Opens the screen on a running node and returns when the person leaves. The terminal is as before then, also after a panic.
///
/// # Errors
/// When the terminal can not be read or written.
pub async fn run(client: impl UiClient, options: Options) -> io::Result<()> {
    let mut screen = Guard::open(options.prefs.mouse)?;
    let terminal = &mut screen.terminal;
    let size = terminal.size()?;
    let mut model = Model::new(options.lang, options.theme, options.zone, (size.width, size.height));
    model.prefs = options.prefs;
    model.notice = options.notice.map(|code| model.texts.error(&code));
    let mut commands = app::begin(&mut model);
    let mut outside = Outside::new(client, Screen);
    loop {
        // Keys are read anew after each pause: the editor must have the terminal for itself.
        let keys = EventStream::new();
        let end = turn(terminal, keys, terminal::stop(), &mut outside, &mut model, commands).await?;
        let End::Edit(text) = end else { return Ok(()) };
        Guard::pause();
        let edited = outside.client.edit(text).await;
        Guard::resume(model.prefs.mouse)?;
        terminal.clear()?;
        let size = terminal.size()?;
        let mut again = app::update(&mut model, Action::Resize(size.width, size.height));
        again.extend(app::update(&mut model, Action::Edited(edited)));
        commands = again;
    }
}

/// Asks a newcomer for everything a profile needs; `None` when they left before the end.
///
/// # Errors
/// When the terminal can not be read or written.
pub async fn wizard(options: Options) -> io::Result<Option<WizardResult>> {
    let mut screen = Guard::open(options.prefs.mouse)?;
    let terminal = &mut screen.terminal;
    let size = terminal.size()?;
    let mut model = Model::wizard(options.lang, options.theme, (size.width, size.height));
    let mut outside = Outside::new(Alone, Screen);
    let keys = EventStream::new();
    match turn(terminal, keys, terminal::stop(), &mut outside, &mut model, Vec::new()).await? {
        End::Finished(result) => Ok(Some(*result)),
        _ => Ok(None),
    }
}

/// Asks for the passphrase until `attempt` takes one; `None` when the person left. An attempt that failed for another reason than the
/// passphrase ends it as well: that failure is the outer result.
///
/// # Errors
/// When the terminal can not be read or written.
pub async fn unlock<T>(
    options: Options,
    mut attempt: impl AsyncFnMut(Zeroizing<String>) -> Result<T, ApiError>,
) -> io::Result<Option<Result<T, ApiError>>> {
    let mut screen = Guard::open(options.prefs.mouse)?;
    let terminal = &mut screen.terminal;
    let size = terminal.size()?;
    let mut model = Model::locked(options.lang, options.theme, (size.width, size.height));
    let mut outside = Outside::new(Alone, Screen);
    loop {
        let keys = EventStream::new();
        let end = turn(terminal, keys, terminal::stop(), &mut outside, &mut model, Vec::new()).await?;
        let End::Unlock(passphrase) = end else { return Ok(None) };
        terminal.draw(|frame| draw::draw(&model, frame))?;
        match attempt(passphrase).await {
            Err(error) if ["wrong_passphrase", "locked"].contains(&error.code.as_str()) => {
                // Nothing follows from an answer on the closed screen.
                let _ = app::update(&mut model, Action::Answer(Purpose::Unlock, Err(error)));
            }
            outcome => return Ok(Some(outcome)),
        }
    }
}

/// No node: the first start and the closed screen ask nobody.
struct Alone;

impl UiClient for Alone {
    fn call(&self, _: Request) -> BoxFuture<'static, Result<Response, ApiError>> {
        let error =
            ApiError { code: "unavailable".to_owned(), message: "there is no profile yet".to_owned() };
        Box::pin(std::future::ready(Err(error)))
    }

    fn next_event(&mut self) -> BoxFuture<'_, Option<api::Event>> {
        Box::pin(std::future::pending())
    }

    fn set(&self, _: &'static str, _: &'static str) -> BoxFuture<'static, bool> {
        Box::pin(std::future::ready(false))
    }

    fn edit(&self, _: Zeroizing<String>) -> BoxFuture<'static, Option<Zeroizing<String>>> {
        Box::pin(std::future::ready(None))
    }

    fn list_files(&self, _: String) -> BoxFuture<'static, Vec<Entry>> {
        Box::pin(std::future::ready(Vec::new()))
    }

    fn send_file(&self, _: Talk, _: String) -> BoxFuture<'static, Result<(), String>> {
        Box::pin(std::future::ready(Err("unavailable".to_owned())))
    }

    fn save_file(&self, _: String, _: Zeroizing<String>) -> BoxFuture<'static, Result<String, String>> {
        Box::pin(std::future::ready(Err("unavailable".to_owned())))
    }
}

/// What commands are carried out on, and what is under way there. It outlives a pause of the screen, so that no answer is lost.
struct Outside<C, D> {
    client: C,
    device: D,
    calls: FuturesUnordered<BoxFuture<'static, Option<Action>>>,
    /// When the node was told the last time that a person is here.
    present: Option<Instant>,
}

impl<C: UiClient, D: Device> Outside<C, D> {
    fn new(client: C, device: D) -> Self {
        Self { client, device, calls: FuturesUnordered::new(), present: None }
    }

    /// Tells the node that a person uses the screen, so that it does not lock itself; not at every key.
    fn present(&mut self) {
        if self.present.is_none_or(|told| told.elapsed() >= PRESENT_EACH) {
            self.present = Some(Instant::now());
            let told = self.client.call(Request::Present);
            self.calls.push(Box::pin(async move {
                // A locked node refuses it, which is as good.
                let _ = told.await;
                None
            }));
        }
    }

    /// Carries out a command; some end the turn.
    fn carry_out(&mut self, command: Command) -> io::Result<Option<End>> {
        match command {
            Command::Call(request, purpose) => {
                let answer = self.client.call(request);
                self.calls.push(Box::pin(async move { Some(Action::Answer(purpose, answer.await)) }));
            }
            Command::Set(key, value) => {
                let saved = self.client.set(key, value);
                self.calls.push(Box::pin(async move { (!saved.await).then_some(Action::Unsaved) }));
            }
            Command::ListFiles(folder) => {
                let listed = self.client.list_files(folder.clone());
                self.calls.push(Box::pin(async move { Some(Action::Listed(folder, listed.await)) }));
            }
            Command::SendFile(talk, path) => {
                let sent = self.client.send_file(talk, path);
                self.calls.push(Box::pin(async move { Some(Action::FileSent(talk, sent.await)) }));
            }
            Command::SaveFile(name, data) => {
                let saved = self.client.save_file(name, data);
                self.calls.push(Box::pin(async move { Some(Action::FileSaved(saved.await)) }));
            }
            Command::Later(contact, count) => self.calls.push(Box::pin(async move {
                tokio::time::sleep(TYPING_SHOWN).await;
                Some(Action::Quiet(contact, count))
            })),
            Command::Copy(text) => self.device.copy(&text)?,
            Command::Mouse(on) => self.device.mouse(on)?,
            Command::Alert(alert) => self.device.alert(&alert)?,
            Command::Edit(text) => return Ok(Some(End::Edit(text))),
            Command::Unlock(passphrase) => return Ok(Some(End::Unlock(passphrase))),
            Command::Finish(result) => return Ok(Some(End::Finished(Box::new(result)))),
            Command::Quit => return Ok(Some(End::Quit)),
        }
        Ok(None)
    }
}

/// Why the loop ended.
enum End {
    /// The person leaves, or the system or the terminal asks to.
    Quit,
    /// The first start is done.
    Finished(Box<WizardResult>),
    /// A text is to be written in the editor.
    Edit(Zeroizing<String>),
    /// A passphrase is to be tried.
    Unlock(Zeroizing<String>),
}

/// Turns until there is a reason to end.
async fn turn<B, C, D>(
    terminal: &mut Terminal<B>,
    mut keys: impl Stream<Item = io::Result<Event>> + Unpin,
    stop: impl Future<Output = ()>,
    outside: &mut Outside<C, D>,
    model: &mut Model,
    first: Vec<Command>,
) -> io::Result<End>
where
    B: Backend,
    B::Error: Send + Sync + 'static,
    C: UiClient,
    D: Device,
{
    let mut stop = std::pin::pin!(stop);
    let mut commands = first;
    let mut changed = true;
    loop {
        // One alert for all that came at once.
        let mut alerts: Vec<Command> =
            commands.extract_if(.., |one| matches!(one, Command::Alert(_))).collect();
        commands.extend(alerts.pop());
        for command in commands.drain(..) {
            if let Some(end) = outside.carry_out(command)? {
                return Ok(end);
            }
        }
        if std::mem::take(&mut changed) {
            terminal::on_screen(|| terminal.draw(|frame| draw::draw(model, frame)).map(|_| ()))
                .map_err(io::Error::other)?;
        }
        for taken in 0..BATCH {
            let action = tokio::select! {
                biased;
                () = &mut stop => return Ok(End::Quit),
                key = keys.next() => match key {
                    Some(key) => {
                        let key = key?;
                        if matches!(key, Event::Key(_) | Event::Paste(_) | Event::Mouse(_)) {
                            outside.present();
                        }
                        input::action(key)
                    }
                    None => return Ok(End::Quit),
                },
                Some(action) = outside.calls.next(), if !outside.calls.is_empty() => action,
                event = outside.client.next_event(), if !model.gone => Some(event.map_or(Action::Gone, Action::Event)),
                // Nothing else is ready: what was taken so far is drawn.
                () = std::future::ready(()), if taken > 0 => break,
            };
            if let Some(action) = action {
                changed = true;
                commands.extend(terminal::on_screen(|| app::update(model, action)));
            }
            // Calls leave before more is taken, so that a person who types quickly waits for nothing.
            if !commands.is_empty() {
                break;
            }
        }
    }
}
