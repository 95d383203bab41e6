//! The loop with a terminal, keys and a node made for the test.

use std::sync::{Arc, Mutex};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use futures::channel::mpsc;
use ratatui::backend::TestBackend;

use super::*;
use crate::app::story::World;

/// A node in memory.
struct Fake {
    world: Arc<Mutex<World>>,
    events: mpsc::UnboundedReceiver<api::Event>,
}

impl UiClient for Fake {
    fn call(&self, request: Request) -> BoxFuture<'static, Result<Response, ApiError>> {
        let answer = self.world.lock().unwrap().answer(request);
        Box::pin(async move {
            tokio::task::yield_now().await;
            answer
        })
    }

    fn next_event(&mut self) -> BoxFuture<'_, Option<api::Event>> {
        Box::pin(self.events.next())
    }

    fn set(&self, key: &'static str, value: &'static str) -> BoxFuture<'static, bool> {
        self.world.lock().unwrap().asked.push(format!("set {key} {value}"));
        Box::pin(std::future::ready(false))
    }

    fn edit(&self, _: Zeroizing<String>) -> BoxFuture<'static, Option<Zeroizing<String>>> {
        Box::pin(std::future::ready(None))
    }

    fn list_files(&self, _: String) -> BoxFuture<'static, Vec<Entry>> {
        Box::pin(std::future::ready(Vec::new()))
    }

    fn send_file(&self, _: Talk, _: String) -> BoxFuture<'static, Result<(), String>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn save_file(&self, name: String, _: Zeroizing<String>) -> BoxFuture<'static, Result<String, String>> {
        Box::pin(std::future::ready(Ok(name)))
    }
}

/// A terminal that notes what it was told.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Device for Notes {
    fn copy(&mut self, text: &str) -> io::Result<()> {
        self.0.lock().unwrap().push(format!("copy {text}"));
        Ok(())
    }

    fn alert(&mut self, alert: &Alert) -> io::Result<()> {
        self.0.lock().unwrap().push(format!("alert {} {:?}", alert.bell, alert.words));
        Ok(())
    }

    fn mouse(&mut self, on: bool) -> io::Result<()> {
        self.0.lock().unwrap().push(format!("mouse {on}"));
        Ok(())
    }
}

fn key(code: KeyCode) -> io::Result<Event> {
    Ok(Event::Key(KeyEvent::new(code, KeyModifiers::NONE)))
}

fn control(letter: char) -> io::Result<Event> {
    Ok(Event::Key(KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL)))
}

fn screen(terminal: &Terminal<TestBackend>) -> String {
    terminal.backend().buffer().content().iter().map(ratatui::buffer::Cell::symbol).collect()
}

/// Waits until the loop has nothing left to do.
async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn keys_answers_and_events_meet_on_the_screen_until_the_person_leaves() {
    let world = Arc::new(Mutex::new(World::new()));
    let (tell, events) = mpsc::unbounded();
    let (press, keys) = mpsc::unbounded();
    let client = Fake { world: Arc::clone(&world), events };
    let notes = Notes::default();
    let mut outside = Outside::new(client, notes.clone());
    let mut model =
        Model::new(Lang::En, Theme { color: false, plain: false, light: false }, Zone::default(), (80, 24));
    let first = app::begin(&mut model);
    let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
    let person = async {
        settle().await;
        for code in [KeyCode::Enter, KeyCode::Char('р'), KeyCode::Char('о'), KeyCode::Enter] {
            press.unbounded_send(key(code)).unwrap();
            settle().await;
        }
        {
            let mut world = world.lock().unwrap();
            let incoming = app::story::message(1, 9, false, "хайр", api::State::Received);
            world.messages.push(incoming);
        }
        tell.unbounded_send(api::Event::Received { contact: 1, from: 9, to: 9 }).unwrap();
        settle().await;
        assert_eq!(notes.0.lock().unwrap().join("; "), "", "what is seen needs no bell");
        for from in [1, 2] {
            tell.unbounded_send(api::Event::Received { contact: 3, from, to: from }).unwrap();
        }
        settle().await;
        assert!(notes.0.lock().unwrap().join("; ").starts_with("alert true Some(\"1 new\")"));
        // Ctrl with the Cyrillic letter on the key of Q.
        press.unbounded_send(control('й')).unwrap();
        settle().await;
    };
    let turning = turn(&mut terminal, keys, std::future::pending(), &mut outside, &mut model, first);
    let (end, ()) = tokio::join!(turning, person);
    assert!(matches!(end.unwrap(), End::Quit));
    let shown = screen(&terminal);
    for words in ["online", "Модар", "ро", "хайр"] {
        assert!(shown.contains(words), "{words}");
    }
    assert_eq!(world.lock().unwrap().asked.iter().filter(|asked| asked.contains("\"send\"")).count(), 1);
}

#[tokio::test]
async fn nothing_is_drawn_while_nothing_happens() {
    let (_tell, events) = mpsc::unbounded();
    let (press, keys) = mpsc::unbounded::<io::Result<Event>>();
    let asked = Arc::new(Mutex::new(World::new()));
    let mut outside = Outside::new(Fake { world: asked, events }, Notes::default());
    let mut model =
        Model::new(Lang::En, Theme { color: false, plain: false, light: false }, Zone::default(), (80, 24));
    let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
    let frames = {
        let turning = turn(&mut terminal, keys, std::future::pending(), &mut outside, &mut model, Vec::new());
        let mut turning = std::pin::pin!(turning);
        for _ in 0..50 {
            assert!(futures::poll!(&mut turning).is_pending());
        }
        press.unbounded_send(key(KeyCode::F(1))).unwrap();
        assert!(futures::poll!(&mut turning).is_pending());
        drop(press);
        turning.await.unwrap();
        // One frame at the start, one for the key, and the end draws nothing.
        2
    };
    assert_eq!(terminal.get_frame().count(), frames);
}

#[tokio::test]
async fn a_system_that_asks_to_stop_and_a_closed_terminal_end_the_loop() {
    for stopped in [true, false] {
        let (_tell, events) = mpsc::unbounded();
        let (press, keys) = mpsc::unbounded::<io::Result<Event>>();
        let world = Arc::new(Mutex::new(World::new()));
        let mut outside = Outside::new(Fake { world, events }, Notes::default());
        let mut model = Model::new(
            Lang::En,
            Theme { color: false, plain: false, light: false },
            Zone::default(),
            (80, 24),
        );
        let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
        if !stopped {
            drop(press);
        }
        let stop: BoxFuture<'static, ()> =
            if stopped { Box::pin(std::future::ready(())) } else { Box::pin(std::future::pending()) };
        let end = turn(&mut terminal, keys, stop, &mut outside, &mut model, Vec::new()).await.unwrap();
        assert!(matches!(end, End::Quit));
    }
}

#[tokio::test]
async fn the_first_start_needs_no_node() {
    let (press, keys) = mpsc::unbounded();
    let mut outside = Outside::new(Alone, Notes::default());
    let mut model = Model::wizard(Lang::En, Theme { color: false, plain: false, light: false }, (40, 20));
    let mut terminal = Terminal::new(TestBackend::new(40, 20)).unwrap();
    let steps = [
        KeyCode::Enter,
        KeyCode::Char('A'),
        KeyCode::Enter,
        KeyCode::Down,
        KeyCode::Enter,
        KeyCode::Down,
        KeyCode::Enter,
    ];
    for code in steps {
        press.unbounded_send(key(code)).unwrap();
    }
    let end = turn(&mut terminal, keys, std::future::pending(), &mut outside, &mut model, Vec::new()).await;
    let End::Finished(result) = end.unwrap() else { panic!("the first start is not done") };
    assert_eq!(result.name, "A");
}
