//! Attaching, mapping, and what becomes of both when the memory goes.

use std::string::String;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::vec::Vec;

use super::*;
use crate::dma_buf::{DmaRun, Vmap};
use crate::registry::Counts;
use crate::testing::{
    Asked, BUS_OFFSET, Fds, Machine, TestBuffer, TestDevice, TestModule, TestPlatform, TestRegistry,
    fail_nth, registry, tee,
};
use crate::{Discipline, Registration};
use Direction::{Bidirectional, FromDevice, ToDevice};

type Attached = Attachment<TestPlatform>;

/// A registered heap and a buffer of its.
fn machine(
    discipline: Discipline,
    len: u64,
) -> (&'static TestRegistry, Registration<TestPlatform>, TestBuffer) {
    Machine::here().largest_order.store(0, Ordering::Relaxed);
    let registry = registry(discipline);
    let registration = registry.register(tee("heap", None).0).unwrap();
    let open = Machine::here().open("heap").unwrap();
    let buffer = TestBuffer::of(Fds::new(1).allocate(&open.heap, len).unwrap());
    (registry, registration, buffer)
}

fn keep(registration: Registration<TestPlatform>) {
    core::mem::forget(registration);
}

fn attach(buffer: &TestBuffer, device: &Arc<TestDevice>) -> Attached {
    Attachment::new(buffer.clone(), device.clone()).unwrap()
}

#[test]
fn a_mapping_is_the_buffer_on_the_device_s_bus() {
    let (registry, registration, buffer) = machine(Discipline::Lastref, 3 * 4096);
    keep(registration);
    let device = TestDevice::new("dev", false);
    let attachment = attach(&buffer, &device);
    assert_eq!(device.asked(), []);
    let mapping = attachment.map(ToDevice).unwrap();
    assert_eq!((mapping.direction(), mapping.table().size()), (ToDevice, 3 * 4096));
    // Frames that follow one another are one run there.
    let start = buffer.table().runs()[0].start().get() + BUS_OFFSET;
    assert_eq!(mapping.table().runs(), [DmaRun { address: start, len: 3 * 4096 }]);
    let direct = DmaTable::direct(buffer.table()).unwrap();
    assert_eq!((direct.runs().len(), direct.size()), (3, 3 * 4096));
    let both = attachment.map(FromDevice).unwrap();
    drop(mapping);
    assert_eq!(device.asked(), [Asked::Map(ToDevice), Asked::Map(FromDevice), Asked::Unmap(ToDevice)]);
    // The mapping keeps the attachment, which keeps the file.
    drop(attachment);
    drop(buffer);
    assert_eq!((registry.counts().buffers, device.mapped()), (1, 0));
    drop(both);
    assert_eq!((registry.counts().buffers, device.asked()), (0, [Asked::Unmap(FromDevice)].to_vec()));
    assert_eq!(Machine::here().frames_used(), 0);
}

#[test]
fn a_dynamic_importer_is_mapped_once() {
    let (_, registration, buffer) = machine(Discipline::Lastref, 4096);
    keep(registration);
    let device = TestDevice::new("dev", true);
    let attachment = attach(&buffer, &device);
    assert_eq!(device.asked(), [Asked::Map(Bidirectional)]);
    let maps: Vec<_> = [ToDevice, FromDevice, Bidirectional].map(|way| attachment.map(way).unwrap()).into();
    assert!(maps.iter().all(|map| map.direction() == Bidirectional && map.mapped.same(&maps[0].mapped)));
    drop(maps);
    assert_eq!(device.asked(), []);
    let pin = attachment.pin().unwrap();
    drop((attachment, pin));
    assert_eq!(device.asked(), [Asked::Unmap(Bidirectional)]);
    let device = TestDevice::new("dev", false);
    assert_eq!(attach(&buffer, &device).pin().err(), Some(Errno::EINVAL));
}

#[test]
fn cpu_access_reaches_every_mapping() {
    let (_, registration, buffer) = machine(Discipline::Lastref, 4096);
    keep(registration);
    let devices =
        [TestDevice::new("one", false), TestDevice::new("two", true), TestDevice::new("idle", false)];
    let attachments = devices.each_ref().map(|device| attach(&buffer, device));
    let _one = [attachments[0].map(ToDevice).unwrap(), attachments[0].map(FromDevice).unwrap()];
    devices.iter().for_each(|device| drop(device.asked()));
    buffer.begin_cpu_access(FromDevice).unwrap();
    buffer.end_cpu_access(Bidirectional).unwrap();
    let once = [Asked::ForCpu(FromDevice), Asked::ForDevice(Bidirectional)];
    assert_eq!(devices[0].asked(), [once[0], once[0], once[1], once[1]]);
    assert_eq!(devices[1].asked(), once);
    assert_eq!(devices[2].asked(), []);
    let mut text = String::new();
    buffer.show_attachments(&mut text).unwrap();
    assert_eq!(text, "\tAttached Devices:\n\tone\n\ttwo\n\tidle\nTotal 3 devices attached\n\n");
}

#[test]
fn what_the_device_refuses_is_undone() {
    let (registry, registration, buffer) = machine(Discipline::Lastref, 4096);
    keep(registration);
    for dynamic in [false, true] {
        let device = TestDevice::new("dev", dynamic);
        device.full.store(true, Ordering::Relaxed);
        let attached = Attached::new(buffer.clone(), device.clone());
        match attached {
            Ok(attachment) => assert_eq!(attachment.map(ToDevice).err(), Some(Errno::EIO)),
            Err(errno) => assert_eq!((dynamic, errno), (true, Errno::EIO)),
        }
        assert_eq!((buffer.references(), Arc::strong_count(&device), device.mapped()), (1, 1, 0));
    }
    drop(buffer);
    assert_eq!(registry.counts().buffers, 0);
}

#[test]
fn running_out_of_memory_at_any_step_of_attaching_rolls_back() {
    for (dynamic, steps) in [(false, 6), (true, 5)] {
        let mut failures = 0;
        for n in 0.. {
            Machine::fresh().enter();
            let (_, registration, buffer) = machine(Discipline::Lastref, 4096);
            keep(registration);
            let device = TestDevice::new("dev", dynamic);
            let importer: Arc<dyn Importer> = device.clone();
            let attached = || Attached::new(buffer.clone(), importer)?.map(ToDevice);
            let (mapping, refused) = fail_nth(n, attached);
            if !refused {
                assert!(mapping.is_ok());
                break;
            }
            assert_eq!(mapping.err(), Some(Errno::ENOMEM));
            assert_eq!((buffer.references(), Arc::strong_count(&device), device.mapped()), (1, 1, 0), "{n}");
            failures += 1;
        }
        // What is shared, the list of attachments, the attachment, the list of mappings, the mapping, its table.
        assert_eq!(failures, steps);
    }
}

#[test]
fn revoking_takes_the_memory_from_devices_before_it_is_let_go() {
    for dynamic in [false, true] {
        Machine::fresh().enter();
        let (registry, registration, buffer) = machine(Discipline::Lastref, 4096);
        let device = TestDevice::new("dev", dynamic);
        let attachment = attach(&buffer, &device);
        let vmap = Vmap::<TestPlatform>::new(buffer.clone()).unwrap();
        vmap.write(1, b"seen").unwrap();
        let (mapping, second) = (attachment.map(ToDevice).unwrap(), attachment.map(FromDevice).unwrap());
        device.asked();
        registration.unplug().unwrap().free();
        let asked = device.asked();
        let unmaps: &[Asked] = match dynamic {
            false => &[Asked::Unmap(ToDevice), Asked::Unmap(FromDevice)],
            true => &[Asked::Unmap(Bidirectional)],
        };
        assert_eq!((asked[0], &asked[1..]), (Asked::Invalidate, unmaps));
        assert_eq!(attachment.map(ToDevice).err(), Some(Errno::ENODEV));
        assert_eq!(Attached::new(buffer.clone(), device.clone()).err(), Some(Errno::ENODEV));
        assert_eq!(vmap.read(0, &mut [0; 4]), Err(Errno::ENODEV));
        assert_eq!(Vmap::<TestPlatform>::new(buffer.clone()).err(), Some(Errno::ENODEV));
        assert_eq!(attachment.pin().err(), Some(if dynamic { Errno::ENODEV } else { Errno::EINVAL }));
        buffer.begin_cpu_access(Bidirectional).unwrap();
        drop((mapping, second, attachment, vmap, buffer));
        assert_eq!(device.asked(), []);
        assert_eq!(registry.counts(), Counts::default());
    }
}

#[test]
fn an_attachment_alone_keeps_what_a_buffer_keeps() {
    let module = TestModule::default();
    let registry = registry(Discipline::Lastref);
    let (data, tee) = tee("heap", Some(&module));
    let registration = registry.register(data).unwrap();
    let open = Machine::here().open("heap").unwrap();
    let buffer = TestBuffer::of(Fds::new(1).allocate(&open.heap, 4096).unwrap());
    let attachment = attach(&buffer, &TestDevice::new("dev", false));
    drop((buffer, open));
    registration.unregister().unwrap().free();
    let freed = || tee.freed.load(Ordering::SeqCst);
    assert_eq!((freed(), module.references(), registry.counts().buffers), (false, 1, 1));
    drop(attachment.map(ToDevice).unwrap());
    drop(attachment);
    assert_eq!((freed(), module.references(), registry.counts()), (true, 0, Counts::default()));
}

#[test]
fn the_kernel_reads_what_it_wrote_and_no_further() {
    let (_, registration, buffer) = machine(Discipline::Lastref, 2 * 4096);
    keep(registration);
    let vmap = Vmap::<TestPlatform>::new(buffer).unwrap();
    let bytes: Vec<u8> = (0..5000).map(|n| (n % 251) as u8).collect();
    vmap.write(3000, &bytes).unwrap();
    let mut back = [1; 5002];
    vmap.read(2999, &mut back).unwrap();
    assert_eq!((back[0], &back[1..5001], back[5001]), (0, &bytes[..], 0));
    assert_eq!(vmap.write(8190, &[0; 3]), Err(Errno::EINVAL));
    assert_eq!(vmap.read(usize::MAX, &mut [0; 2]), Err(Errno::EINVAL));
    assert_eq!(vmap.read(8192, &mut []), Ok(()));
}

#[test]
fn attaching_races_with_revoking() {
    for _ in 0..50 {
        Machine::fresh().enter();
        let (registry, registration, buffer) = machine(Discipline::Lastref, 4096);
        let (device, machine) = (TestDevice::new("dev", false), Machine::here());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                machine.enter();
                while let Ok(attachment) = Attached::new(buffer.clone(), device.clone()) {
                    drop(attachment.map(ToDevice));
                }
            });
            registration.unplug().unwrap().free();
            // Nothing is mapped from here on.
            assert_eq!(device.mapped(), 0);
        });
        assert_eq!(device.mapped(), 0);
        drop(buffer);
        assert_eq!(registry.counts(), Counts::default());
    }
}

#[test]
fn it_is_known_which_device_reaches_which_frames() {
    let (registry, registration, buffer) = machine(Discipline::Lastref, 3 * 4096);
    let (mapped, attached) = (TestDevice::new("mapped", false), TestDevice::new("attached", false));
    let only_attached = attach(&buffer, &attached);
    let attachment = attach(&buffer, &mapped);
    let first = buffer.table().runs()[0].start();
    let at = |first, pages| {
        let mut found = Vec::new();
        buffer.each_device_at(Run::new(first, pages).unwrap(), &mut |name| found.push(String::from(name)));
        found
    };
    assert!(at(first, 3).is_empty(), "attached is not mapped");
    let mapping = attachment.map(ToDevice).unwrap();
    let both = attachment.map(FromDevice).unwrap();
    assert_eq!(at(first, 1), ["mapped", "mapped"]);
    assert_eq!(at(first.add_pages(2), 8), ["mapped", "mapped"]);
    assert!(at(first.add_pages(3), 8).is_empty(), "past its end");
    drop(both);
    assert_eq!(at(first, 1), ["mapped"]);
    drop(registration.unplug().unwrap());
    assert!(at(first, 3).is_empty(), "revoked");
    drop((mapping, attachment, only_attached, buffer));
    assert_eq!(registry.counts(), Counts::default());
}
