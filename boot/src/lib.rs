//! The launcher, as a library the tests use too.
