//! Log lines on standard error, for nodes in the foreground; people's programs write none unless asked by `KARVON_LOG`.

use tracing_subscriber::EnvFilter;

/// Environment variable with a filter like `info` or `karvon_node=debug`.
pub const VARIABLE: &str = "KARVON_LOG";

/// Writes log lines that pass the filter in [`VARIABLE`], or else `default`; without either, none. Only the first call counts.
pub fn to_stderr(default: Option<&str>) {
    let wanted = EnvFilter::try_from_env(VARIABLE).ok().or_else(|| default.map(EnvFilter::new));
    if let Some(filter) = wanted {
        let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
    }
}
