//! `report.html`: the report for people. One file that asks for nothing else: no script, no font,
//! no picture from elsewhere. All that comes from the bucket is escaped.

mod page;
#[cfg(test)]
mod tests;

pub use page::{Look, report_html};
