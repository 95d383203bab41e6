//! Veil: one long byte stream over many short carriers, so that whatever cuts, freezes or counts carriers is invisible above (DESIGN N1).
//!
//! Nothing here does input or output. [`session`] holds a stream together: what was not acknowledged goes out again on the next carrier.
//! [`frame`] is what travels on a carrier, padded to four sizes. [`tokens`] are the single-use words by which a carrier continues a
//! session. [`pacer`] says when the next carrier may be dialled,
//! [`allowance`] how much it may bring. [`path`] is the web path by which a carrier shows that it may come in.

pub mod allowance;
pub mod frame;
pub mod pacer;
pub mod path;
pub mod session;
pub mod tokens;
