//! What the cluster says, as people and programs read it: functions of messages alone.

pub(crate) mod cluster;
pub(crate) mod ended;
pub(crate) mod explain;
pub(crate) mod founded;
pub(crate) mod health;
pub(crate) mod job;
pub(crate) mod node;
pub(crate) mod overdue;
pub(crate) mod person;
pub(crate) mod row;
pub(crate) mod table;
pub(crate) mod task;
pub(crate) mod token;
