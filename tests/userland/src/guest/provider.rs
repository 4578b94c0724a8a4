//! Providers: heaps' implementations, loaded and unloaded as modules.

use super::write_text;
use crate::rt::{abi, module};
use alloc::format;
use alloc::string::String;
use heaps::uapi::errno::Result;

/// The image that selects the built-in TEE-like provider: private data and a name string of its own,
/// both freed when it goes.
pub const TEE_IMAGE: &[u8] = b"lastref-builtin tee_heap\n";

/// A TEE-like provider that was loaded. Dropping it does nothing: unload or unbind it, or leave it loaded.
#[derive(Clone, Debug)]
pub struct Provider {
    /// The module's name, and its device's.
    pub module: String,
    /// The heap's name.
    pub heap: String,
}

impl Provider {
    /// Loads the first instance, which registers heap `heap`.
    pub fn load(heap: &str) -> Result<Provider> {
        Provider::load_with(heap, "")
    }

    /// Loads it with further parameters: `memory=own` has it give out memory of its own (64 KiB), `exit=wait` has its end wait until all of its memory is back,
    /// `exit=wait-locked` under the lock that memory is given back under.
    pub fn load_with(heap: &str, parameters: &str) -> Result<Provider> {
        module::init(TEE_IMAGE, &format!("name={heap} {parameters}"))?;
        Ok(Provider::loaded(heap))
    }

    /// The first instance, which is loaded already with this heap.
    pub fn loaded(heap: &str) -> Provider {
        Provider { module: String::from("tee_heap"), heap: String::from(heap) }
    }

    /// Instance `instance`, which is loaded already with this heap.
    pub fn instance(heap: &str, instance: u32) -> Provider {
        Provider { module: format!("tee_heap_{instance}"), heap: String::from(heap) }
    }

    /// Loads instance `instance` beside others.
    pub fn load_instance(heap: &str, instance: u32) -> Result<Provider> {
        module::init(TEE_IMAGE, &format!("name={heap} instance={instance}"))?;
        Ok(Provider::instance(heap, instance))
    }

    /// Takes the device from its driver: unregisters the heap without asking who uses it.
    pub fn unbind(&self) -> Result<()> {
        write_text("/sys/bus/platform/drivers/tee_heap/unbind", &self.module)
    }

    /// Has the device go, and its memory with it (hot unplug).
    pub fn unplug(&self) -> Result<()> {
        write_text("/sys/bus/platform/drivers/tee_heap/unplug", &self.module)
    }

    /// delete_module, without waiting.
    pub fn unload(&self) -> Result<()> {
        module::delete(&self.module, abi::O_NONBLOCK)
    }
}
