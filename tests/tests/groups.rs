//! Groups end to end: real programs, from founding to removal, with people who do not know one another.
#![cfg(unix)]

use karvon_tests::person::Person;
use karvon_tests::until::until;
use karvon_tests::world::World;
use serde_json::Value;

fn groups(person: &Person) -> Vec<Value> {
    person.cli(&["group", "list", "--json"], "").ok().json()
}

fn standing(person: &Person, name: &str) -> Option<String> {
    let groups = groups(person);
    let group = groups.iter().find(|group| group["name"] == name)?;
    group["standing"].as_str().map(str::to_owned)
}

/// `owner` invites `who` into a group; waits until both see the new member.
fn bring(owner: &Person, group: &str, who: &Person) {
    let _ = owner.cli(&["group", "invite", group, &who.name, "--json"], "").ok();
    until("the invitation is there", || (standing(who, group)? == "invited").then_some(()));
    let _ = who.cli(&["group", "accept", group, "--json"], "").ok();
    until("the newcomer is in", || (standing(who, group)? == "in").then_some(()));
}

fn texts(person: &Person, group: &str) -> Vec<String> {
    let messages = person.cli(&["read", group, "--json"], "").ok().json();
    messages.iter().filter_map(|message| message["text"].as_str().map(str::to_owned)).collect()
}

#[test]
fn a_group_of_three_talks_and_whoever_is_removed_reads_no_more() {
    // Bob and Zarina know Ali, not each other.
    let (world, ali, bob) = World::of_two_friends();
    let zarina = world.person("Zarina", &[1, 2]);
    zarina.up();
    zarina.meet(&ali);
    let founded = ali.cli(&["group", "create", "Brigade", "--json"], "").ok().json();
    assert_eq!((founded[0]["name"].as_str(), founded[0]["role"].as_str()), (Some("Brigade"), Some("owner")));
    bring(&ali, "Brigade", &bob);
    bring(&ali, "Brigade", &zarina);

    for (person, text) in [(&ali, "Пагоҳ соати 7"), (&bob, "Хуб"), (&zarina, "ман ҳам")] {
        let wait = ["send", "Brigade", text, "--wait", "delivered", "--timeout", "30s", "--json"];
        let sent = person.cli(&wait, "").ok().json();
        assert_eq!(
            (&sent[0]["state"], &sent[0]["delivered"], &sent[0]["of"]),
            (&"delivered".into(), &2.into(), &2.into())
        );
    }
    for person in [&ali, &bob, &zarina] {
        assert_eq!(texts(person, "Brigade"), ["Пагоҳ соати 7", "Хуб", "ман ҳам"], "{}", person.name);
    }
    assert!(ali.read("Bob").is_empty(), "letters about a group are no messages of a contact");
    // The verbs of conversations take ids of groups' messages.
    let messages = zarina.cli(&["read", "Brigade", "--json"], "").ok().json();
    let id = |at: usize| messages[at]["id"].as_str().expect("an id").to_owned();
    let _ = zarina.cli(&["reply", &id(0), "Дар куҷо?", "--json"], "").ok();
    let _ = zarina.cli(&["react", &id(0), "👍", "--json"], "").ok();
    let _ = ali.cli(&["edit", &id(0), "Пагоҳ соати 8", "--json"], "").ok();
    let _ = bob.cli(&["delete", &id(1), "--json"], "").ok();
    let refused = bob.cli(&["edit", &id(0), "No", "--json"], "");
    assert_eq!(refused.error_code(), "not_yours");
    for person in [&ali, &bob, &zarina] {
        until("everybody sees what became of the messages", || {
            let now = person.cli(&["read", "Brigade", "--json"], "").ok().json();
            let (first, second, last) = (now.first()?, now.get(1)?, now.get(3)?);
            let edited = first["text"] == "Пагоҳ соати 8" && first["edited"] == true;
            let signed = first["reactions"][0]["emoji"] == "👍" && first["reactions"][0]["from"] == "Zarina";
            let deleted = second["deleted"] == true && second["text"].is_null();
            let answers = last["text"] == "Дар куҷо?" && last["reply_to"] == id(0);
            (edited && signed && deleted && answers).then_some(())
        });
    }
    let page = bob.cli(&["read", "Brigade"], "").ok().stdout;
    assert!(page.contains("(edited) [👍 Zarina]") && page.contains("(deleted)"), "{page}");
    // A file, and how it looks to somebody who only reaches others through Ali.
    let (file, bytes) = (world.place().path("plan.bin"), vec![7_u8; 46_080]);
    std::fs::write(&file, &bytes).expect("written");
    let sent = ["send", "Brigade", "--file", file.to_str().expect("a path"), "--wait", "delivered", "--json"];
    let sent = bob.cli(&sent, "").ok().json();
    let (id, folder) = (sent[0]["id"].as_str().expect("an id"), world.place().path("saved"));
    std::fs::create_dir(&folder).expect("made");
    let _ = zarina.cli(&["save", id, "--to", folder.to_str().expect("a path"), "--json"], "").ok();
    assert_eq!(std::fs::read(folder.join("plan.bin")).expect("saved"), bytes);
    // Messages disappear a while after they were seen.
    let _ = ali.cli(&["group", "timer", "Brigade", "5s", "--json"], "").ok();
    until("the timer is known", || (groups(&bob)[0]["timer_s"] == 5).then_some(()));
    let _ = bob.cli(&["send", "Brigade", "soon gone", "--wait", "delivered", "--json"], "").ok();
    let _ = ali.cli(&["group", "timer", "Brigade", "off", "--json"], "").ok();
    for person in [&ali, &zarina] {
        let _ = person.cli(&["read", "Brigade", "--mark", "--json"], "").ok();
    }
    for person in [&ali, &bob, &zarina] {
        until("it disappears", || {
            (!texts(person, "Brigade").contains(&"soon gone".to_owned())).then_some(())
        });
    }
    let members = bob.cli(&["group", "members", "Brigade", "--json"], "").ok().json();
    let confirmed = |name: &str| {
        let member = members.iter().find(|member| member["name"] == name).expect("a member");
        !member["contact"].is_null()
    };
    assert_eq!((members.len(), confirmed("Ali"), confirmed("Zarina")), (3, true, false));

    let _ = ali.cli(&["group", "rename", "Brigade", "Корвон", "--json"], "").ok();
    let _ = ali.cli(&["group", "remove", "Корвон", "Bob", "--json"], "").ok();
    until("Bob is told", || (standing(&bob, "Корвон")? == "out").then_some(()));
    let _ = zarina.cli(&["send", "Корвон", "after Bob", "--wait", "delivered", "--json"], "").ok();
    assert_eq!(texts(&ali, "Корвон").last().map(String::as_str), Some("after Bob"));
    assert_eq!(texts(&bob, "Корвон").len(), 3, "nothing later came to Bob, and one is deleted");
    let refused = bob.cli(&["send", "Корвон", "me too", "--json"], "");
    assert_eq!(refused.error_code(), "not_member");
}

#[test]
fn a_member_who_was_away_gets_everything_and_a_killed_node_forgets_no_group() {
    let (_world, ali, bob) = World::of_two_friends();
    let _ = ali.cli(&["group", "create", "Two", "--json"], "").ok();
    bring(&ali, "Two", &bob);
    bob.kill9();
    let lines: Vec<_> = (0..40).map(|n| format!("line {n}")).collect();
    let sent = ali.cli(&["send", "Two", "--batch", "--wait", "stored", "--json"], &(lines.join("\n") + "\n"));
    assert_eq!(sent.ok().json().len(), 40);
    ali.kill9();
    bob.up();
    until("Bob has everything", || (texts(&bob, "Two").len() == 40).then_some(()));
    assert_eq!(texts(&bob, "Two"), lines);
    ali.up();
    until("Ali learns that it is delivered", || {
        let messages = ali.cli(&["read", "Two", "--json"], "").ok().json();
        messages.iter().all(|message| message["state"] == "delivered").then_some(())
    });
    assert_eq!(groups(&ali)[0]["members"], 2);
}

#[test]
fn a_stranger_joins_by_a_link_once_and_talks_with_everybody() {
    let (world, ali, bob) = World::of_two_friends();
    let zarina = world.person("Zarina", &[1, 2]);
    zarina.up();
    let _ = ali.cli(&["group", "create", "Brigade", "--json"], "").ok();
    bring(&ali, "Brigade", &bob);
    assert_eq!(bob.cli(&["group", "link", "Brigade", "--json"], "").error_code(), "not_allowed");
    let made = ali.cli(&["group", "link", "Brigade", "--json"], "").ok().json();
    let link = made[0]["link"].as_str().expect("a link").to_owned();
    // Bent, it changes nothing; in small letters and broken, as messengers hand it on, it works.
    let bent = zarina.cli(&["group", "join", "--json"], &format!("{}\n", link.replacen(':', ":A", 1)));
    assert_eq!(bent.error_code(), "link_damaged");
    let (one, other) = link.split_at(40);
    let broken = format!("{}\n{}\n", one.to_lowercase(), other);
    let _ = zarina.cli(&["group", "join", "--name", "Ali", "--json"], &broken).ok();
    until("Zarina is in", || (standing(&zarina, "Brigade")? == "in").then_some(()));
    let wait = ["send", "Brigade", "салом", "--wait", "delivered", "--timeout", "30s", "--json"];
    assert_eq!(zarina.cli(&wait, "").ok().json()[0]["of"], 2);
    assert_eq!(texts(&bob, "Brigade"), ["салом"]);
    // Ali is a contact of hers now; the link lets nobody else in.
    let _ = zarina.cli(&["send", "Ali", "it is me", "--wait", "delivered", "--json"], "").ok();
    let karim = world.person("Karim", &[0, 1]);
    karim.up();
    let _ = karim.cli(&["group", "join", "--json"], &format!("{link}\n")).ok();
    until("Karim is told that it is used", || (groups(&karim)[0]["standing"] == "out").then_some(()));
    assert_eq!(groups(&ali)[0]["members"], 3);
}
