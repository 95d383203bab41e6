//! The screen as people use it: the real program in a pseudo-terminal, with real relays and a friend's real node.
#![cfg(unix)]

use karvon_tests::person::Person;
use karvon_tests::terminal::Terminal;
use karvon_tests::until::until;
use karvon_tests::world::World;
use std::process::Command;

/// `karvon` for somebody who has no profile yet.
fn newcomer(world: &World) -> (Command, std::path::PathBuf) {
    let dir = world.place().path("newcomer");
    let mut command = world.place().command(&karvon_tests::binaries::binaries().karvon);
    command.arg("--data-dir").arg(&dir);
    (command, dir)
}

fn screen_of(person: &Person, columns: u16, rows: u16) -> Terminal {
    Terminal::open(&person.command(), columns, rows)
}

#[test]
fn from_the_first_start_to_a_delivered_message_takes_at_most_twelve_key_presses() {
    let world = World::new(2);
    let friend = world.person("Модар", &[0, 1]);
    friend.up();
    friend.online();
    let invitation = friend.invite();
    let (mut command, dir) = newcomer(&world);
    command.args(["--lang", "tg"]);
    let mut screen = Terminal::open(&command, 45, 24);
    screen.shows("Тоҷикӣ");
    screen.press("Enter");
    screen.shows("Номе, ки");
    screen.type_text("Али");
    screen.press("Enter");
    screen.shows("қулф");
    screen.press("Down");
    screen.press("Enter");
    screen.shows("Чӣ тавр пайваст");
    screen.paste(&invitation);
    screen.press("Enter");
    screen.shows_that("the friend is in the list", |text| text.contains("кушодан"));
    screen.press("Enter");
    screen.shows("Esc бозгашт");
    screen.type_text("Салом, модарҷон!");
    screen.press("Enter");
    screen.shows_that("the message is delivered", |text| {
        text.contains("Салом, модарҷон!") && text.contains('✓')
    });
    assert!(screen.presses <= 12, "{} presses", screen.presses);
    friend.receives("Али", std::time::Duration::from_secs(60), |texts| texts == ["Салом, модарҷон!"]);
    screen.press("^Q");
    assert_eq!(screen.ends(), 0);
    assert!(dir.join("config.toml").exists());
}

#[test]
fn what_people_do_every_day_works_in_a_terminal_of_80_columns() {
    let world = World::new(2);
    let (ali, modar) = (world.person("Али", &[0, 1]), world.person("Модар", &[1, 0]));
    ali.up();
    modar.up();
    ali.meet(&modar);
    modar.send_wait("Али", "Писарам, пулро гирифтам", "delivered");
    modar.send_wait("Али", "Кай меоӣ?", "delivered");
    let mut command = ali.command();
    command.args(["--lang", "en"]);
    let mut screen = Terminal::open(&command, 80, 24);
    // The list shows two unread messages; the next unread conversation is one key away, also on a Cyrillic layout.
    screen.shows("Модар");
    screen.press("^G");
    screen.shows("2 new");
    screen.shows("Кай меоӣ?");
    // Reply on two lines.
    screen.type_text("Пагоҳ");
    screen.press("Alt-Enter");
    screen.type_text("меоям");
    screen.press("Enter");
    screen.shows_that("the reply is delivered", |text| {
        text.lines().any(|row| row.contains("меоям") && row.contains('✓'))
    });
    modar.receives("Али", std::time::Duration::from_secs(60), |texts| texts == ["Пагоҳ\nмеоям"]);
    // What arrives is shown.
    modar.send("Али", "Мунтазирам");
    screen.shows("Мунтазирам");
    // Its way.
    screen.press_each(&["Up", "Up", "Enter", "i"]);
    screen.shows("on the disk of the other side's device");
    screen.press_each(&["Esc", "Esc"]);
    // Search in the other alphabet, and go there.
    screen.press("^F");
    screen.shows("Search in all messages");
    screen.type_text("pul");
    screen.press("Enter");
    screen.shows_that("the conversation is back", |text| text.contains("Enter actions"));
    screen.press_each(&["Esc", "Esc"]);
    // The doctor.
    screen.press("^R");
    screen.shows("Everything works");
    screen.press_each(&["Esc"]);
    // An invitation, as a square and as a line.
    screen.press("^Y");
    screen.shows("KARVON:");
    screen.shows("▀");
    screen.press_each(&["Esc"]);
    // A setting is kept for the next start.
    screen.press("^P");
    screen.shows("Language");
    screen.press("Right");
    screen.shows("Тоҷикӣ");
    until("the setting is saved", || {
        let config = std::fs::read_to_string(ali.data_dir().join("config.toml")).ok()?;
        config.contains("lang = \"tg\"").then_some(())
    });
    screen.press_each(&["Esc"]);
    screen.settle();
    screen.press("^Q");
    assert_eq!(screen.ends(), 0);
    assert!(ali.pid().is_some(), "the node in the background goes on");
}

#[test]
fn a_terminal_that_is_closed_loses_nothing_and_a_second_start_attaches() {
    let world = World::new(2);
    let (ali, modar) = (world.person("Али", &[0, 1]), world.person("Модар", &[1, 0]));
    ali.up();
    modar.up();
    ali.meet(&modar);
    let mut first = screen_of(&ali, 80, 24);
    let mut second = screen_of(&ali, 45, 24);
    first.shows("Модар");
    second.shows("Модар");
    first.press("Enter");
    first.shows("Esc");
    first.type_text("before the end");
    first.press("Enter");
    first.shows("before the end");
    drop(first);
    modar.receives("Али", std::time::Duration::from_secs(60), |texts| texts == ["before the end"]);
    second.press("Enter");
    second.shows("before the end");
    // Sizes down to what can not be used, and back.
    for (columns, rows) in [(10, 3), (200, 60), (1, 1), (40, 20), (100, 30), (45, 24)] {
        second.resize(columns, rows);
        second.settle();
    }
    second.shows("before the end");
    second.press("^Q");
    assert_eq!(second.ends(), 0);
}

/// The window is closed: the terminal itself goes away. `script` (util-linux) holds it, and is killed.
#[cfg(target_os = "linux")]
#[test]
fn a_window_that_is_closed_ends_the_program_in_order() {
    let world = World::new(1);
    let (place, karvon) = (world.place(), &karvon_tests::binaries::binaries().karvon);
    let (temporary, noted) = (place.path("tmp"), place.path("pid"));
    std::fs::create_dir(&temporary).expect("a folder can be made");
    let program = format!(
        "echo $$ > {}; stty rows 24 columns 80; exec {} demo --lang en",
        noted.display(),
        karvon.display()
    );
    let mut command = place.command(std::path::Path::new("script"));
    command.args(["-qfc", &program, "/dev/null"]).env("TMPDIR", &temporary).env("TERM", "xterm");
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut window = command.spawn().expect("script (util-linux) is there");
    let mut shown = window.stdout.take().expect("it is piped");
    let (tell, told) = std::sync::mpsc::sync_channel(1);
    std::thread::spawn(move || {
        let (mut chunk, mut seen) = ([0; 4_096], Vec::new());
        while let Ok(length @ 1..) = std::io::Read::read(&mut shown, &mut chunk) {
            seen.extend_from_slice(chunk.get(..length).unwrap_or_default());
            if String::from_utf8_lossy(&seen).contains("Kabutar") {
                // Nobody waits any more the second time.
                let _ = tell.try_send(());
            }
        }
    });
    told.recv_timeout(std::time::Duration::from_secs(60)).expect("the demo is on the screen");
    let left = || std::fs::read_dir(&temporary).expect("the folder is there").count();
    assert_eq!(left(), 1, "the demo's folder");
    window.kill().expect("the window is open");
    window.wait().expect("it ends");
    let pid = std::fs::read_to_string(&noted).expect("its number was noted");
    let pid = pid.trim().parse().expect("a number");
    until("the program has ended", || (!karvon_tests::process::alive(pid)).then_some(()));
    assert_eq!(left(), 0, "it ended without tidying up");
}

#[test]
fn a_group_is_made_on_one_screen_joined_on_another_and_its_texts_arrive() {
    let world = World::new(2);
    let (ali, modar) = (world.person("Али", &[0, 1]), world.person("Модар", &[1, 0]));
    ali.up();
    modar.up();
    ali.meet(&modar);
    let english = |person: &Person| {
        let mut command = person.command();
        command.args(["--lang", "en"]);
        Terminal::open(&command, 80, 24)
    };
    let (mut one, mut other) = (english(&ali), english(&modar));
    one.shows("Модар");
    other.shows("Али");
    one.press("^K");
    one.type_text("make a group");
    one.press("Enter");
    one.shows("Name of the group");
    one.type_text("Хона");
    one.press("Enter");
    one.type_text(" ");
    one.shows("[x] Модар");
    one.press("Enter");
    one.shows("Хона (1)");
    // The other side is told, sees who asks, and accepts on a Cyrillic layout.
    other.shows("invites you into a group");
    other.press("^K");
    other.type_text("requests of");
    other.press("Enter");
    other.shows("Али invites you into the group Хона");
    other.type_text("ф");
    other.shows("Хона (2)");
    one.shows("2 members");
    one.type_text("Пагоҳ меоям");
    one.press("Enter");
    one.shows_that("the text is delivered", |text| {
        text.lines().any(|row| row.contains("Пагоҳ меоям") && row.contains('✓'))
    });
    other.shows_that("the list counts it", |text| {
        let mut rows = text.lines().map(|row| row.chars().take(26).collect::<String>());
        rows.any(|row| row.contains("Хона (2)") && row.trim_end().ends_with(" 1"))
    });
    other.press("^G");
    other.shows("Пагоҳ меоям");
    other.type_text("Мунтазирам");
    other.press("Enter");
    one.shows("Мунтазирам");
    // The page of a message says who has it; it is passed on to a person, and found in both places.
    one.press_each(&["Up", "Up", "i"]);
    one.shows("1 of 1 delivered");
    one.shows("✓ Модар, ");
    one.press_each(&["Esc", "f"]);
    one.shows("Forward to");
    one.type_text("модар");
    one.press("Enter");
    one.shows("Forwarded to Модар");
    modar.receives("Али", std::time::Duration::from_secs(60), |texts| texts == ["Пагоҳ меоям"]);
    one.press("^F");
    one.type_text("pagoh");
    one.shows_that("it is found with the person and in the group", |text| {
        let found =
            |place: &str| text.lines().any(|row| row.contains(place) && row.contains("Али: Пагоҳ меоям"));
        text.contains("> pagoh") && found("Модар") && found("Хона")
    });
    one.press("Down");
    one.shows_that("the group's is chosen", |text| text.lines().any(|row| row.starts_with("> Хона")));
    one.press("Enter");
    one.shows_that("the group is open at the message", |text| {
        text.contains("2 members") && text.contains("Enter actions")
    });
    one.press_each(&["Esc"]);
    // Leaving asks first, and is then seen by the one who stays.
    other.press("^D");
    other.shows("Leave the group");
    other.press("l");
    other.shows("Leave Хона?");
    other.press("Enter");
    one.shows("1 member ");
    one.press("^Q");
    other.press("^Q");
    assert_eq!((one.ends(), other.ends()), (0, 0));
}

#[test]
fn a_channel_is_made_on_one_screen_and_read_on_another_by_its_pasted_link() {
    let world = World::new(2);
    let (owner, reader) = (world.person("Радио", &[0, 1]), world.person("Али", &[1, 0]));
    owner.up();
    reader.up();
    let english = |person: &Person| {
        let mut command = person.command();
        command.args(["--lang", "en"]);
        Terminal::open(&command, 80, 24)
    };
    let (mut one, mut other) = (english(&owner), english(&reader));
    one.shows("Nobody here yet");
    other.shows("Nobody here yet");
    one.press("^K");
    one.type_text("make a channel");
    one.press("Enter");
    one.shows("Name of the channel");
    one.type_text("Хабарҳо");
    one.press("Enter");
    one.shows("# Хабарҳо · your channel");
    one.press("^D");
    one.shows("Show its link");
    one.press("Enter");
    one.shows("KARVON-CHANNEL:");
    one.shows("▀");
    one.press_each(&["Esc", "Esc"]);
    one.type_text("Шумораи аввал");
    one.press("Enter");
    one.shows_that("relays have the entry", |text| {
        text.lines().any(|row| row.contains("Шумораи аввал") && row.contains('↑'))
    });
    let told = owner.cli(&["channel", "link", "Хабарҳо", "--json"], "").ok().json();
    other.press("^N");
    other.shows("KARVON-DOOR:");
    other.paste(told[0]["link"].as_str().expect("a link"));
    other.press("Enter");
    other.shows("Шумораи аввал");
    other.shows("# Хабарҳо · read only");
    // What is typed there goes nowhere, and a new entry is shown as it comes.
    other.type_text("ман ҳам");
    one.type_text("Шумораи дуюм");
    one.press("Enter");
    other.shows("Шумораи дуюм");
    assert!(!other.text().contains("ман ҳам"));
    other.press("^D");
    other.shows("Follow it no more");
    other.press("u");
    other.shows("Its entries are removed");
    other.press("Enter");
    other.shows("Nobody here yet");
    one.press("^Q");
    other.press("^Q");
    assert_eq!((one.ends(), other.ends()), (0, 0));
}

#[test]
fn a_locked_profile_opens_with_its_passphrase_only() {
    let world = World::new(1);
    let (mut command, dir) = newcomer(&world);
    command.args(["--lang", "en"]);
    let mut screen = Terminal::open(&command, 80, 24);
    screen.shows("English");
    screen.press("Enter");
    screen.shows("The name your contacts see");
    screen.type_text("Ali");
    screen.press("Enter");
    screen.shows("locked?");
    screen.type_text("six little words");
    screen.press("Enter");
    screen.type_text("six little words");
    screen.press("Enter");
    screen.shows("How do you get connected?");
    screen.press_each(&["Up", "Enter"]);
    screen.shows("No door to the network");
    screen.press("^Q");
    assert_eq!(screen.ends(), 0);
    let mut screen = Terminal::open(&command, 80, 24);
    screen.shows("Passphrase");
    assert!(!screen.text().contains("Ali"), "a locked screen shows no name");
    screen.type_text("five little words");
    screen.press("Enter");
    screen.shows("The passphrase is wrong");
    screen.type_text("six little words");
    screen.press("Enter");
    screen.shows("No door to the network");
    screen.press("^Q");
    assert_eq!(screen.ends(), 0);
    assert!(dir.join("config.toml").exists());
}
