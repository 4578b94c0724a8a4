//! What each discipline does in the orderings that matter, as far as a host can run them: where a discipline goes
//! on to touch freed memory, the test stops short and counts what the platform was told.

mod lastref;

use std::string::String;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;
use std::vec;
use std::vec::Vec;

use super::*;
use crate::dma_buf::MapRequest;
use crate::platform::{Event, Point};
use crate::registry::Counts;
use crate::testing::{Fds, Inode, Machine, OpenFile, TeeState, TestModule, TestRegistry, registry, tee};
use crate::{DmaBuf, Registration};

type P = crate::testing::TestPlatform;

struct Stage {
    machine: Arc<Machine>,
    registry: &'static TestRegistry,
    registration: Registration<P>,
    module: TestModule,
    state: Arc<TeeState>,
    fds: Fds,
}

/// One registered heap, `tee`, on a new machine.
fn stage(discipline: Discipline) -> Stage {
    Machine::fresh().enter();
    let registry = registry(discipline);
    let module = TestModule::default();
    let (data, state) = tee("tee", Some(&module));
    let registration = registry.register(data).unwrap();
    Stage { machine: Machine::here(), registry, registration, module, state, fds: Fds::new(16) }
}

fn freed(state: &TeeState) -> bool {
    state.freed.load(Ordering::SeqCst)
}

fn fdinfo(buffer: &DmaBuf<P>) -> String {
    let mut text = String::new();
    buffer.fdinfo(&mut text, 1).unwrap();
    text
}

#[test]
fn names_are_read_back() {
    for discipline in Discipline::ALL {
        assert_eq!(discipline.name().parse(), Ok(discipline));
    }
    assert_eq!("Lastref".parse::<Discipline>(), Err(Errno::EINVAL));
    assert_eq!(Discipline::default(), Discipline::Lastref);
}

#[test]
fn everything_closed_before_unregistering_is_sound() {
    for discipline in Discipline::ALL {
        let s = stage(discipline);
        let file = s.machine.open("tee").unwrap();
        let buffer = s.fds.allocate(&file.heap, 10_000).unwrap();
        assert_eq!(s.registry.counts(), Counts { heaps: 1, minors: 1, buffers: 1, buffer_bytes: 12288 });
        assert!(fdinfo(&buffer).contains("exp_name:\ttee\n"));
        drop(file);
        drop(buffer);
        assert_eq!(s.machine.frames_used(), 0);
        assert_eq!(s.module.references(), 0);
        let left = match discipline {
            Discipline::Upstream => {
                assert!(s.registration.unregister().is_err());
                1
            }
            Discipline::KrefOpen => {
                // The reference that open took is never given back: the heap leaks, and its node with it. (Its
                // name is kept here, for a look at the list would touch it.)
                core::mem::forget(s.registration.unregister().unwrap());
                assert!(s.machine.node("tee").is_some());
                1
            }
            _ => {
                s.registration.unregister().unwrap().free();
                assert!(freed(&s.state) && s.machine.node("tee").is_none());
                0
            }
        };
        assert_eq!((s.registry.counts().heaps, s.registry.counts().minors), (left, left), "{discipline}");
        assert_eq!(s.machine.faults.lock().unwrap().len(), 0);
    }
}

/// Unregistering under `upstream` changes nothing: the heap still opens, allocates, and has its name.
#[test]
fn upstream_refuses_and_goes_on_as_before() {
    let s = stage(Discipline::Upstream);
    let file = s.machine.open("tee").unwrap();
    let refused = s.registration.unregister().err().unwrap();
    assert_eq!(refused.errno, Errno::EBUSY);
    s.fds.allocate(&file.heap, 4096).map(drop).unwrap();
    s.fds.allocate(&s.machine.open("tee").unwrap().heap, 4096).map(drop).unwrap();
    assert_eq!(s.registry.register(tee("tee", None).0).err(), Some(Errno::EEXIST));
    assert_eq!(refused.registration.unregister().err().unwrap().errno, Errno::EBUSY);
    assert!(!freed(&s.state));
}

#[test]
fn kref_full_keeps_the_provider_for_buffers_but_stays_findable() {
    let s = stage(Discipline::KrefFull);
    let file = s.machine.open("tee").unwrap();
    assert_eq!(s.module.references(), 1);
    let buffer = s.fds.allocate(&file.heap, 1 << 20).unwrap();
    assert_eq!(s.module.references(), 2);
    drop(file);
    s.registration.unregister().unwrap().free();
    assert!(!freed(&s.state));
    assert!(s.machine.node("tee").is_some(), "H4: unpublished only with the last reference");
    assert!(fdinfo(&buffer).contains("exp_name:\ttee\n"));
    drop(buffer);
    assert!(freed(&s.state) && s.machine.node("tee").is_none());
    assert_eq!((s.module.references(), s.registry.counts()), (0, Counts::default()));
}

#[test]
fn pinning_disciplines_do_not_allocate_for_a_module_that_is_going() {
    for discipline in [Discipline::KrefFull, Discipline::Lastref] {
        let s = stage(discipline);
        let file = s.machine.open("tee").unwrap();
        s.module.going();
        assert_eq!(s.fds.allocate(&file.heap, 4096).err(), Some(Errno::ENODEV));
        assert_eq!((s.machine.frames_used(), s.registry.counts().buffers), (0, 0));
        drop(file);
        drop(s.registration);
        assert_eq!((s.module.references(), s.registry.counts()), (0, Counts::default()));
    }
}

#[test]
fn unregistering_waits_for_calls_in_flight() {
    for discipline in [Discipline::RevokeRwlock, Discipline::RevokeRcu, Discipline::Lastref] {
        let Stage { machine, registry, registration, state, .. } = stage(discipline);
        state.stall.store(true, Ordering::SeqCst);
        let file = machine.open("tee").unwrap();
        let buffer = thread::scope(|scope| {
            let (alloc_in, remove_in) = (machine.clone(), machine.clone());
            let call = scope.spawn({
                let file = &file;
                move || {
                    alloc_in.enter();
                    Fds::new(1).allocate(&file.heap, 4096)
                }
            });
            while state.in_flight.load(Ordering::SeqCst) == 0 {
                thread::yield_now();
            }
            let removal = scope.spawn(move || {
                remove_in.enter();
                registration.unregister().unwrap().free();
            });
            thread::sleep(Duration::from_millis(20));
            assert!(!removal.is_finished() && !freed(&state), "{discipline}");
            state.stall.store(false, Ordering::SeqCst);
            removal.join().unwrap();
            call.join().unwrap().unwrap()
        });
        assert_eq!(Fds::new(1).allocate(&file.heap, 4096).err(), Some(Errno::ENODEV));
        if discipline == Discipline::Lastref {
            assert!(fdinfo(&buffer).contains("tee"));
            drop(buffer);
            drop(file);
            assert_eq!(registry.counts(), Counts::default());
        } else {
            // Their buffers dangle now, and their last close would (H5, H10).
            assert!(freed(&state));
            core::mem::forget((buffer, file));
        }
    }
}

/// The hazards, by what the platform hears of them just before memory would be touched that is gone.
#[test]
fn the_flaws_are_where_the_review_says() {
    // H1 under the patch alone: unregistering frees the heap under an open file.
    let s = stage(Discipline::Kref);
    let file = s.machine.open("tee").unwrap();
    s.registration.unregister().unwrap().free();
    assert_eq!(s.machine.count(Event::HeapFree { minor: 0 }), 1);
    core::mem::forget(file);

    for discipline in [Discipline::KrefOpenClose, Discipline::RevokeRwlock, Discipline::RevokeRcu] {
        let s = stage(discipline);
        let OpenFile { heap, cdev, .. } = s.machine.open("tee").unwrap();
        s.registration.unregister().unwrap().free();
        // Points 1 and 2 keep the structure, not the provider.
        assert_eq!(s.machine.count(Event::HeapFree { minor: 0 }), 0);
        assert!(freed(&s.state));
        // H4: the heap can still be found.
        assert!(s.machine.node("tee").is_some());
        // H5: release frees the heap while the VFS has its cdev.
        drop(heap);
        assert_eq!(s.machine.count(Event::HeapFree { minor: 0 }), 1);
        assert_eq!(s.machine.count(Event::CdevRelease { devt: crate::DevT::new(252, 0) }), 0);
        core::mem::forget(cdev);
    }

    // H5 under kref-full: all three points, and still.
    let s = stage(Discipline::KrefFull);
    let OpenFile { heap, cdev, .. } = s.machine.open("tee").unwrap();
    s.registration.unregister().unwrap().free();
    s.fds.allocate(&heap, 4096).map(drop).unwrap();
    drop(heap);
    assert_eq!(s.machine.count(Event::HeapFree { minor: 0 }), 1);
    assert_eq!(s.machine.count(Event::CdevRelease { devt: crate::DevT::new(252, 0) }), 0);
    core::mem::forget(cdev);
}

#[test]
fn a_heap_is_found_by_name_and_let_go() {
    for discipline in Discipline::ALL {
        let s = stage(discipline);
        let other = s.registry.register(tee("other", None).0).unwrap();
        assert_eq!(s.registry.find("nobody").err(), Some(Errno::ENOENT), "{discipline}");
        for name in ["tee", "other"] {
            let found = s.registry.find(name).unwrap();
            let buffer = s.fds.allocate(&found, 4096).unwrap();
            assert!(fdinfo(&buffer).contains(&std::format!("exp_name:\t{name}\n")), "{discipline}");
            drop(found);
        }
        if discipline != Discipline::Upstream && discipline != Discipline::KrefOpen {
            drop((other, s.registration));
            assert_eq!(s.registry.counts(), Counts::default(), "{discipline}");
        } else {
            core::mem::forget((other, s.registration));
        }
    }
}

#[test]
fn the_others_know_of_no_mappings() {
    let s = stage(Discipline::KrefFull);
    let file = s.machine.open("tee").unwrap();
    let buffer = s.fds.allocate(&file.heap, 4096).unwrap();
    drop(file);
    s.registration.unplug().unwrap().free();
    assert_eq!((s.machine.unmapped.load(Ordering::Relaxed), buffer.is_revoked()), (0, false));
}
