//! `report.html`: the report for people. One file that asks for nothing else: no script, no font,
//! no picture from elsewhere. All that comes from the bucket is escaped.

mod chart;
mod figures;
mod page;
mod parts;
mod style;
#[cfg(test)]
mod tests;

pub(crate) use chart::{Chart, curve_mark, rect_mark};
pub use figures::{Figures, figures};
pub use page::{Example, Look, report_html};
pub(crate) use parts::{Cell, write_facts, write_foot, write_head, write_table};
