//! The scenes whose pictures stand in the documents: two people and three relays, played with the real programs.

use crate::person::Person;
use crate::picture;
use crate::terminal::Terminal;
use crate::world::World;

/// Where the pictures lie in the source tree.
pub const FOLDER: &str = "docs/pictures";

/// What is said, in turn: who says it and what.
const TALK: [(bool, &str); 5] = [
    (false, "Писарам, чӣ хел ҳастӣ?"),
    (true, "Хуб, модарҷон. Кор бисёр аст."),
    (true, "Пул фиристодам, навис, ки расид ё не"),
    (false, "Пулро гирифтам, раҳмат"),
    (false, "Кай меоӣ? Мо туро интизорем, хеле пазмон шудем"),
];

/// So many of these are read before the picture is taken; the others stand below the line of new messages.
const READ: usize = 3;

/// A picture: name of its file, and its content.
#[derive(Debug)]
pub struct Picture {
    /// File name in [`FOLDER`].
    pub name: &'static str,
    /// The SVG document.
    pub svg: String,
}

/// Plays all scenes and takes their pictures.
///
/// # Panics
/// If the programs do not do what the scenes need.
#[must_use]
pub fn all() -> Vec<Picture> {
    let world = World::new(3);
    let (ali, modar) = (world.person("Али", &[0, 1]), world.person("Модар", &[1, 2]));
    ali.up();
    modar.up();
    ali.meet(&modar);
    for (number, (from_ali, text)) in TALK.into_iter().enumerate() {
        let (one, other) = if from_ali { (&ali, &modar) } else { (&modar, &ali) };
        one.send_wait(&other.name, text, "delivered");
        if number < READ {
            let _ = other.cli(&["read", &one.name, "--mark"], "").ok();
        }
    }
    ali.online();
    vec![
        Picture {
            name: "chat-tg-45.svg", svg: chat(&ali, "tg", (45, 24), "Якшанбе, 22 ноябри 2026")
        },
        Picture { name: "chat-en-80.svg", svg: chat(&ali, "en", (80, 24), "Sunday, 22 November 2026") },
        Picture { name: "search-ru-80.svg", svg: search(&ali) },
    ]
}

fn open(ali: &Person, lang: &str, (columns, rows): (u16, u16)) -> Terminal {
    let mut command = ali.command();
    command.args(["--lang", lang]);
    let screen = Terminal::open(&command, columns, rows);
    screen.shows("Модар");
    screen.settle();
    screen
}

fn chat(ali: &Person, lang: &str, size: (u16, u16), date: &str) -> String {
    let mut screen = open(ali, lang, size);
    screen.press("Enter");
    screen.shows("меоӣ");
    screen.type_text("Моҳи оянда, насиб бошад");
    screen.shows("насиб бошад");
    screen.settle();
    let today = today(&screen);
    let picture = picture::svg(&screen.screen(), "Karvon", &[(today, date.to_owned())]);
    screen.press("^U");
    screen.settle();
    picture
}

/// The date line as it stands on the screen.
fn today(screen: &Terminal) -> String {
    let rows = screen.rows();
    let rule = |row: &&String| row.contains(" 20") && row.contains("──");
    let row = rows.iter().find(rule).expect("a date line is on the screen");
    let words = row.rsplit('│').next().unwrap_or(row);
    words.trim_matches(['─', ' ']).to_owned()
}

fn search(ali: &Person) -> String {
    let mut screen = open(ali, "ru", (80, 24));
    screen.press("^F");
    screen.settle();
    screen.type_text("pul");
    let narrowed = |text: &str| text.contains("> pul") && text.contains("гирифтам");
    screen.shows_that("only messages with the word are there", |text| {
        narrowed(text) && !text.contains("Писарам")
    });
    screen.settle();
    let mut dates = Vec::new();
    // A row of the search has the day as 22.11 before the time.
    if let Some(day) = screen.rows().iter().find(|row| row.contains("Пул")).and_then(|row| day_of(row)) {
        dates.push((day, "22.11".to_owned()));
    }
    picture::svg(&screen.screen(), "Karvon", &dates)
}

fn day_of(row: &str) -> Option<String> {
    row.split_whitespace()
        .find(|word| word.len() == 5 && word.as_bytes().get(2) == Some(&b'.'))
        .map(str::to_owned)
}
