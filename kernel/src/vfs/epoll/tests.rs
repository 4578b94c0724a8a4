use core::sync::atomic::AtomicBool;
use std::sync::Arc;
use std::time::Duration;

use heaps::{Errno, Result};

use super::*;
use crate::arch::now_ns;
use crate::vfs::file::{POLLIN, POLLOUT, close_put_off};
use crate::vfs::flags::O_NONBLOCK;
use crate::vfs::{eventfd, pipe, poll};

fn counter(count: u32) -> Arc<File> {
    eventfd::new(count, false, O_NONBLOCK).unwrap()
}

fn add(at: &Arc<File>, file: &Arc<File>, events: Events) -> Result<()> {
    control(at, file, 7, Change::Add(Interest { events, data: u64::from(events) }))
}

fn write(file: &File, n: u64) {
    assert_eq!(file.write(&mut &n.to_ne_bytes()[..]), Ok(8));
}

fn read(file: &File) -> Result<u64> {
    let mut bytes = [0; 8];
    file.read(&mut crate::vfs::io::KernelSink::new(&mut bytes))?;
    Ok(u64::from_ne_bytes(bytes))
}

fn wait(at: &File, most: usize, deadline: Option<u64>) -> Result<Vec<Interest>> {
    let mut got = Vec::new();
    of(at).unwrap().wait(most, deadline, &mut |event| {
        got.push(event);
        Ok(())
    })?;
    Ok(got)
}

fn now(at: &File) -> Vec<Events> {
    wait(at, 8, Some(0)).unwrap().iter().map(|event| event.events).collect()
}

#[test]
fn a_level_is_reported_while_it_lasts_and_an_edge_once() {
    let (ep, level, edge) = (new().unwrap(), counter(0), counter(0));
    add(&ep, &level, POLLIN).unwrap();
    add(&ep, &edge, POLLIN | EPOLLET).unwrap();
    assert_eq!(now(&ep), []);
    write(&level, 1);
    write(&edge, 1);
    assert_eq!(now(&ep), [POLLIN; 2]);
    assert_eq!(now(&ep), [POLLIN]);
    write(&edge, 1);
    assert_eq!(wait(&ep, 8, Some(0)).unwrap()[1].data, u64::from(POLLIN | EPOLLET));
    assert_eq!(read(&level), Ok(1));
    assert_eq!(now(&ep), []);
    // Reading tells of room alone.
    assert_eq!(read(&edge), Ok(2));
    write(&edge, 1);
    assert_eq!(read(&edge), Ok(1));
    assert_eq!(now(&ep), []);
}

#[test]
fn a_shot_is_fired_once_until_it_is_loaded_again() {
    let (ep, file) = (new().unwrap(), counter(1));
    add(&ep, &file, POLLIN | EPOLLONESHOT).unwrap();
    assert_eq!(now(&ep), [POLLIN]);
    write(&file, 1);
    assert_eq!(now(&ep), []);
    control(&ep, &file, 7, Change::Modify(Interest { events: POLLIN | POLLOUT, data: 0 })).unwrap();
    assert_eq!(now(&ep), [POLLIN | POLLOUT]);
}

#[test]
fn wrong_changes_are_refused() {
    let (ep, file) = (new().unwrap(), counter(0));
    let change = |change| control(&ep, &file, 7, change);
    let interest = |events| Interest { events, data: 0 };
    assert_eq!(change(Change::Delete), Err(Errno::ENOENT));
    assert_eq!(change(Change::Modify(interest(0))), Err(Errno::ENOENT));
    assert_eq!(change(Change::Modify(interest(EPOLLEXCLUSIVE))), Err(Errno::EINVAL));
    assert_eq!(change(Change::Add(interest(EPOLLEXCLUSIVE | EPOLLONESHOT))), Err(Errno::EINVAL));
    assert_eq!(change(Change::Add(interest(EPOLLEXCLUSIVE | POLLIN))), Ok(()));
    assert_eq!(change(Change::Add(interest(POLLIN))), Err(Errno::EEXIST));
    assert_eq!(change(Change::Modify(interest(POLLIN))), Err(Errno::EINVAL));
    // The same file by another descriptor is another item.
    assert_eq!(control(&ep, &file, 8, Change::Add(interest(POLLIN))), Ok(()));
    write(&file, 1);
    assert_eq!(now(&ep), [POLLIN; 2]);
    assert_eq!(change(Change::Delete), Ok(()));
    assert_eq!(now(&ep), [POLLIN]);
    assert_eq!(add(&ep, &ep, POLLIN), Err(Errno::EINVAL));
    assert_eq!(add(&file, &ep, POLLIN), Err(Errno::EINVAL));
}

#[test]
fn a_file_goes_with_its_last_close_and_an_epoll_with_its_own() {
    let (ep, file) = (new().unwrap(), counter(1));
    let again = file.clone();
    add(&ep, &file, POLLIN).unwrap();
    drop(file);
    assert_eq!(now(&ep), [POLLIN]);
    let gone = Arc::downgrade(&again);
    drop(again);
    assert_eq!(now(&ep), []);
    assert!(of(&ep).unwrap().all().unwrap().is_empty() && gone.strong_count() == 0);
    let file = counter(1);
    add(&ep, &file, POLLIN).unwrap();
    drop(ep);
    assert!(file.links().unwrap().is_empty());
}

#[test]
fn a_last_close_while_polling_is_put_off() {
    let (ep, file) = (new().unwrap(), counter(1));
    add(&ep, &file, POLLIN).unwrap();
    let item = of(&ep).unwrap().all().unwrap().remove(0);
    let held = item.file().unwrap();
    drop(file);
    put(held);
    close_put_off();
    assert!(item.file().is_none());
    assert_eq!(now(&ep), []);
}

#[test]
fn any_number_of_last_closes_is_put_off() {
    let ep = new().unwrap();
    let files: Vec<_> = (0..40).map(|_| counter(1)).collect();
    for file in &files {
        add(&ep, file, POLLIN).unwrap();
    }
    let items = of(&ep).unwrap().all().unwrap();
    let held: Vec<_> = items.iter().map(|item| item.file().unwrap()).collect();
    drop(files);
    held.into_iter().for_each(put);
    // Watched until they are closed, which they are not yet.
    assert_eq!(of(&ep).unwrap().all().unwrap().len(), 40);
    assert!(items.iter().all(|item| item.file().is_none()));
    close_put_off();
    assert!(of(&ep).unwrap().all().unwrap().is_empty());
}

#[test]
fn epolls_nest_a_little_and_never_in_circles() {
    let chain: Vec<_> = (0..7).map(|_| new().unwrap()).collect();
    for pair in chain[..5].windows(2) {
        add(&pair[0], &pair[1], POLLIN).unwrap();
    }
    assert_eq!(add(&chain[4], &chain[0], POLLIN), Err(Errno::ELOOP));
    assert_eq!(add(&chain[1], &chain[0], POLLIN), Err(Errno::ELOOP));
    assert_eq!(add(&chain[4], &chain[5], POLLIN), Err(Errno::ELOOP));
    assert_eq!(add(&chain[5], &chain[0], POLLIN), Err(Errno::ELOOP));
    add(&chain[5], &chain[6], POLLIN).unwrap();
    assert_eq!(add(&chain[4], &chain[5], POLLIN), Err(Errno::ELOOP));
    let file = counter(0);
    add(&chain[4], &file, POLLIN).unwrap();
    assert_eq!(now(&chain[0]), []);
    write(&file, 1);
    assert_eq!(now(&chain[0]), [POLLIN]);
    read(&file).unwrap();
    assert_eq!(now(&chain[0]), []);
    assert_eq!(chain[1].poll(), 0);
}

#[test]
fn an_exclusive_watcher_that_takes_an_event_keeps_it_from_the_next() {
    let (first, second, both, file) = (new().unwrap(), new().unwrap(), new().unwrap(), counter(0));
    add(&first, &file, POLLIN | EPOLLEXCLUSIVE | EPOLLET).unwrap();
    add(&second, &file, POLLIN | EPOLLEXCLUSIVE | EPOLLET).unwrap();
    add(&both, &file, POLLIN | EPOLLET).unwrap();
    write(&file, 1);
    assert_eq!([now(&first), now(&second), now(&both)], [[POLLIN]; 3], "nobody waits");
    let done = Arc::new(AtomicBool::new(false));
    let end = done.clone();
    let waiter = std::thread::spawn(move || {
        while !end.load(Ordering::Relaxed) {
            wait(&first, 1, Some(now_ns() + 10_000_000)).unwrap();
        }
    });
    // Sooner or later it sleeps.
    while {
        write(&file, 1);
        assert_eq!(now(&both), [POLLIN]);
        now(&second) == [POLLIN]
    } {
        std::thread::yield_now();
    }
    done.store(true, Ordering::Relaxed);
    waiter.join().unwrap();
}

#[test]
fn a_fault_loses_no_event() {
    let (ep, file) = (new().unwrap(), counter(1));
    add(&ep, &file, POLLIN | EPOLLET | EPOLLONESHOT).unwrap();
    let fault = of(&ep).unwrap().wait(1, Some(0), &mut |_| Err(Errno::EFAULT));
    assert_eq!(fault, Err(Errno::EFAULT));
    assert_eq!(now(&ep), [POLLIN]);
}

#[test]
fn waiters_are_woken_and_share() {
    let ep = new().unwrap();
    let pairs: Vec<_> = (0..2).map(|_| pipe::new(0).unwrap()).collect();
    for (reader, _) in &pairs {
        add(&ep, reader, POLLIN | EPOLLET).unwrap();
    }
    let soon = || Some(now_ns() + 10_000_000_000);
    let waiters: Vec<_> = (0..2)
        .map(|_| {
            let ep = ep.clone();
            std::thread::spawn(move || wait(&ep, 1, soon()).unwrap().len())
        })
        .collect();
    std::thread::sleep(Duration::from_millis(20));
    for (_, writer) in &pairs {
        writer.write(&mut &b"x"[..]).unwrap();
    }
    assert!(waiters.into_iter().all(|waiter| waiter.join().unwrap() == 1));
    assert_eq!(wait(&ep, 1, Some(now_ns() + 1_000_000)).unwrap(), []);
    drop(pairs);
    assert!(of(&ep).unwrap().all().unwrap().is_empty());
}

#[test]
fn a_poller_waits_for_an_epoll() {
    let (ep, file) = (new().unwrap(), counter(0));
    add(&ep, &file, POLLIN).unwrap();
    let writer = file.clone();
    let later = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(20));
        write(&writer, 3);
    });
    let ready = poll::wait([&*ep].into_iter(), None, || usize::from(ep.poll() & POLLIN != 0));
    assert_eq!(ready, Ok(1));
    later.join().unwrap();
}
