//! Inputs that live in files: made once, read by every lane.

pub mod access_log;
pub mod file_list;
