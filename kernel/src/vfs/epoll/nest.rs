//! Epolls that watch epolls: in no circle, and in chains of few links. Models the checks of `fs/eventpoll.c`.
#![forbid(unsafe_code)]

use super::*;

/// Most links between the ends of a chain (Linux: `EP_MAX_NESTS`).
const MOST: usize = 4;

/// One new link between epolls at a time.
static LINKING: Mutex<(), { order::EPOLL }> = Mutex::new(());

/// Calls `add`, which lets the epoll `at` watch `file`, unless that closed a circle or made a chain too long: `ELOOP`.
pub fn guarded(at: &Arc<File>, file: &Arc<File>, add: impl FnOnce() -> Result<()>) -> Result<()> {
    let (Some(upper), Some(lower)) = (of(at), of(file)) else { return add() };
    let linking = LINKING.lock();
    let below = depth_below(lower, upper, 0)?;
    let above = depth_above(upper, 0)?;
    if below + 1 + above > MOST {
        return Err(Errno::ELOOP);
    }
    let added = add();
    drop(linking);
    added
}

/// How many links lead down from an epoll. `ELOOP` where they are too many or one leads to `origin`.
fn depth_below(epoll: &Arc<Epoll>, origin: &Arc<Epoll>, depth: usize) -> Result<usize> {
    if depth > MOST || Arc::ptr_eq(epoll, origin) {
        return Err(Errno::ELOOP);
    }
    let mut deepest = 0;
    for item in epoll.all()? {
        let Some(file) = item.file() else { continue };
        let below = of(&file).map(|lower| depth_below(lower, origin, depth + 1).map(|links| links + 1));
        put(file);
        deepest = deepest.max(below.unwrap_or(Ok(0))?);
    }
    Ok(deepest)
}

/// How many links lead up from an epoll.
fn depth_above(epoll: &Arc<Epoll>, depth: usize) -> Result<usize> {
    if depth > MOST {
        return Err(Errno::ELOOP);
    }
    let Some(file) = epoll.file.get().and_then(Weak::upgrade) else { return Ok(0) };
    let links = file.links();
    put(file);
    let mut highest = 0;
    for upper in links?.iter().filter_map(|link| link.epoll()) {
        highest = highest.max(depth_above(&upper, depth + 1)? + 1);
    }
    Ok(highest)
}
