//! System calls by subject. Each is a function of what the caller has and the call's arguments.
