//! What a web door shows to visitors without a secret: the operator's pages, or the start page of a box at home.

/// A page or file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) kind: &'static str,
    pub(super) body: Vec<u8>,
}

/// A small static site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Path with its slash, and the page.
    pages: Vec<(String, Page)>,
    missing: Page,
}

/// Largest site, bytes.
const SITE_BYTES_MAX: usize = 4 << 20;

impl Default for Site {
    fn default() -> Self {
        Self::of_a_box(&[0; 32])
    }
}

impl Site {
    /// The sign-in page of some box at home. `seed` chooses its words, so that relays do not all show the same bytes.
    #[must_use]
    pub fn of_a_box(seed: &[u8; 32]) -> Self {
        let pick = |at: usize, of: &[&'static str]| {
            let number = seed.get(at).copied().unwrap_or_default();
            of.get(usize::from(number) % of.len().max(1)).copied().unwrap_or_default()
        };
        let what = pick(
            0,
            &["Home Server", "Media Box", "Storage", "Gateway", "Files", "Family Cloud", "Backup", "Photos"],
        );
        let sign_in = pick(1, &["Sign in", "Log in", "Login", "Anmelden", "Connexion", "Welcome"]);
        let user = pick(2, &["User name", "Username", "User", "Account", "E-mail"]);
        let word = pick(3, &["Password", "Passphrase", "PIN"]);
        let colour = u32::from_be_bytes([0, seed[4], seed[5], seed[6]]) & 0x7f_7f7f;
        let (width, space) = (280 + u16::from(seed[7]) % 120, 8 + u16::from(seed[8]) % 24);
        let head = format!(
            "<!DOCTYPE html>\n<html>\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n<title>{what}</title>\n\
             <style>body{{font-family:sans-serif;background:#{colour:06x};color:#fff}}main{{width:{width}px;margin:{space}vh auto}}input{{display:block;width:100%;margin:{space}px 0}}</style>\n</head>\n"
        );
        let index = format!(
            "{head}<body>\n<main>\n<h1>{what}</h1>\n<form method=\"post\" action=\"/\">\n<input name=\"u\" placeholder=\"{user}\">\n\
             <input name=\"p\" type=\"password\" placeholder=\"{word}\">\n<button>{sign_in}</button>\n</form>\n</main>\n</body>\n</html>\n"
        );
        let missing = format!("{head}<body>\n<main>\n<h1>404 Not Found</h1>\n</main>\n</body>\n</html>\n");
        let html = |body: String| Page { kind: "text/html; charset=utf-8", body: body.into_bytes() };
        Self { pages: vec![("/".to_owned(), html(index))], missing: html(missing) }
    }

    /// The operator's own pages: path below the folder, with `/` between its parts, and bytes. `index.html` is also the folder's page,
    /// `404.html` is shown for what is missing.
    ///
    /// # Errors
    /// Why these files are no site.
    pub fn of_files(files: Vec<(String, Vec<u8>)>) -> Result<Self, &'static str> {
        let mut site = Self { pages: Vec::new(), missing: Self::default().missing };
        let mut bytes = 0;
        for (path, body) in files {
            bytes += body.len();
            if bytes > SITE_BYTES_MAX {
                return Err("the site is larger than 4 MiB");
            }
            let page = Page { kind: kind_of(&path), body };
            if path == "404.html" {
                site.missing = page.clone();
            }
            if let Some(folder) = path.strip_suffix("index.html") {
                site.pages.push((format!("/{folder}"), page.clone()));
            }
            site.pages.push((format!("/{path}"), page));
        }
        if site.find("/").is_none() {
            return Err("the site has no index.html");
        }
        Ok(site)
    }

    pub(super) fn find(&self, path: &str) -> Option<&Page> {
        self.pages.iter().find(|(known, _)| known == path).map(|(_, page)| page)
    }

    pub(super) const fn missing(&self) -> &Page {
        &self.missing
    }
}

fn kind_of(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" | "htm" => "text/html; charset=utf-8",
        "css" => "text/css",
        "js" => "text/javascript",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "ico" => "image/x-icon",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_differ_and_say_nothing_of_what_they_are() {
        let sites: Vec<Site> = (0..32).map(|seed| Site::of_a_box(&[seed * 7; 32])).collect();
        for (number, site) in sites.iter().enumerate() {
            let page = site.find("/").unwrap();
            assert!(!String::from_utf8_lossy(&page.body).to_lowercase().contains("karvon"));
            assert!(sites[..number].iter().all(|other| other != site), "site {number} is as another");
        }
    }

    #[test]
    fn an_operators_pages_are_found_under_their_paths() {
        let file = |path: &str| (path.to_owned(), path.as_bytes().to_vec());
        let site =
            Site::of_files(vec![file("index.html"), file("a/index.html"), file("a/b.css"), file("404.html")]);
        let site = site.unwrap();
        assert_eq!(site.find("/").unwrap().body, b"index.html");
        assert_eq!(site.find("/a/").unwrap().body, b"a/index.html");
        assert_eq!(site.find("/a/b.css").unwrap().kind, "text/css");
        assert_eq!((site.find("/a"), site.missing().body.as_slice()), (None, &b"404.html"[..]));
        assert!(Site::of_files(vec![file("a.html")]).is_err());
    }
}
