//! The pictures in the documents show what the program draws today.
#![cfg(unix)]

use karvon_tests::scenes::{FOLDER, all};
use std::path::Path;

#[test]
fn every_picture_is_what_the_real_program_draws() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(FOLDER);
    for picture in all() {
        let kept = std::fs::read_to_string(folder.join(picture.name)).unwrap_or_default();
        let differs = kept.lines().zip(picture.svg.lines()).find(|(kept, drawn)| kept != drawn);
        assert!(
            kept == picture.svg,
            "{} is out of date: make it anew with `cargo run -p karvon-tests --bin karvon-pictures`\n{differs:?}",
            picture.name
        );
    }
}
