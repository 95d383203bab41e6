//! Results: JSON lines while a run goes on, a summary at its end, and tables and pictures from many of them.

mod figures;
mod read;
mod svg;
mod table;

pub use figures::{Figures, Head, Outcome, percentile};
pub use read::{ReadError, Run, read};
pub use svg::write_pictures;
pub use table::table;
