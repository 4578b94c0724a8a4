//! The races of the refcount, of open against the last put, of readers against a grace period, and of an array's parts
//! against who waits for them, in every interleaving. Each rule has its broken twin, which must fail: a model that cannot fail shows nothing.

use std::panic::catch_unwind;
use std::sync::Arc as StdArc;

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

use crate::Errno;
use crate::fence::gather::Gather;
use crate::platform::WaitQueue;
use crate::refcount::Refcount;
use crate::srcu::Srcu;

/// Explores `model` with `preemptions` at most, and says whether it held throughout.
fn holds(preemptions: usize, model: impl Fn() + Sync + Send + std::panic::RefUnwindSafe + 'static) -> bool {
    let model = StdArc::new(model);
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    catch_unwind(move || builder.check(move || model())).is_ok()
}

/// A heap, as open and the last put see it. Its memory stays, so that touching it too late is an assertion.
struct Heap {
    count: Refcount,
    freed: AtomicBool,
}

impl Heap {
    fn touch(&self) -> &Refcount {
        assert!(!self.freed.load(Ordering::SeqCst), "touched after it was freed");
        &self.count
    }
}

/// The minor table with one heap, and its lock.
struct Table(Mutex<Option<Arc<Heap>>>);

impl Table {
    fn new() -> Arc<Table> {
        let heap = Heap { count: Refcount::new(1), freed: AtomicBool::new(false) };
        Arc::new(Table(Mutex::new(Some(Arc::new(heap)))))
    }

    fn heap(&self) -> Option<Arc<Heap>> {
        self.0.lock().unwrap().clone()
    }

    fn put(&self, heap: &Heap) {
        if heap.touch().dec_and_test().unwrap() {
            *self.0.lock().unwrap() = None;
            heap.freed.store(true, Ordering::SeqCst);
        }
    }

    fn unregister(&self, heap: &Heap) {
        self.put(heap);
    }
}

/// Runs `openers` opens by `get`, each closed again, against unregistering.
fn opens_against_last_put(openers: usize, get: fn(&Table) -> Option<Arc<Heap>>) {
    let table = Table::new();
    let heap = table.heap().unwrap();
    let threads: Vec<_> = (0..openers)
        .map(|_| {
            let table = table.clone();
            thread::spawn(move || {
                if let Some(heap) = get(&table) {
                    heap.touch();
                    table.put(&heap);
                }
            })
        })
        .collect();
    table.unregister(&heap);
    for thread in threads {
        thread.join().unwrap();
    }
    assert!(heap.freed.load(Ordering::SeqCst), "leaked");
}

fn naive_get(table: &Table) -> Option<Arc<Heap>> {
    let minors = table.0.lock().unwrap();
    let heap = minors.as_ref()?;
    heap.touch().inc().expect("a get on a dead object");
    Some(heap.clone())
}

fn get_unless_zero(table: &Table) -> Option<Arc<Heap>> {
    let minors = table.0.lock().unwrap();
    let heap = minors.as_ref()?;
    heap.touch().inc_not_zero().unwrap().then(|| heap.clone())
}

fn get_unless_zero_unlocked(table: &Table) -> Option<Arc<Heap>> {
    let heap = table.heap()?;
    heap.touch().inc_not_zero().unwrap().then_some(heap)
}

#[test]
fn a_naive_get_fails() {
    assert!(!holds(3, || opens_against_last_put(1, naive_get)));
}

#[test]
fn get_unless_zero_under_the_lock_holds() {
    assert!(holds(4, || opens_against_last_put(1, get_unless_zero)));
    assert!(holds(3, || opens_against_last_put(2, get_unless_zero)));
}

#[test]
fn get_unless_zero_without_the_lock_fails() {
    assert!(!holds(3, || opens_against_last_put(1, get_unless_zero_unlocked)));
}

/// What a holder did to the object before its put is seen by whoever frees it.
#[test]
fn the_last_put_sees_every_holder_s_writes() {
    struct Object(Refcount, UnsafeCell<u32>);
    // SAFETY: loom checks that accesses to the cell do not race.
    #[allow(unsafe_code)]
    unsafe impl Sync for Object {}

    assert!(holds(4, || {
        let object = Arc::new(Object(Refcount::new(2), UnsafeCell::new(0)));
        let other = object.clone();
        let thread = thread::spawn(move || {
            other.1.with(|_| ());
            if other.0.dec_and_test().unwrap() {
                other.1.with_mut(|_| ());
            }
        });
        object.1.with(|_| ());
        if object.0.dec_and_test().unwrap() {
            object.1.with_mut(|_| ());
        }
        thread.join().unwrap();
    }));
}

/// A queue that loses no wake-up by itself: loom reports a sleeper nobody wakes as a deadlock.
struct Queue(Mutex<()>, Condvar);

impl WaitQueue for Queue {
    fn new() -> Queue {
        Queue(Mutex::new(()), Condvar::new())
    }

    fn wait_until(&self, done: &mut dyn FnMut() -> bool) {
        let mut lock = self.0.lock().unwrap();
        while !done() {
            lock = self.1.wait(lock).unwrap();
        }
    }

    fn wait_interruptible(&self, done: &mut dyn FnMut() -> bool) -> crate::Result<()> {
        self.wait_until(done);
        Ok(())
    }

    fn wake_all(&self) {
        drop(self.0.lock().unwrap());
        self.1.notify_all();
    }
}

/// Operations behind a sleepable RCU, and the private data they work on.
struct Revocable {
    srcu: Srcu<Queue>,
    revoked: AtomicBool,
    data: UnsafeCell<u32>,
}

// SAFETY: loom checks that accesses to the data do not race, which is what is asked.
#[allow(unsafe_code)]
unsafe impl Sync for Revocable {}

/// A call against revocation, which frees the private data after a grace period, if `waits`.
fn call_against_revocation(waits: bool) {
    let shared =
        Arc::new(Revocable { srcu: Srcu::new(), revoked: AtomicBool::new(false), data: UnsafeCell::new(0) });
    let caller = shared.clone();
    let call = thread::spawn(move || {
        let _reader = caller.srcu.read(0);
        if !caller.revoked.load(Ordering::Acquire) {
            caller.data.with(|_| ());
        }
    });
    shared.revoked.store(true, Ordering::Release);
    if waits {
        shared.srcu.synchronize();
    }
    shared.data.with_mut(|_| ());
    call.join().unwrap();
}

#[test]
fn a_grace_period_waits_for_calls_in_flight() {
    assert!(holds(3, || call_against_revocation(true)));
}

/// `readers` against a writer who replaces a value `updates` times, and reclaims each after a grace period.
fn readers_against_updates(readers: usize, updates: usize) {
    struct Versions {
        srcu: Srcu<Queue>,
        current: AtomicUsize,
        reclaimed: [AtomicBool; 3],
    }
    let shared = Arc::new(Versions {
        srcu: Srcu::new(),
        current: AtomicUsize::new(0),
        reclaimed: std::array::from_fn(|_| AtomicBool::new(false)),
    });
    let calls: Vec<_> = (0..readers)
        .map(|cpu| {
            let shared = shared.clone();
            thread::spawn(move || {
                let _reader = shared.srcu.read(cpu);
                let seen = shared.current.load(Ordering::Acquire);
                thread::yield_now();
                assert!(!shared.reclaimed[seen].load(Ordering::SeqCst), "reclaimed while it was read");
            })
        })
        .collect();
    for old in 0..updates {
        shared.current.store(old + 1, Ordering::Release);
        shared.srcu.synchronize();
        shared.reclaimed[old].store(true, Ordering::SeqCst);
    }
    for call in calls {
        call.join().unwrap();
    }
}

#[test]
fn a_reader_that_dithered_is_waited_for_too() {
    assert!(holds(2, || readers_against_updates(1, 2)));
}

#[test]
fn a_reader_that_came_and_went_does_not_stand_for_another() {
    assert!(holds(3, || readers_against_updates(2, 1)));
}

#[test]
fn without_a_grace_period_calls_lose_their_data() {
    assert!(!holds(3, || call_against_revocation(false)));
}

/// How an array hears of its parts.
trait Hears: Send + Sync + 'static {
    fn part(&self) -> bool;
    fn wait(&self) -> bool;
    fn failed(&self) -> bool;
}

impl Hears for Gather {
    fn part(&self) -> bool {
        self.part_signalled(Some(Errno::EIO))
    }

    fn wait(&self) -> bool {
        self.await_parts()
    }

    fn failed(&self) -> bool {
        self.error() == Some(Errno::EIO)
    }
}

/// The same with a word for each: what comes later need not see what came before.
struct TwoWords {
    missing: AtomicUsize,
    awaited: AtomicBool,
}

impl Hears for TwoWords {
    fn part(&self) -> bool {
        self.missing.fetch_sub(1, Ordering::AcqRel) == 1 && self.awaited.load(Ordering::Acquire)
    }

    fn wait(&self) -> bool {
        self.awaited.store(true, Ordering::Release);
        self.missing.load(Ordering::Acquire) == 0
    }

    fn failed(&self) -> bool {
        true
    }
}

/// Two parts are signalled, with errors, while somebody begins to wait: one of them all has to signal the array, and
/// knows of an error.
fn parts_against_waiter<H: Hears>(hears: H) {
    let hears = Arc::new(hears);
    let signals = Arc::new(AtomicUsize::new(0));
    let say = |hears: &H, signals: &AtomicUsize, mine: bool| {
        if mine {
            assert!(hears.failed(), "the error was lost");
            signals.fetch_add(1, Ordering::Relaxed);
        }
    };
    let threads: Vec<_> = (0..2)
        .map(|_| {
            let (hears, signals) = (hears.clone(), signals.clone());
            thread::spawn(move || say(&hears, &signals, hears.part()))
        })
        .collect();
    say(&hears, &signals, hears.wait());
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(signals.load(Ordering::Relaxed), 1);
}

#[test]
fn an_array_is_signalled_once_by_one_word() {
    assert!(holds(4, || parts_against_waiter(Gather::new(2))));
}

#[test]
fn two_words_lose_the_signal() {
    let new = || TwoWords { missing: AtomicUsize::new(2), awaited: AtomicBool::new(false) };
    assert!(!holds(3, move || parts_against_waiter(new())));
}
