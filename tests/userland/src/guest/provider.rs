//! Providers: heaps' implementations, loaded and unloaded as modules.

use super::{read_bytes, write_text};
use crate::rt::{Fd, abi, module};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use heaps::uapi::Errno;
use heaps::uapi::errno::Result;

/// The module of a TEE-like provider: private data and a name string of its own, both freed when it goes.
pub const TEE_MODULE: &str = "/lib/modules/tee_heap.ko";

/// Bytes of the name in a module's descriptor.
const NAME_LEN: usize = 56;

/// A TEE-like provider that was loaded. Dropping it does nothing: unload or unbind it, or leave it loaded.
#[derive(Clone, Debug)]
pub struct Provider {
    /// The module's name, and its device's.
    pub module: String,
    /// The heap's name.
    pub heap: String,
}

/// Loads a module from its file.
///
/// # Errors
/// What opening it and the kernel say.
pub fn load_module(path: &str, params: &str) -> Result<()> {
    let file = Fd::open(path, abi::O_RDONLY | abi::O_CLOEXEC)?;
    module::init_file(file.raw(), params)
}

/// Puts `to` where the descriptor of a module's file has the name `from`: a copy of the module, that can be loaded
/// beside it.
///
/// # Errors
/// ENOEXEC where the name is not there, EINVAL for one that is too long.
pub fn rename(image: &mut [u8], from: &str, to: &str) -> Result<()> {
    let field = |name: &str| {
        let mut field = [0; NAME_LEN];
        field[..NAME_LEN - 1].get_mut(..name.len()).ok_or(Errno::EINVAL)?.copy_from_slice(name.as_bytes());
        Ok(field)
    };
    let (from, to) = (field(from)?, field(to)?);
    let at = image.windows(NAME_LEN).position(|window| window == from).ok_or(Errno::ENOEXEC)?;
    image[at..at + NAME_LEN].copy_from_slice(&to);
    Ok(())
}

/// The file of the TEE-like provider's module.
///
/// # Errors
/// What reading it says.
pub fn tee_image() -> Result<Vec<u8>> {
    read_bytes(TEE_MODULE)
}

impl Provider {
    /// Loads the module as it is, which registers heap `heap`.
    pub fn load(heap: &str) -> Result<Provider> {
        Provider::load_with(heap, "")
    }

    /// Loads it with further parameters: `memory=own` has it give out memory of its own (64 KiB), `exit=wait` has its end wait until all of its memory is back,
    /// `exit=wait-locked` under the lock that memory is given back under.
    pub fn load_with(heap: &str, parameters: &str) -> Result<Provider> {
        load_module(TEE_MODULE, &format!("name={heap} {parameters}"))?;
        Ok(Provider::loaded(heap))
    }

    /// The module as it is, which is loaded already with this heap.
    pub fn loaded(heap: &str) -> Provider {
        Provider { module: String::from("tee_heap"), heap: String::from(heap) }
    }

    /// The copy numbered `instance`, which is loaded already with this heap.
    pub fn instance(heap: &str, instance: u32) -> Provider {
        Provider { module: format!("tee_heap_{instance}"), heap: String::from(heap) }
    }

    /// Loads a copy of the module, numbered `instance`, beside others.
    pub fn load_instance(heap: &str, instance: u32) -> Result<Provider> {
        let provider = Provider::instance(heap, instance);
        let mut image = tee_image()?;
        rename(&mut image, "tee_heap", &provider.module)?;
        module::init(&image, &format!("name={heap}"))?;
        Ok(provider)
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

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn a_copy_has_the_new_name_where_the_old_was() {
        let mut image = vec![b'x'; 8];
        image.extend(b"heap");
        image.extend([0; 52]);
        image.extend(b"tail");
        rename(&mut image, "heap", "heap_2").unwrap();
        assert_eq!((&image[8..15], image.len()), (&b"heap_2\0"[..], 68));
        assert_eq!(rename(&mut image, "heap", "a"), Err(Errno::ENOEXEC));
        assert_eq!(rename(&mut image, "heap_2", &"a".repeat(56)), Err(Errno::EINVAL));
    }
}
