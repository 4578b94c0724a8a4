//! Buffers attached to devices, and mapped there (Linux: `dma_buf_attach`, `dma_buf_map_attachment` and what undoes
//! them).
//!
//! An [`Attachment`] holds the buffer's file, and so what the buffer holds: under `kref-full` and `lastref` its heap and
//! provider, under the others nothing. A [`Mapping`] holds its attachment. Dropping either undoes it. Where memory is
//! revoked, importers are told, their mappings go, and every later one is `ENODEV`; attachments and mappings stay as
//! values that lead nowhere, until their owners drop them.

#[cfg(all(test, not(feature = "loom")))]
mod tests;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use super::DmaBuf;
use super::importer::{Direction, DmaTable, Importer};
use super::shared::{Entry, Mapped, Shared};
use crate::fence::reservation::Usage;
use crate::kref::{Counted, Ref};
use crate::platform::Platform;
use crate::sg::Run;
use crate::{Errno, Result};

/// A buffer attached to a device. Dropped with the last of its mappings, it is detached. May sleep when dropped.
pub struct Attachment<P: Platform>(Ref<Attached<P>>);

struct Attached<P: Platform> {
    buffer: P::BufferRef,
    shared: Ref<Shared<P>>,
    key: u64,
}

impl<P: Platform> Counted for Attached<P> {
    type Platform = P;
    const KIND: &'static str = "dma_buf attachment";
}

impl<P: Platform> Attachment<P> {
    /// Attaches a buffer to a device (Linux: `dma_buf_attach`, `dma_buf_dynamic_attach`). A dynamic importer's mapping,
    /// for both directions, is made here. `ENODEV` for a buffer that was revoked, `ENOMEM`, or the importer's refusal to
    /// map. May sleep.
    pub fn new(buffer: P::BufferRef, importer: Arc<dyn Importer>) -> Result<Attachment<P>> {
        let shared = buffer.shared()?;
        let mut entries = shared.attachments.lock();
        buffer.check_not_revoked()?;
        let key = entries.last().map_or(0, |last| last.key + 1);
        entries.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        let cached = match importer.is_dynamic() {
            true => Some(map(&*importer, &buffer, Direction::Bidirectional)?),
            false => None,
        };
        entries.push(Entry { key, importer, cached, mapped: Vec::new(), pins: 0 });
        drop(entries);
        // Where this fails, what was made so far is dropped with it, and that detaches.
        Ref::try_new(Attached { buffer, shared, key }).map(Attachment)
    }

    /// The buffer.
    pub fn buffer(&self) -> &P::BufferRef {
        &self.0.buffer
    }

    /// Maps the buffer for the device (Linux: `dma_buf_map_attachment`). `ENODEV` once the memory is revoked; `EBUSY`
    /// where the attachment's one mapping is for another direction; `EINTR` while the memory is still being got ready;
    /// `ENOMEM`, or what the importer says. May sleep.
    pub fn map(&self, direction: Direction) -> Result<Mapping<P>> {
        let attached = self.0.clone();
        attached.buffer.wait_fences(Usage::Kernel)?;
        let mapped = attached.with(|entry| {
            attached.buffer.check_not_revoked()?;
            if let Some(cached) = &entry.cached {
                let fits =
                    matches!(cached.direction, Direction::Bidirectional) || cached.direction == direction;
                return if fits { Ok(cached.clone()) } else { Err(Errno::EBUSY) };
            }
            entry.mapped.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
            let mapped = map(&*entry.importer, &attached.buffer, direction)?;
            entry.mapped.push(mapped.clone());
            Ok(mapped)
        })?;
        Ok(Mapping { attached, mapped })
    }

    /// Keeps the buffer where it is until the value returned is dropped (Linux: `dma_buf_pin`). For dynamic importers,
    /// else `EINVAL`; `ENODEV` once the memory is revoked. May sleep. (No exporter here moves a buffer: it only counts.)
    pub fn pin(&self) -> Result<Pin<P>> {
        let attached = self.0.clone();
        attached.with(|entry| {
            if !entry.importer.is_dynamic() {
                return Err(Errno::EINVAL);
            }
            attached.buffer.check_not_revoked()?;
            entry.pins += 1;
            Ok(())
        })?;
        Ok(Pin(attached))
    }
}

/// A buffer kept where it is; see [`Attachment::pin`]. May sleep when dropped.
pub struct Pin<P: Platform>(Ref<Attached<P>>);

impl<P: Platform> Drop for Pin<P> {
    fn drop(&mut self) {
        self.0.with(|entry| entry.pins -= 1);
    }
}

/// Maps a buffer's pages.
fn map<P: Platform>(
    importer: &dyn Importer,
    buffer: &DmaBuf<P>,
    direction: Direction,
) -> Result<Ref<Mapped<P>>> {
    Ref::try_new_with(|| Ok(Mapped::new(importer.map(buffer.table(), direction)?, direction)))
}

impl<P: Platform> Attached<P> {
    /// Does something with its entry, which is there as long as this value, under the reservation lock.
    fn with<R>(&self, work: impl FnOnce(&mut Entry<P>) -> R) -> R {
        let mut entries = self.shared.attachments.lock();
        let at = entries.iter().position(|entry| entry.key == self.key);
        work(&mut entries[at.expect("an attachment is on its buffer's list")])
    }
}

impl<P: Platform> Drop for Attached<P> {
    fn drop(&mut self) {
        let mut entries = self.shared.attachments.lock();
        let at = entries.iter().position(|entry| entry.key == self.key);
        let entry = at.map(|at| entries.remove(at));
        if let Some(Entry { importer, cached: Some(cached), .. }) = &entry {
            importer.unmap(&cached.table, cached.direction);
        }
        drop(entries);
        // The importer may end here: under no lock of ours.
        drop(entry);
    }
}

/// A buffer as a device addresses it. Dropping it unmaps, unless the memory has been revoked: then there is nothing
/// mapped any more. May sleep when dropped.
pub struct Mapping<P: Platform> {
    attached: Ref<Attached<P>>,
    mapped: Ref<Mapped<P>>,
}

impl<P: Platform> Mapping<P> {
    /// The bus addresses, in order. They stay written here when the memory is revoked; the device, which was told to
    /// stop, must not be given them again.
    pub fn table(&self) -> &DmaTable {
        &self.mapped.table
    }

    /// Which way data goes.
    pub fn direction(&self) -> Direction {
        self.mapped.direction
    }
}

impl<P: Platform> Drop for Mapping<P> {
    fn drop(&mut self) {
        self.attached.with(|entry| {
            let mine = entry.mapped.iter().position(|mapped| mapped.same(&self.mapped));
            if let Some(at) = mine {
                entry.mapped.swap_remove(at);
                entry.importer.unmap(&self.mapped.table, self.mapped.direction);
            }
        });
    }
}

impl<P: Platform> DmaBuf<P> {
    /// What it shares with importers, made at the first call; `ENOMEM`.
    pub(super) fn shared(&self) -> Result<Ref<Shared<P>>> {
        self.shared.get_or_make(Shared::new)
    }

    pub(super) fn check_not_revoked(&self) -> Result<()> {
        if self.is_revoked() { Err(Errno::ENODEV) } else { Ok(()) }
    }

    /// Takes the memory away from every device, if it was revoked. When it returns no device reaches it, and none will.
    /// May sleep.
    pub(crate) fn detach_revoked(&self) {
        // Who attaches or maps later takes the lock after this, and finds the buffer revoked.
        if self.is_revoked()
            && let Some(shared) = self.shared.get()
        {
            shared.attachments.lock().iter_mut().for_each(Entry::invalidate);
        }
    }

    /// Hands the memory to the CPU (Linux: `dma_buf_begin_cpu_access`): every device that maps it is told, then the exporter,
    /// and fences are waited for, those of readers too where the CPU is about to write. The exporter's refusal, or
    /// `EINTR`. May sleep.
    pub fn begin_cpu_access(&self, direction: Direction) -> Result<()> {
        self.each_live(|importer, table| importer.sync_for_cpu(table, direction));
        self.hold.cpu_access(true)?;
        self.wait_fences(Usage::before(direction != Direction::FromDevice))
    }

    /// Hands it back (Linux: `dma_buf_end_cpu_access`). The exporter's refusal. May sleep.
    pub fn end_cpu_access(&self, direction: Direction) -> Result<()> {
        self.hold.cpu_access(false)?;
        self.each_live(|importer, table| importer.sync_for_device(table, direction));
        Ok(())
    }

    fn each_live(&self, each: impl Fn(&dyn Importer, &DmaTable)) {
        let Some(shared) = self.shared.get() else { return };
        for entry in &*shared.attachments.lock() {
            entry.live().for_each(|mapped| each(&*entry.importer, &mapped.table));
        }
    }

    /// Calls `each` with the name of every device that reaches one of `frames` as a page of this buffer, once for each
    /// mapping, under the reservation lock. May sleep; `each` must not come back to the buffer.
    pub fn each_device_at(&self, frames: Run, each: &mut dyn FnMut(&str)) {
        let end = |run: Run| run.start().add_pages(run.pages() as u64);
        let meets = |run: &Run| run.start() < end(frames) && frames.start() < end(*run);
        let Some(shared) = self.shared.get() else { return };
        if !self.table.runs().iter().any(meets) {
            return;
        }
        for entry in &*shared.attachments.lock() {
            entry.live().for_each(|_| each(entry.importer.name()));
        }
    }

    /// The names of the devices it is attached to, one a line after a tab, and how many there are, as the file `bufinfo`
    /// has them. May sleep.
    pub fn show_attachments(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        out.write_str("\tAttached Devices:\n")?;
        let mut devices = 0;
        if let Some(shared) = self.shared.get() {
            for entry in &*shared.attachments.lock() {
                writeln!(out, "\t{}", entry.importer.name())?;
                devices += 1;
            }
        }
        write!(out, "Total {devices} devices attached\n\n")
    }
}
