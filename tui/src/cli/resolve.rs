//! Finds the contact that a person means by a name or the beginning of one.

use super::failure::Failure;
use crate::text::one_line;
use karvon_node::api::Contact;

/// How many names an error lists.
const CANDIDATES_MAX: usize = 10;

/// The contact whose name is `who`, whatever the case of its letters; else the only one whose name begins so. `#3` is the contact
/// with that number.
///
/// # Errors
/// `no_such_contact`, or `ambiguous` with the candidates.
pub fn resolve<'a>(contacts: &'a [Contact], who: &str) -> Result<&'a Contact, Failure> {
    let wanted = who.trim().to_lowercase();
    if let Some(number) = wanted.strip_prefix('#').and_then(|digits| digits.parse::<u32>().ok()) {
        return contacts.iter().find(|contact| contact.contact == number).ok_or_else(|| nobody(contacts));
    }
    if wanted.is_empty() {
        return Err(nobody(contacts));
    }
    let by = |fits: fn(&str, &str) -> bool| -> Vec<&Contact> {
        contacts.iter().filter(|contact| fits(contact.name.trim().to_lowercase().as_str(), &wanted)).collect()
    };
    let same = by(|name, wanted| name == wanted);
    let found = if same.is_empty() { by(|name, wanted| name.starts_with(wanted)) } else { same };
    match found.as_slice() {
        [] => Err(nobody(contacts)),
        [one] => Ok(one),
        several => {
            let text = "several contacts match: write more of the name, or the number with #";
            Err(Failure { candidates: names(several.iter().copied()), ..Failure::new("ambiguous", text) })
        }
    }
}

fn nobody(contacts: &[Contact]) -> Failure {
    let text = if contacts.is_empty() {
        "you have no contacts yet: add one with `karvon add`"
    } else {
        "nobody in your contacts has this name"
    };
    Failure { candidates: names(contacts.iter()), ..Failure::new("no_such_contact", text) }
}

fn names<'a>(contacts: impl Iterator<Item = &'a Contact>) -> Vec<String> {
    contacts.take(CANDIDATES_MAX).map(label).collect()
}

/// A contact's name for a line of text, with its number.
#[must_use]
pub fn label(contact: &Contact) -> String {
    format!("{} (#{})", one_line(&contact.name), contact.contact)
}

#[cfg(test)]
mod tests {
    use super::*;
    use karvon_node::api::Meeting;

    fn people(names: &[&str]) -> Vec<Contact> {
        let contact = |(number, name): (u32, &&str)| Contact {
            contact: number,
            name: (*name).to_owned(),
            meeting: Meeting::Connected,
            fingerprint: String::new(),
            unread: 0,
            ..Contact::default()
        };
        (1..).zip(names).map(contact).collect()
    }

    #[test]
    fn a_unique_beginning_is_enough_in_any_case_and_alphabet() {
        let people = people(&["Ali", "Bob", "Дӯстон", "Ҷамшед"]);
        for (who, number) in
            [("Ali", 1), ("ali", 1), ("B", 2), ("дӯ", 3), ("ҶАМ", 4), (" bob ", 2), ("#3", 3)]
        {
            assert_eq!(resolve(&people, who).unwrap().contact, number, "{who}");
        }
    }

    #[test]
    fn a_whole_name_wins_over_longer_ones() {
        assert_eq!(resolve(&people(&["Alisher", "Ali"]), "ali").unwrap().contact, 2);
    }

    #[test]
    fn several_candidates_are_named_and_nobody_is_guessed() {
        let failure = resolve(&people(&["Ali\u{1b}[31m", "Alisher", "Bob"]), "al").unwrap_err();
        assert_eq!((failure.code.as_str(), failure.exit()), ("ambiguous", 5));
        assert_eq!(failure.candidates, ["Ali (#1)", "Alisher (#2)"]);
        let twins = resolve(&people(&["Ali", "ali"]), "Ali").unwrap_err();
        assert_eq!(twins.code, "ambiguous");
    }

    #[test]
    fn nobody_is_nobody() {
        for who in ["Zafar", "", "#9", "#x"] {
            assert_eq!(resolve(&people(&["Ali"]), who).unwrap_err().exit(), 5, "{who:?}");
        }
        assert!(resolve(&[], "Ali").unwrap_err().message.contains("karvon add"));
    }
}
