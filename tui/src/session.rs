//! The loop: keys, answers and events in, commands out, and a drawing after each batch; nothing ticks while nothing happens.

mod terminal;
#[cfg(test)]
mod tests;

use std::io;

use crossterm::event::{Event, EventStream};
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, Stream, StreamExt};
use karvon_node::api::{self, ApiError, Request, Response};
use ratatui::Terminal;
use ratatui::backend::Backend;

use crate::app::{self, Action, Model};
use crate::command::{Command, Purpose, WizardResult};
use crate::draw;
use crate::input;
use crate::lang::Lang;
use crate::text::time::Zone;
use crate::theme::Theme;
use terminal::Guard;

/// Ready actions taken before the screen is drawn again.
const BATCH: usize = 256;

/// A connection to a node, as the screen needs it.
pub trait UiClient: Send {
    /// Asks the node. The future is polled at once and kept until it answers.
    fn call(&self, request: Request) -> BoxFuture<'static, Result<Response, ApiError>>;

    /// The next event after `Subscribe`; `None` when the node is gone. Dropping the future must lose no event.
    fn next_event(&mut self) -> BoxFuture<'_, Option<api::Event>>;
}

/// How the screen is to be opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// Language.
    pub lang: Lang,
    /// Colours may be used (no `NO_COLOR`, no `--no-color`).
    pub color: bool,
    /// Only glyphs every terminal has.
    pub plain: bool,
    /// Taps and the wheel are taken from the terminal.
    pub mouse: bool,
    /// The calendar of this device.
    pub zone: Zone,
}

impl Default for Options {
    /// From the environment: locale, `NO_COLOR`, `KARVON_ASCII`, and the system's time zone file.
    fn default() -> Self {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let zone = karvon_node::os::zone_file().and_then(|file| Zone::parse(&file)).unwrap_or_default();
        Self { lang: Lang::guess(), color: !set("NO_COLOR"), plain: set("KARVON_ASCII"), mouse: true, zone }
    }
}

impl Options {
    fn theme(&self) -> Theme {
        Theme { color: self.color, plain: self.plain }
    }
}

/// Opens the screen on a running node and returns when the person leaves. The terminal is as before then, also after a panic.
///
/// # Errors
/// When the terminal can not be read or written.
pub async fn run(client: impl UiClient, options: Options) -> io::Result<()> {
    let (_guard, mut terminal) = Guard::open(options.mouse)?;
    let size = terminal.size()?;
    let mut model = Model::new(options.lang, options.theme(), options.zone, (size.width, size.height));
    let commands = app::begin(&mut model);
    let outside = Outside { client, copy: terminal::copy };
    turn(&mut terminal, EventStream::new(), terminal::stop(), outside, model, commands).await.map(|_| ())
}

/// Asks a newcomer for everything a profile needs; `None` when they left before the end.
///
/// # Errors
/// When the terminal can not be read or written.
pub async fn wizard(options: Options) -> io::Result<Option<WizardResult>> {
    let (_guard, mut terminal) = Guard::open(options.mouse)?;
    let size = terminal.size()?;
    let model = Model::wizard(options.lang, options.theme(), (size.width, size.height));
    let outside = Outside { client: Alone, copy: terminal::copy };
    turn(&mut terminal, EventStream::new(), terminal::stop(), outside, model, Vec::new()).await
}

/// No node: the first start asks nobody.
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
}

/// What commands are carried out on.
struct Outside<C, F> {
    client: C,
    copy: F,
}

/// Turns until the person leaves.
async fn turn<B, C, F>(
    terminal: &mut Terminal<B>,
    mut keys: impl Stream<Item = io::Result<Event>> + Unpin,
    stop: impl Future<Output = ()>,
    mut outside: Outside<C, F>,
    mut model: Model,
    first: Vec<Command>,
) -> io::Result<Option<WizardResult>>
where
    B: Backend,
    B::Error: Send + Sync + 'static,
    C: UiClient,
    F: FnMut(&str) -> io::Result<()>,
{
    let mut calls: FuturesUnordered<BoxFuture<'static, (Purpose, Result<Response, ApiError>)>> =
        FuturesUnordered::new();
    let mut stop = std::pin::pin!(stop);
    let mut commands = first;
    loop {
        for command in commands.drain(..) {
            match command {
                Command::Call(request, purpose) => {
                    let answer = outside.client.call(request);
                    calls.push(Box::pin(async move { (purpose, answer.await) }));
                }
                Command::Copy(text) => (outside.copy)(&text)?,
                Command::Finish(result) => return Ok(Some(result)),
                Command::Quit => return Ok(None),
            }
        }
        terminal::on_screen(|| terminal.draw(|frame| draw::draw(&model, frame)).map(|_| ()))
            .map_err(io::Error::other)?;
        for taken in 0..BATCH {
            let action = tokio::select! {
                biased;
                () = &mut stop => return Ok(None),
                key = keys.next() => match key {
                    Some(key) => input::action(key?),
                    None => return Ok(None),
                },
                Some((purpose, result)) = calls.next(), if !calls.is_empty() => Some(Action::Answer(purpose, result)),
                event = outside.client.next_event(), if !model.gone => Some(event.map_or(Action::Gone, Action::Event)),
                // Nothing else is ready: what was taken so far is drawn.
                () = std::future::ready(()), if taken > 0 => break,
            };
            if let Some(action) = action {
                commands.extend(terminal::on_screen(|| app::update(&mut model, action)));
            }
            // Calls leave before more is taken, so that a person who types quickly waits for nothing.
            if !commands.is_empty() {
                break;
            }
        }
    }
}
