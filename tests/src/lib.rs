//! Helpers shared by the guest tests.
