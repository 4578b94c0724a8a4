//! What `lastref` refuses, keeps and lets go, whoever comes in between.

use super::*;

#[test]
fn lastref_turns_old_files_away_and_frees_at_once() {
    let s = stage(Discipline::Lastref);
    let inode = s.machine.node("tee").unwrap();
    let file = s.machine.open("tee").unwrap();
    s.registration.unregister().unwrap().free();
    assert!(freed(&s.state));
    assert_eq!(s.fds.allocate(&file.heap, 4096).err(), Some(Errno::ENODEV));
    assert_eq!(s.machine.open("tee").err(), Some(Errno::ENOENT));

    // The inode remembers the cdev as long as somebody has it open, and forgets it then.
    assert!(inode.caches_cdev());
    assert_eq!(inode.open().err(), Some(Errno::ENODEV));
    drop(file);
    assert!(!inode.caches_cdev());
    assert_eq!(inode.open().err(), Some(Errno::ENXIO));
    assert_eq!(s.registry.counts(), Counts::default());
}

#[test]
fn lastref_ends_after_the_vfs_s_last_touch() {
    let s = stage(Discipline::Lastref);
    let file = s.machine.open("tee").unwrap();
    drop(s.registration);
    s.machine.events.lock().unwrap().clear();
    drop(file);
    let events: Vec<Event> = s.machine.events.lock().unwrap().clone();
    let devt = crate::DevT::new(252, 0);
    let end = Event::HeapFree { minor: 0 };
    assert_eq!(events, vec![Event::HeapRelease, Event::CdevPut, Event::CdevRelease { devt }, end]);
}

#[test]
fn lastref_gives_the_name_back_at_once_and_the_minor_last() {
    let s = stage(Discipline::Lastref);
    let old_inode = s.machine.node("tee").unwrap();
    let file = s.machine.open("tee").unwrap();
    drop(s.registration);
    let (data, _) = tee("tee", None);
    let again = s.registry.register(data).unwrap();
    assert_eq!(s.machine.node("tee").unwrap().devt().minor(), 1);
    assert_eq!(old_inode.open().err(), Some(Errno::ENODEV));
    s.fds.allocate(&s.machine.open("tee").unwrap().heap, 1).unwrap();
    drop(file);
    assert_eq!(s.registry.counts().minors, 1);
    drop(again);
    assert_eq!(s.registry.counts(), Counts::default());
}

/// Off the list and unpublished first: a call that takes its time keeps neither the node nor the name.
#[test]
fn lastref_is_gone_by_name_while_it_still_waits_for_a_call() {
    let Stage { machine, registry, registration, state, .. } = stage(Discipline::Lastref);
    state.stall.store(true, Ordering::SeqCst);
    let file = machine.open("tee").unwrap();
    thread::scope(|scope| {
        let (alloc_in, remove_in) = (machine.clone(), machine.clone());
        let call = scope.spawn({
            let file = &file;
            move || {
                alloc_in.enter();
                Fds::new(1).allocate(&file.heap, 4096).map(drop)
            }
        });
        while state.in_flight.load(Ordering::SeqCst) == 0 {
            thread::yield_now();
        }
        let removal = scope.spawn(move || {
            remove_in.enter();
            registration.unregister().unwrap().free();
        });
        while machine.node("tee").is_some() {
            thread::yield_now();
        }
        assert_eq!(machine.open("tee").err(), Some(Errno::ENOENT));
        let again = registry.register(tee("tee", None).0).unwrap();
        assert_eq!(machine.node("tee").unwrap().devt().minor(), 1);
        assert!(!removal.is_finished());
        state.stall.store(false, Ordering::SeqCst);
        removal.join().unwrap();
        call.join().unwrap().unwrap();
        drop(again);
    });
    drop(file);
    assert_eq!(registry.counts(), Counts::default());
}

/// Whoever comes by the cdev before the registration's outcome waits for that, and is told the same as who comes
/// after a failure: there is no such heap.
#[test]
fn lastref_never_shows_a_registration_that_fails() {
    for outcome in [None, Some(Errno::ENOMEM)] {
        Machine::fresh().enter();
        let (machine, registry) = (Machine::here(), registry(Discipline::Lastref));
        machine.stall_device.store(true, Ordering::SeqCst);
        *machine.refuse_device.lock().unwrap() = outcome;
        // As one that somebody made with mknod.
        let inode = Inode::new(registry.devt(0));
        let (data, state) = tee("tee", None);
        thread::scope(|scope| {
            let (register_in, open_in) = (machine.clone(), machine.clone());
            let registering = scope.spawn(move || {
                register_in.enter();
                registry.register(data)
            });
            let opening = scope.spawn({
                let inode = inode.clone();
                move || {
                    open_in.enter();
                    while !inode.caches_cdev() {
                        match inode.open() {
                            Err(Errno::ENXIO) => thread::yield_now(),
                            outcome => return outcome.map(drop),
                        }
                    }
                    Ok(())
                }
            });
            while !inode.caches_cdev() {
                thread::yield_now();
            }
            thread::sleep(Duration::from_millis(10));
            let unseen = !opening.is_finished() && machine.node("tee").is_none();
            machine.stall_device.store(false, Ordering::SeqCst);
            assert!(unseen, "somebody saw it before it was sure to exist");
            let registration = registering.join().unwrap();
            assert_eq!(registration.as_ref().err(), outcome.as_ref());
            assert_eq!(opening.join().unwrap().err(), outcome.map(|_| Errno::ENODEV));
            drop(registration);
        });
        assert_eq!(inode.open().err(), Some(Errno::ENXIO));
        assert!(machine.node("tee").is_none() && freed(&state));
        assert_eq!(registry.counts(), Counts::default());
    }
}

/// The number is held until the shell ends, whoever still has it: a buffer alone will do.
#[test]
fn lastref_holds_the_minor_for_a_buffer_too() {
    let s = stage(Discipline::Lastref);
    let buffer = s.fds.allocate(&s.machine.open("tee").unwrap().heap, 4096).unwrap();
    drop(s.registration);
    let again = s.registry.register(tee("tee", None).0).unwrap();
    assert_eq!(s.machine.node("tee").unwrap().devt().minor(), 1);
    drop(buffer);
    let third = s.registry.register(tee("third", None).0).unwrap();
    assert_eq!(s.machine.node("third").unwrap().devt().minor(), 0);
    drop((again, third));
    assert_eq!(s.registry.counts(), Counts::default());
}

#[test]
fn lastref_buffers_outlive_everything() {
    let s = stage(Discipline::Lastref);
    let buffer = s.fds.allocate(&s.machine.open("tee").unwrap().heap, 1 << 20).unwrap();
    assert_eq!(s.module.references(), 1);
    s.registration.unregister().unwrap().free();
    assert!(!freed(&s.state));
    assert!(fdinfo(&buffer).contains("exp_name:\ttee\n"));
    assert_eq!(s.registry.counts(), Counts { heaps: 1, minors: 1, buffers: 1, buffer_bytes: 1 << 20 });
    drop(buffer);
    assert!(freed(&s.state));
    assert_eq!((s.module.references(), s.machine.frames_used()), (0, 0));
    assert_eq!(s.registry.counts(), Counts::default());
}

/// Everything at once: opens, allocations, closes and late releases from three threads, against one that
/// registers and unregisters the same name.
#[test]
fn lastref_survives_a_storm() {
    const ROUNDS: usize = 300;
    Machine::fresh().enter();
    let (machine, registry) = (Machine::here(), registry(Discipline::Lastref));
    let done = AtomicBool::new(false);
    let storm = || {
        let fds = Fds::new(usize::MAX);
        let (mut buffers, mut inodes) = (Vec::new(), Vec::new());
        while !done.load(Ordering::SeqCst) {
            inodes.extend(machine.node("tee"));
            let file = inodes.last().map(|inode| inode.open());
            if let Some(Ok(file)) = file {
                buffers.extend(fds.allocate(&file.heap, 4096));
                thread::yield_now();
                buffers.extend(fds.allocate(&file.heap, 4096));
            }
            if buffers.len() > 8 {
                assert!(buffers.drain(..4).all(|buffer| fdinfo(&buffer).contains("tee")));
            }
            inodes.drain(..inodes.len().saturating_sub(3));
        }
    };
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                machine.clone().enter();
                storm();
            });
        }
        for round in 0..ROUNDS {
            let before = machine.count(Event::BufferAlloc { size: 4096 });
            let registration = registry.register(tee("tee", None).0).unwrap();
            thread::sleep(Duration::from_micros(200));
            // However busy the host is, most heaps are used before they go.
            while round % 3 != 0 && machine.count(Event::BufferAlloc { size: 4096 }) == before {
                thread::yield_now();
            }
            registration.unregister().unwrap().free();
        }
        done.store(true, Ordering::SeqCst);
    });
    assert!(machine.count(Event::BufferAlloc { size: 4096 }) > ROUNDS / 2);
    assert_eq!((registry.counts(), machine.frames_used()), (Counts::default(), 0));
    assert_eq!(machine.faults.lock().unwrap().len(), 0);
}

/// The other path of [`Platform::meet`](crate::Platform::meet): unregisters, and frees.
fn removal(registration: Registration<P>) -> crate::testing::OtherPath {
    std::boxed::Box::new(|| registration.unregister().unwrap().free())
}

#[test]
fn lastref_refuses_who_is_overtaken_by_the_removal_at_any_point_of_open() {
    for point in [Point::Open, Point::Found] {
        let Stage { machine, registry, registration, state, .. } = stage(Discipline::Lastref);
        *machine.meeting.lock().unwrap() = Some((point, removal(registration)));
        assert_eq!(machine.open("tee").err(), Some(Errno::ENODEV), "{point:?}");
        assert!(freed(&state) && machine.meeting.lock().unwrap().is_none());
        assert_eq!(registry.counts(), Counts::default());
    }
}

#[test]
fn lastref_takes_the_memory_from_who_maps_it_before_it_goes() {
    let s = stage(Discipline::Lastref);
    let file = s.machine.open("tee").unwrap();
    let buffer = s.fds.allocate(&file.heap, 4096).unwrap();
    let request = MapRequest { offset: 0, len: 4096, shared: true, write: true, file_writable: true };
    assert!(buffer.mmap(request).is_ok() && !buffer.is_revoked());
    s.registration.unplug().unwrap().free();
    assert_eq!(s.machine.unmapped.load(Ordering::Relaxed), 1);
    assert_eq!((buffer.is_revoked(), buffer.mmap(request).err()), (true, Some(Errno::ENODEV)));
    // Its release still finds the provider.
    assert!(!freed(&s.state));
    drop(buffer);
    assert!(freed(&s.state));
}

#[test]
fn lastref_finds_refuse_once_the_heap_has_gone_and_never_mean_another() {
    let s = stage(Discipline::Lastref);
    let found = s.registry.find("tee").unwrap();
    let buffer = found.allocate_buffer(5000).unwrap();
    assert_eq!((buffer.size(), found.allocate_buffer(0).map(drop)), (8192, Err(Errno::EINVAL)));
    // Whoever found a heap does not keep it.
    s.registration.unregister().unwrap().free();
    assert_eq!(s.registry.find("tee").map(drop), Err(Errno::ENOENT));
    assert_eq!(found.allocate_buffer(4096).map(drop), Err(Errno::ENODEV));
    // Nor does the name lead it to the next heap of that name.
    let (data, next) = tee("tee", None);
    let again = s.registry.register(data).unwrap();
    assert_eq!(found.attributes(), Err(Errno::ENODEV));
    let found_next = s.registry.find("tee").unwrap();
    assert!(found_next.allocate_buffer(1).is_ok());
    drop(found);
    // A buffer keeps the provider that releases it, and that alone.
    assert!(!freed(&s.state));
    drop(buffer);
    assert!(freed(&s.state) && !freed(&next));
    drop((again, found_next));
    assert!(freed(&next));
    assert_eq!((s.registry.counts(), s.machine.frames_used()), (Counts::default(), 0));
}

#[test]
fn lastref_lets_finders_race_the_removal() {
    let machine = Machine::here();
    let registry = registry(Discipline::Lastref);
    let stop = AtomicBool::new(false);
    let find = || {
        machine.clone().enter();
        while !stop.load(Ordering::Relaxed) {
            match registry.find("tee").and_then(|found| found.allocate_buffer(4096)) {
                Ok(buffer) => drop(buffer),
                Err(errno) => assert!([Errno::ENOENT, Errno::ENODEV].contains(&errno), "{errno}"),
            }
        }
    };
    std::thread::scope(|scope| {
        let _finders = [(); 2].map(|()| scope.spawn(find));
        for _ in 0..200 {
            let registration = registry.register(tee("tee", None).0).unwrap();
            // Somebody has been served before it goes, whoever it is.
            drop(registry.find("tee").unwrap().allocate_buffer(4096).unwrap());
            std::thread::yield_now();
            registration.unregister().unwrap().free();
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!((registry.counts(), machine.frames_used()), (Counts::default(), 0));
    assert_eq!(machine.faults.lock().unwrap().len(), 0);
}
