//! The two calls of BoringSSL that its wrapper leaves out. The one file of this crate with `unsafe` in it.
#![allow(unsafe_code)]

use btls::ssl::{SslContextBuilder, SslRef};
use foreign_types_shared::ForeignTypeRef as _;

/// Makes every connection of `context` ask for a certificate of one of `ids` (extension 51764, as lengths and names).
/// `false` if there was no memory for it or a length is wrong.
pub(super) fn request(context: &mut SslContextBuilder, ids: &[u8]) -> bool {
    // SAFETY: `as_ptr` is the live context that the builder owns, borrowed mutably here, and not yet shared with any connection.
    // The call reads `ids.len()` bytes at `ids` and copies them before it returns.
    let done =
        unsafe { btls_sys::SSL_CTX_set1_requested_trust_anchors(context.as_ptr(), ids.as_ptr(), ids.len()) };
    done == 1
}

/// The scheme by which the other side signed its handshake; 0 if it did not.
pub(super) fn signed_by(connection: &SslRef) -> u16 {
    // SAFETY: `as_ptr` is the live connection that the reference stands for; the call only reads a field of it.
    unsafe { btls_sys::SSL_get_peer_signature_algorithm(connection.as_ptr()) }
}
