//! What tells the counted disciplines apart.

use super::Discipline;

/// The rules of one counted discipline.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Rules {
    /// Unregistering is refused.
    pub immortal: bool,
    /// Open takes a reference, unless the count is zero (the review's point 1).
    pub get_on_open: bool,
    /// The file's release gives it back (point 2).
    pub put_on_close: bool,
    /// Every reference pins the provider, and buffers hold a reference (point 3).
    pub pin_provider: bool,
    /// How unregistering keeps calls from the provider (the alternative to point 3).
    pub revoke: Revoke,
}

/// What stands between a call and the provider's operations.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Revoke {
    /// Nothing.
    Never,
    /// A sleeping reader-writer lock per heap.
    Rwlock,
    /// A sleepable RCU per heap.
    Rcu,
}

const NONE: Rules = Rules {
    immortal: false,
    get_on_open: false,
    put_on_close: false,
    pin_provider: false,
    revoke: Revoke::Never,
};
const UPSTREAM: Rules = Rules { immortal: true, ..NONE };
const KREF: Rules = NONE;
const KREF_OPEN: Rules = Rules { get_on_open: true, ..KREF };
const KREF_OPEN_CLOSE: Rules = Rules { put_on_close: true, ..KREF_OPEN };
const KREF_FULL: Rules = Rules { pin_provider: true, ..KREF_OPEN_CLOSE };
const REVOKE_RWLOCK: Rules = Rules { revoke: Revoke::Rwlock, ..KREF_OPEN_CLOSE };
const REVOKE_RCU: Rules = Rules { revoke: Revoke::Rcu, ..KREF_OPEN_CLOSE };

impl Discipline {
    /// The rules of a counted discipline; `None` for the one that is not.
    pub(crate) const fn rules(self) -> Option<&'static Rules> {
        match self {
            Discipline::Upstream => Some(&UPSTREAM),
            Discipline::Kref => Some(&KREF),
            Discipline::KrefOpen => Some(&KREF_OPEN),
            Discipline::KrefOpenClose => Some(&KREF_OPEN_CLOSE),
            Discipline::KrefFull => Some(&KREF_FULL),
            Discipline::RevokeRwlock => Some(&REVOKE_RWLOCK),
            Discipline::RevokeRcu => Some(&REVOKE_RCU),
            Discipline::Lastref => None,
        }
    }
}
