//! Allocations that say no. On a kernel running out of memory is an errno, never an abort.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::{Errno, Result};

/// A box of `value`; `ENOMEM` drops it.
pub fn try_box<T>(value: T) -> Result<Box<T>> {
    try_box_with(|| Ok(value))
}

/// A box of what `make` makes, once there is room for it; `ENOMEM`, or what `make` says.
pub fn try_box_with<T>(make: impl FnOnce() -> Result<T>) -> Result<Box<T>> {
    let mut one = Vec::new();
    one.try_reserve_exact(1).map_err(|_| Errno::ENOMEM)?;
    one.push(make()?);
    let array: Box<[T; 1]> = one.into_boxed_slice().try_into().map_err(|_| Errno::ENOMEM)?;
    // SAFETY: an array of one has its element's layout, and the box is neither copied nor used again.
    #[allow(unsafe_code)]
    Ok(unsafe { Box::from_raw(Box::into_raw(array).cast::<T>()) })
}

/// A copy of `text` of its own; `ENOMEM`.
pub fn try_str(text: &str) -> Result<Box<str>> {
    let mut copy = alloc::string::String::new();
    copy.try_reserve_exact(text.len()).map_err(|_| Errno::ENOMEM)?;
    copy.push_str(text);
    Ok(copy.into_boxed_str())
}

/// Appends `value`, growing by halves as a `Vec` does; `ENOMEM` drops it.
pub fn try_push<T>(list: &mut Vec<T>, value: T) -> Result<()> {
    list.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
    list.push(value);
    Ok(())
}
