//! Everything done to text before it is drawn or after it is typed.

pub mod sanitize;
