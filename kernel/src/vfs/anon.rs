//! Files without a name or contents of their own, on one inode. Models `fs/anon_inodes.c`.
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use alloc::sync::Arc;

use heaps::Result;
use spin::Once;

use super::file::{File, FileOps};
use super::inode::{Content, Inode};
use crate::mm::admit::admit;

const DEV: u32 = 15;

/// The inode they share; it has permissions and no type.
fn inode() -> &'static Arc<Inode> {
    static INODE: Once<Arc<Inode>> = Once::new();
    INODE.call_once(|| Arc::new(Inode::new(DEV, 0o600, Content::Anonymous)))
}

/// Makes the inode, so that it is there before anybody counts. At boot.
pub fn init() {
    inode();
}

/// A file that does `ops`. `ENFILE`, `ENOMEM`.
pub fn file(flags: u32, ops: impl FileOps) -> Result<Arc<File>> {
    admit()?;
    File::anonymous(inode().clone(), flags, Box::new(ops))
}
