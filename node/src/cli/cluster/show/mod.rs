//! What the cluster says, as people and programs read it: functions of messages alone.

pub mod cluster;
pub mod ended;
pub mod explain;
pub mod founded;
pub mod health;
pub mod job;
pub mod node;
pub mod overdue;
pub mod person;
pub mod row;
pub mod table;
pub mod task;
pub mod token;
