//! What the display reads, and whose it is (QEMU, `hw/display/ramfb.c`).
#![forbid(unsafe_code)]

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering};

use heaps::dma_buf::{Direction, DmaTable, Importer};
use heaps::uapi::ramfb::{LEAST, MOST, Picture, XRGB8888};
use heaps::{Errno, PhysAddr, Result, SgTable};

use crate::drivers::fw_cfg::FwCfg;
use crate::drivers::import::Import;
use crate::mm::frames::{self, Frame};
use crate::mm::in_flight::{self, InFlight};
use crate::sync::order;
use crate::sync::sleep::Mutex;
use crate::vfs::FdTable;

/// The file that says what to scan out.
const FILE: &str = "etc/ramfb";

/// The display.
pub struct Screen {
    fw_cfg: FwCfg,
    selector: u16,
    /// Black, and shown where there is nothing else to show: the display cannot be switched off.
    blank: Frame,
    shown: Mutex<Option<Shown>, { order::DEVICE }>,
}

/// What is shown.
struct Shown {
    // Over before the pages can be anybody else's: the import may be the buffer's last reference.
    in_flight: Option<InFlight>,
    import: Import<Head>,
    /// Which open file's.
    owner: usize,
}

/// The display as one buffer knows it.
struct Head {
    screen: &'static Screen,
    /// The memory was taken away. Changed under the screen's lock.
    stopped: AtomicBool,
}

/// Where the display finds a picture.
struct Mode {
    address: u64,
    width: u32,
    height: u32,
    stride: u32,
}

impl Mode {
    /// A black picture of the least size, in one frame.
    fn blank(frame: &Frame) -> Mode {
        Mode { address: frame.addr().get(), width: LEAST, height: LEAST, stride: 4 * LEAST }
    }

    /// As the display reads it: big-endian, flags 0.
    fn to_bytes(&self) -> [u8; 28] {
        let mut bytes = [0; 28];
        bytes[..8].copy_from_slice(&self.address.to_be_bytes());
        let words = [XRGB8888, 0, self.width, self.height, self.stride];
        for (place, word) in bytes[8..].chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_be_bytes());
        }
        bytes
    }
}

/// Bytes from a picture's first to its last pixel. `EINVAL` for one that cannot be shown.
fn len_of(picture: &Picture) -> Result<u64> {
    let Picture { fourcc, width, height, stride, offset, .. } = *picture;
    let sane = [width, height].iter().all(|n| (LEAST..=MOST).contains(n))
        && fourcc == XRGB8888
        && stride >= 4 * width
        && offset.is_multiple_of(4);
    if !sane {
        return Err(Errno::EINVAL);
    }
    Ok(u64::from(stride) * u64::from(height - 1) + 4 * u64::from(width))
}

impl Screen {
    /// The display behind `fw_cfg`. `ENOENT` where there is none, `ENOMEM`, `EIO`.
    pub fn new(fw_cfg: FwCfg) -> Result<Screen> {
        let selector = fw_cfg.find(FILE)?;
        let blank = frames::alloc_zeroed()?;
        Ok(Screen { fw_cfg, selector, blank, shown: Mutex::new(None) })
    }

    fn program(&self, mode: &Mode) -> Result<()> {
        self.fw_cfg.write(self.selector, &mode.to_bytes())
    }

    /// Shows a picture, for open file `owner`, in the place of whatever was shown. `EINVAL` for one that cannot be
    /// shown, for a buffer that is too short for it, or whose pages there are not contiguous; `ENODEV` once the
    /// memory was taken away; `EBADF`, `ENOMEM`, `EBUSY`. May sleep.
    pub fn show(&'static self, files: &FdTable, picture: &Picture, owner: usize) -> Result<()> {
        let len = len_of(picture)?;
        let head = Head { screen: self, stopped: AtomicBool::new(false) };
        let import = Import::get(files, picture.fd, head)?;
        let address = import.one_piece(picture.offset.into(), len)?;
        let Picture { width, height, stride, .. } = *picture;
        let head = import.importer.clone();
        let in_flight = Some(in_flight::begin(PhysAddr::new(address), len)?);

        let mut shown = self.shown.lock();
        let programmed = match head.stopped.load(Ordering::Relaxed) {
            true => Err(Errno::ENODEV),
            false => self.program(&Mode { address, width, height, stride }),
        };
        let new = Some(Shown { import, owner, in_flight });
        let gone = if programmed.is_ok() { core::mem::replace(&mut *shown, new) } else { new };
        drop(shown);
        // Detaching takes locks that come before the screen's.
        drop(gone);
        programmed
    }

    /// Shows nothing more of open file `owner`. May sleep.
    pub fn blank(&self, owner: usize) -> Result<()> {
        let mut shown = self.shown.lock();
        if shown.as_ref().is_none_or(|shown| shown.owner != owner) {
            return Ok(());
        }
        self.program(&Mode::blank(&self.blank))?;
        let gone = shown.take();
        drop(shown);
        drop(gone);
        Ok(())
    }
}

impl Importer for Head {
    fn name(&self) -> &str {
        "ramfb"
    }

    fn map(&self, pages: &SgTable, _: Direction) -> Result<DmaTable> {
        DmaTable::direct(pages)
    }

    fn invalidate(&self) {
        let mut shown = self.screen.shown.lock();
        self.stopped.store(true, Ordering::Relaxed);
        if let Some(shown) =
            shown.as_mut().filter(|shown| core::ptr::eq(Arc::as_ptr(&shown.import.importer), self))
            && self.screen.program(&Mode::blank(&self.screen.blank)).is_ok()
        {
            shown.in_flight = None;
        }
    }
}
