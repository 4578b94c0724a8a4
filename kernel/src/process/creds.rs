//! Who a process acts for: user and group numbers, and capabilities (Linux: `kernel/sys.c`, `kernel/capability.c`,
//! `security/commoncap.c`). The process has them, not each thread, which is what C libraries make of them anyway.
#![forbid(unsafe_code)]

use alloc::sync::Arc;
use alloc::vec::Vec;

use heaps::{Errno, Result};

/// `CAP_SETGID`.
const SETGID: u64 = 1 << 6;
/// `CAP_SETUID`.
const SETUID: u64 = 1 << 7;
/// `CAP_SYS_PTRACE`.
const SYS_PTRACE: u64 = 1 << 19;
/// `CAP_SYS_RESOURCE`.
const SYS_RESOURCE: u64 = 1 << 24;
/// All capabilities of Linux 6.1.
pub const ALL_CAPS: u64 = (1 << 41) - 1;
/// Leaves a number as it is.
const SAME: u32 = u32::MAX;

/// Users or groups.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Users.
    User,
    /// Groups.
    Group,
}

/// The numbers of one kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Ids {
    /// Who it is.
    pub real: u32,
    /// Who it acts for.
    pub effective: u32,
    /// Who it may act for again.
    pub saved: u32,
    /// Whom it accesses files for.
    pub fs: u32,
}

impl Ids {
    fn has(&self, id: u32) -> bool {
        [self.real, self.effective, self.saved].contains(&id)
    }
}

/// All of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Creds {
    /// Users.
    pub user: Ids,
    /// Groups.
    pub group: Ids,
    /// More groups.
    pub groups: Arc<Vec<u32>>,
    /// Capabilities in force.
    pub effective: u64,
    /// Those that can be put in force.
    pub permitted: u64,
    /// Those a program may keep over execve.
    pub inheritable: u64,
    /// Whether those permitted stay when the last user number stops being 0.
    pub keeps_caps: bool,
}

impl Default for Creds {
    /// Root's.
    fn default() -> Creds {
        let (user, group, groups) = (Ids::default(), Ids::default(), Arc::default());
        Creds {
            user,
            group,
            groups,
            effective: ALL_CAPS,
            permitted: ALL_CAPS,
            inheritable: 0,
            keeps_caps: false,
        }
    }
}

impl Creds {
    /// The numbers of a kind.
    pub fn ids(&self, kind: Kind) -> Ids {
        match kind {
            Kind::User => self.user,
            Kind::Group => self.group,
        }
    }

    /// Whether it may exceed and lower limits.
    pub fn may_use_resources(&self) -> bool {
        self.effective & SYS_RESOURCE != 0
    }

    fn may_set(&self, kind: Kind) -> bool {
        self.effective & if kind == Kind::User { SETUID } else { SETGID } != 0
    }

    fn replace(&mut self, kind: Kind, new: Ids) {
        match kind {
            Kind::User => {
                let old = core::mem::replace(&mut self.user, new);
                self.follow_users(old);
            }
            Kind::Group => self.group = new,
        }
    }

    /// Root's capabilities come and go with root's number (Linux: `cap_emulate_setxid`).
    fn follow_users(&mut self, old: Ids) {
        if old.has(0) && !self.user.has(0) && !self.keeps_caps {
            (self.permitted, self.effective) = (0, 0);
        }
        match (old.effective, self.user.effective) {
            (0, 1..) => self.effective = 0,
            (1.., 0) => self.effective = self.permitted,
            _ => {}
        }
    }

    /// `setuid`, `setgid`. `EINVAL`, `EPERM`.
    pub fn set(&mut self, kind: Kind, id: u32) -> Result<()> {
        let old = self.ids(kind);
        if id == SAME {
            return Err(Errno::EINVAL);
        }
        let new = match self.may_set(kind) {
            true => Ids { real: id, effective: id, saved: id, fs: id },
            false if id == old.real || id == old.saved => Ids { effective: id, fs: id, ..old },
            false => return Err(Errno::EPERM),
        };
        self.replace(kind, new);
        Ok(())
    }

    /// `setreuid`, `setregid`. `EPERM`.
    pub fn set_real_effective(&mut self, kind: Kind, real: u32, effective: u32) -> Result<()> {
        let (old, may) = (self.ids(kind), self.may_set(kind));
        let mut new = old;
        if real != SAME {
            if !may && real != old.real && real != old.effective {
                return Err(Errno::EPERM);
            }
            new.real = real;
        }
        if effective != SAME {
            if !may && !old.has(effective) {
                return Err(Errno::EPERM);
            }
            new.effective = effective;
        }
        if real != SAME || (effective != SAME && effective != old.real) {
            new.saved = new.effective;
        }
        new.fs = new.effective;
        self.replace(kind, new);
        Ok(())
    }

    /// `setresuid`, `setresgid`. `EPERM`.
    pub fn set_all(&mut self, kind: Kind, [real, effective, saved]: [u32; 3]) -> Result<()> {
        let (old, may) = (self.ids(kind), self.may_set(kind));
        if !may && [real, effective, saved].iter().any(|&id| id != SAME && !old.has(id)) {
            return Err(Errno::EPERM);
        }
        let or = |id, old| if id == SAME { old } else { id };
        let effective = or(effective, old.effective);
        let new = Ids { real: or(real, old.real), effective, saved: or(saved, old.saved), fs: effective };
        self.replace(kind, new);
        Ok(())
    }

    /// `setfsuid`, `setfsgid`: returns what it was; what it must not be it does not become.
    pub fn set_fs(&mut self, kind: Kind, id: u32) -> u32 {
        let old = self.ids(kind);
        if id != SAME && (self.may_set(kind) || old.has(id) || old.fs == id) {
            match kind {
                Kind::User => self.user.fs = id,
                Kind::Group => self.group.fs = id,
            }
        }
        old.fs
    }

    /// `setgroups`. `EPERM`.
    pub fn set_groups(&mut self, groups: Arc<Vec<u32>>) -> Result<()> {
        if !self.may_set(Kind::Group) {
            return Err(Errno::EPERM);
        }
        self.groups = groups;
        Ok(())
    }

    /// `capset`. `EPERM` for what is not permitted.
    pub fn set_caps(&mut self, effective: u64, permitted: u64, inheritable: u64) -> Result<()> {
        let may_inherit = self.inheritable | self.permitted;
        if permitted & !self.permitted != 0 || effective & !permitted != 0 || inheritable & !may_inherit != 0
        {
            return Err(Errno::EPERM);
        }
        (self.effective, self.permitted, self.inheritable) = (effective, permitted, inheritable);
        Ok(())
    }

    /// Whether who has these may look into a process that has `other`: it is of nobody else, or he may look anywhere
    /// (Linux: `ptrace_may_access` with `PTRACE_MODE_READ_REALCREDS`).
    pub fn may_inspect(&self, other: &Creds) -> bool {
        let only = |ids: Ids, id| [ids.real, ids.effective, ids.saved] == [id; 3];
        let same = only(other.user, self.user.real) && only(other.group, self.group.real);
        same || self.effective & SYS_PTRACE != 0
    }

    /// What execve makes of them: root gets all capabilities, others keep none.
    pub fn execute(&mut self) {
        let root = self.user.effective == 0 || self.user.real == 0;
        self.permitted = if root { ALL_CAPS } else { 0 };
        self.effective = if self.user.effective == 0 { self.permitted } else { 0 };
        (self.user.saved, self.group.saved) = (self.user.effective, self.group.effective);
        self.keeps_caps = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(creds: &Creds) -> [u32; 4] {
        let Ids { real, effective, saved, fs } = creds.user;
        [real, effective, saved, fs]
    }

    #[test]
    fn who_is_not_root_looks_into_what_is_all_his_own() {
        let root = Creds::default();
        let mut user = Creds::default();
        user.set(Kind::User, 1000).unwrap();
        assert!(user.may_inspect(&user) && root.may_inspect(&user) && !user.may_inspect(&root));
        let mut half = root.clone();
        half.set_all(Kind::User, [1000, 1000, 0]).unwrap();
        assert!(!user.may_inspect(&half));
    }

    #[test]
    fn root_becomes_another_and_that_one_stays() {
        let mut creds = Creds::default();
        creds.set(Kind::User, 1000).unwrap();
        assert_eq!((ids(&creds), creds.effective, creds.permitted), ([1000; 4], 0, 0));
        assert_eq!(creds.set(Kind::User, 0), Err(Errno::EPERM));
        assert_eq!(creds.set(Kind::User, SAME), Err(Errno::EINVAL));
        assert_eq!(creds.set_all(Kind::User, [SAME, 1000, 1]), Err(Errno::EPERM));
        assert_eq!(creds.set_groups(Arc::default()), Err(Errno::EPERM));
        creds.execute();
        assert_eq!(creds.permitted, 0);
    }

    #[test]
    fn who_keeps_root_saved_comes_back() {
        let mut creds = Creds::default();
        creds.set_all(Kind::User, [1000, 1000, 0]).unwrap();
        assert_eq!((ids(&creds), creds.effective, creds.permitted), ([1000, 1000, 0, 1000], 0, ALL_CAPS));
        creds.set_real_effective(Kind::User, SAME, 0).unwrap();
        assert_eq!((ids(&creds), creds.effective), ([1000, 0, 0, 0], ALL_CAPS));
        creds.set_real_effective(Kind::User, 0, 5).unwrap();
        assert_eq!(ids(&creds), [0, 5, 5, 5]);
        assert_eq!((creds.set_fs(Kind::User, 9), creds.set_fs(Kind::User, 0)), (5, 5));
        assert_eq!(creds.user.fs, 0);
    }

    #[test]
    fn groups_do_not_touch_capabilities_which_only_shrink() {
        let mut creds = Creds::default();
        creds.set(Kind::Group, 7).unwrap();
        assert_eq!((creds.group.real, creds.effective), (7, ALL_CAPS));
        creds.set_caps(1, 3, 2).unwrap();
        assert_eq!(creds.set_caps(4, 3, 0), Err(Errno::EPERM));
        assert_eq!(creds.set_caps(0, 7, 0), Err(Errno::EPERM));
        assert_eq!(creds.set_caps(0, 1, 8), Err(Errno::EPERM));
        creds.execute();
        assert_eq!(creds.effective, ALL_CAPS);
    }
}
