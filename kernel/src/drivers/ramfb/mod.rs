//! QEMU's `ramfb` behind `/dev/ramfb`: a display that scans a contiguous dma-buf out.
//!
//! * `screen`: what is shown, and whose it is
#![forbid(unsafe_code)]

mod screen;

use alloc::boxed::Box;
use core::sync::atomic::{AtomicUsize, Ordering};

use heaps::uapi::ioctl::Command;
use heaps::uapi::ramfb::{RAMFB_BLANK, RAMFB_SHOW};
use heaps::{CdevOps, DmaLimits, Errno, PhysAddr, Result};
use spin::Once;

use super::dma_device;
use super::dma_heap::Kernel;
use super::fw_cfg::FwCfg;
use crate::chrdev::{self, CdevRef, DevT};
use crate::dt::Device;
use crate::mm::user;
use crate::vfs::FileOps;
use crate::vfs::file::{File, Ioctl};
use screen::Screen;

/// A miscellaneous device's, as udev would call it.
const NUMBER: DevT = DevT::new(10, 126);

/// It reads a picture from one place.
static LIMITS: DmaLimits = DmaLimits { segments: Some(1), ..DmaLimits::of_bits(64) };

static SCREEN: Once<Screen> = Once::new();

/// Takes the display up, if the firmware configuration at `fw_cfg` has one. `ENOENT` where it has none, `ENODEV` where
/// it is none, and what publishing it says. At boot.
pub fn probe(fw_cfg: Device) -> Result<()> {
    let screen = Screen::new(FwCfg::new(PhysAddr::new(fw_cfg.base), fw_cfg.len)?)?;
    SCREEN.call_once(|| screen);
    chrdev::register("ramfb", NUMBER, 0o600, &Node)?;
    dma_device::register("ramfb", *LIMITS.addresses.end(), &LIMITS)
}

struct Node;

impl CdevOps<Kernel> for Node {
    fn open(&self, _: &CdevRef, _: u32) -> Result<Box<dyn FileOps>> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let owner = NEXT.fetch_add(1, Ordering::Relaxed);
        Ok(Box::new(OpenScreen { screen: SCREEN.get().ok_or(Errno::ENXIO)?, owner }))
    }
}

/// An open display. Closed, it is blank, if it showed this file's picture.
struct OpenScreen {
    screen: &'static Screen,
    owner: usize,
}

impl FileOps for OpenScreen {
    fn ioctl(&self, _: &File, call: &Ioctl<'_>) -> Result<usize> {
        match Command::from_raw(call.cmd) {
            RAMFB_SHOW => self.screen.show(call.files, &user::read(call.arg)?, self.owner)?,
            RAMFB_BLANK => self.screen.blank(self.owner)?,
            _ => return Err(Errno::ENOTTY),
        }
        Ok(0)
    }
}

impl Drop for OpenScreen {
    fn drop(&mut self) {
        if let Err(e) = self.screen.blank(self.owner) {
            log::warn!("ramfb: {e}: the picture stays");
        }
    }
}
