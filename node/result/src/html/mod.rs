//! `report.html`: the report for people. One file that asks for nothing else: no script, no font,
//! no picture from elsewhere. All that comes from the bucket is escaped.

mod page;
mod parts;
#[cfg(test)]
mod tests;

pub use page::{Look, report_html};
pub(crate) use parts::{Cell, write_facts, write_foot, write_head, write_table};
