//! From observations to a verdict. Nothing here makes a system call: the same observations give the same
//! verdict on the guest and in the host's unit tests.

pub mod counts;
pub mod json;
pub mod observation;
pub mod record;
pub mod report;
pub mod verdict;

pub use counts::Counts;
pub use observation::{Conclusion, Observation};
pub use report::Report;
pub use verdict::{Ended, Judgement, Verdict, judge};
