//! Detection and evidence: reports, backtraces, the leak oracle, in-kernel tests.

pub mod report;
