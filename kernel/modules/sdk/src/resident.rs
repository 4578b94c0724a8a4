//! A module without a device: what it does, it does when it is loaded, and as long as it is there.

use heaps::{Errno, Result};
use spin::Mutex;

use crate::abi::Params;
use crate::provider::Module;

/// What a module is while it is loaded. Dropping it ends the module; heaps that it leaves behind the kernel unregisters.
pub trait Resident: Sized + Send + 'static {
    /// Runs when the module is loaded. What it returns is why that fails.
    fn start(module: Module, params: &Params<'_>) -> Result<Self>;
}

/// Where the module keeps it, in its data section. The kernel makes its calls one at a time; if it did not, the later one
/// would get `EBUSY`.
pub struct Residence<R>(Mutex<Option<R>>);

impl<R: Resident> Residence<R> {
    /// A module that is not started.
    #[expect(clippy::new_without_default, reason = "for a static")]
    pub const fn new() -> Residence<R> {
        Residence(Mutex::new(None))
    }

    /// The module's init.
    pub fn init(&self, module: Module, params: &Params<'_>) -> Result<()> {
        let mut resident = self.0.try_lock().ok_or(Errno::EBUSY)?;
        *resident = Some(R::start(module, params)?);
        Ok(())
    }

    /// The module's exit.
    pub fn exit(&self) -> Result<()> {
        *self.0.try_lock().ok_or(Errno::EBUSY)? = None;
        Ok(())
    }
}
