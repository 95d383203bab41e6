//! Makes the pictures of the documents anew from the real programs.
#![forbid(unsafe_code)]

#[cfg(not(unix))]
fn main() {
    eprintln!("pictures are made in a pseudo-terminal");
    std::process::exit(1);
}

#[cfg(unix)]
fn main() -> std::io::Result<()> {
    let folder =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(karvon_tests::scenes::FOLDER);
    std::fs::create_dir_all(&folder)?;
    for picture in karvon_tests::scenes::all() {
        std::fs::write(folder.join(picture.name), picture.svg)?;
        println!("{}", picture.name);
    }
    Ok(())
}
