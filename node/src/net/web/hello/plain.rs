//! The default build's client: rustls, whose hello is its own and is said to be that (README, "What a censor sees").

use super::super::tls::{self, provider};
use super::{OFFERED, Opened, Wanted};
use crate::net::veil::Io;
use rustls::ClientConfig;
use rustls::client::Resumption;
use std::io;
use std::sync::Arc;
use tokio_rustls::TlsConnector;

/// Opens TLS over `under`.
///
/// # Errors
/// What broke the connection, or, within it, rustls's reason to refuse the other side.
pub(in crate::net::web) async fn connect(wanted: Wanted, under: impl Io + 'static) -> io::Result<Opened> {
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let builder = builder.map_err(io::Error::other)?.dangerous();
    let mut config = builder.with_custom_certificate_verifier(wanted.verifier).with_no_client_auth();
    config.alpn_protocols = OFFERED.iter().map(|name| name.to_vec()).collect();
    // A resumed session would link one carrier to the next for whoever looks on.
    config.resumption = Resumption::disabled();
    let stream = TlsConnector::from(Arc::new(config)).connect(wanted.name, under).await?;
    let connection = stream.get_ref().1;
    Ok(Opened {
        alpn: connection.alpn_protocol().map(<[u8]>::to_vec),
        binding: tls::binding(connection),
        stream: Box::new(stream),
    })
}
