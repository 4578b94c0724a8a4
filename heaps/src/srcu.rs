//! A sleepable RCU.
