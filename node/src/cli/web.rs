//! The arguments of a relay's web door, and the files they name.

use clap::Args;
use karvon_node::net::{Site, WebIdentity};
use karvon_node::relay_options::WebDoor;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Files and folders of a site that are looked at.
const FILES_MAX: usize = 1_000;

/// A door that looks like a web site.
#[derive(Debug, Args)]
pub(super) struct Web {
    /// Where the web door listens: a web site to everybody without a door of yours; port 443 looks best
    #[arg(long, value_name = "IP:PORT")]
    listen_web: Option<SocketAddr>,
    /// The address that doors name, if people reach the web door by another one: behind a router or another web server
    #[arg(long, value_name = "IP:PORT", requires = "listen_web")]
    web_announce: Option<SocketAddr>,
    /// The site's domain; needs its certificate. Without it the relay looks like a box at home with a certificate of its own
    #[arg(long, value_name = "DOMAIN", requires = "listen_web")]
    web_name: Option<String>,
    /// Another web server on this machine (nginx, Caddy) opens TLS and passes on what it has no page for, as docs/web-doors.md shows
    #[arg(long, requires_all = ["listen_web", "web_name", "web_announce"], conflicts_with_all = ["web_cert", "site"])]
    web_behind: bool,
    /// The certificate chain in PEM form, as your certificate authority's program leaves it
    #[arg(long, value_name = "FILE", requires = "web_key")]
    web_cert: Option<PathBuf>,
    /// The certificate's private key in PEM form
    #[arg(long, value_name = "FILE", requires = "web_cert")]
    web_key: Option<PathBuf>,
    /// A folder with the pages that visitors see, with an index.html and perhaps a 404.html
    #[arg(long, value_name = "DIR", requires = "listen_web")]
    site: Option<PathBuf>,
}

impl Web {
    /// The web door, if one is asked for; `only` if there is no plain door.
    ///
    /// # Errors
    /// What is wrong with a file.
    pub(super) fn door(self, only: bool) -> Result<Option<WebDoor>, String> {
        let Some(listen) = self.listen_web else { return Ok(None) };
        let read = |path: &Path| fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
        let identity = match (&self.web_cert, &self.web_key) {
            (Some(chain), Some(key)) => {
                let (chain, key) = (read(chain)?, Zeroizing::new(read(key)?));
                Some(WebIdentity::from_pem(&chain, &key)?)
            }
            _ if self.web_name.is_some() && !self.web_behind => {
                return Err("--web-name needs --web-cert and --web-key, or --web-behind".to_owned());
            }
            _ => None,
        };
        let site = match &self.site {
            Some(folder) => {
                let files = files(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
                Some(Site::of_files(files).map_err(|error| format!("{}: {error}", folder.display()))?)
            }
            None => None,
        };
        let name = self.web_name.map(|name| name.to_ascii_lowercase());
        Ok(Some(WebDoor {
            listen,
            announce: self.web_announce,
            name,
            identity,
            behind: self.web_behind,
            site,
            only,
        }))
    }
}

/// All files below `root` with their paths, `/` between parts; names that begin with a dot are left out.
fn files(root: &Path) -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let (mut out, mut folders) = (Vec::new(), vec![(root.to_owned(), String::new())]);
    while let Some((folder, prefix)) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with('.') {
                continue;
            }
            if out.len() + folders.len() >= FILES_MAX {
                return Err(std::io::Error::other("too many files for a site"));
            }
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push((entry.path(), format!("{prefix}{name}/")));
            } else if kind.is_file() {
                out.push((format!("{prefix}{name}"), fs::read(entry.path())?));
            }
        }
    }
    Ok(out)
}
