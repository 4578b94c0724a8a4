//! Names, minors and roll-back, under every discipline.

use std::format;
use std::vec::Vec;

use super::*;
use crate::platform::Event;
use crate::testing::{Machine, TestModule, fail_nth, registry, tee};

#[test]
fn a_heap_comes_and_goes() {
    for discipline in Discipline::ALL {
        let registry = registry(discipline);
        let machine = Machine::here();
        let module = TestModule::default();
        let (data, state) = tee("one", Some(&module));
        let registration = registry.register(data).unwrap();
        assert_eq!(registration.name(), "one");
        assert!(machine.node("one").is_some());
        assert_eq!((registry.counts().heaps, registry.counts().minors), (1, 1));
        assert_eq!(registry.set_discipline(Discipline::Kref), Err(Errno::EBUSY));
        match registration.unregister() {
            Ok(data) => {
                assert_ne!(discipline, Discipline::Upstream);
                assert_eq!(data.name(), "one");
                data.free();
                assert!(state.freed.load(Ordering::SeqCst), "{discipline}");
                assert!(machine.node("one").is_none());
                assert_eq!(registry.counts(), Counts::default());
                assert_eq!(registry.set_discipline(Discipline::Kref), Ok(()));
            }
            Err(refused) => {
                assert_eq!((discipline, refused.errno), (Discipline::Upstream, Errno::EBUSY));
                drop(refused.registration);
                assert!(!state.freed.load(Ordering::SeqCst));
                assert_eq!(registry.counts().heaps, 1);
                machine.open("one").unwrap();
                Machine::fresh().enter();
            }
        }
        assert_eq!(module.references(), 0);
    }
}

#[test]
fn there_are_128_minors() {
    for discipline in Discipline::ALL {
        Machine::fresh().enter();
        let registry = registry(discipline);
        let mut registrations: Vec<_> = (0..NUM_HEAP_MINORS)
            .map(|n| registry.register(tee(&format!("heap{n}"), None).0).unwrap())
            .collect();
        let (data, state) = tee("one more", None);
        assert_eq!(registry.register(data).err(), Some(Errno::EBUSY), "{discipline}");
        assert!(state.freed.load(Ordering::SeqCst));
        assert_eq!(registry.counts().heaps, NUM_HEAP_MINORS);
        if discipline != Discipline::Upstream {
            registrations.swap_remove(7).unregister().unwrap().free();
            let again = registry.register(tee("one more", None).0).unwrap();
            assert_eq!(Machine::here().node("one more").unwrap().devt(), registry.devt(7));
            drop(again);
        }
    }
}

fn is_made(event: &&Event) -> bool {
    matches!(event, Event::HeapAdd { .. })
}

#[test]
fn a_name_is_had_once() {
    for discipline in Discipline::ALL {
        Machine::fresh().enter();
        let registry = registry(discipline);
        let first = registry.register(tee("twin", None).0).unwrap();
        let before = registry.counts();
        assert_eq!(registry.register(tee("twin", None).0).err(), Some(Errno::EEXIST), "{discipline}");
        assert_eq!(registry.counts(), before);
        // Under `lastref` it is refused before there is anything that somebody could open.
        let made = Machine::here().events.lock().unwrap().iter().filter(is_made).count();
        assert_eq!(made, if discipline == Discipline::Lastref { 1 } else { 2 }, "{discipline}");
        Machine::here().open("twin").unwrap();
        drop(first);
    }
}

#[test]
fn a_name_is_a_file_name() {
    for name in ["", ".", "..", "a/b", "a\0b", &"x".repeat(256)] {
        let (ops, _) = crate::testing::Tee::new();
        assert_eq!(crate::testing::Data::new(name, ops, None).err(), Some(Errno::EINVAL));
    }
}

#[test]
fn a_heap_has_a_name_and_operations() {
    for (named, works) in [(false, false), (false, true), (true, false), (true, true)] {
        let (ops, state) = crate::testing::Tee::new();
        let ops = works.then(|| Box::new(ops) as Box<dyn crate::HeapOps>);
        let made = crate::testing::Data::boxed(named.then_some("whole"), ops, "a test's", None);
        let refused = (!(named && works)).then_some(Errno::EINVAL);
        assert_eq!(made.as_ref().err(), refused.as_ref(), "name {named}, operations {works}");
        drop(made);
        assert!(state.freed.load(Ordering::SeqCst), "name {named}, operations {works}");
    }
}

#[test]
fn a_heap_without_a_node_never_was() {
    for discipline in Discipline::ALL {
        Machine::fresh().enter();
        let registry = registry(discipline);
        *Machine::here().refuse_device.lock().unwrap() = Some(Errno::ENOMEM);
        let (data, state) = tee("nodeless", None);
        assert_eq!(registry.register(data).err(), Some(Errno::ENOMEM), "{discipline}");
        assert!(state.freed.load(Ordering::SeqCst));
        assert_eq!(registry.counts(), Counts::default());
        drop(registry.register(tee("nodeless", None).0).unwrap());
    }
}

#[test]
fn running_out_of_memory_at_any_step_rolls_back() {
    for discipline in Discipline::ALL {
        Machine::fresh().enter();
        let registry = registry(discipline);
        let mut n = 0;
        loop {
            let (ops, state) = crate::testing::Tee::new();
            let (result, refused) = fail_nth(n, || {
                crate::testing::Data::new("scarce", ops, None).and_then(|data| registry.register(data))
            });
            if !refused {
                assert!(result.is_ok());
                break;
            }
            assert_eq!(result.err(), Some(Errno::ENOMEM), "{discipline}, allocation {n}");
            assert!(state.freed.load(Ordering::SeqCst));
            assert_eq!(registry.counts(), Counts::default());
            n += 1;
        }
        assert!(n >= 3, "{discipline} made {n} allocations");
    }
}
