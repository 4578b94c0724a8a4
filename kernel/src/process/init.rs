//! Process 1.
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use alloc::sync::Arc;

use heaps::Result;

use super::auxv::Strings;
use super::exec::{self, Request};
use super::group::Process;
use super::shared::{Directories, Files};
use super::signal::Signals;
use super::thread::{Parts, Thread};
use super::tree::{self, Number};
use super::{image, jobs, limits, procfs};
use crate::arch::TrapFrame;
use crate::sched;
use crate::vfs::flags::{O_RDWR, O_WRONLY};
use crate::vfs::{Dentry, FdTable, FsContext, open, path};

/// Starts process 1 from `path` under `root`, with the console as its descriptors 0, 1 and 2. Called once, at boot, when
/// devices and files are there; it runs as soon as a CPU takes up tasks. Errors as `execve(2)`.
pub fn start_init(root: &Arc<Dentry>, path: &[u8], args: &[&[u8]], env: &[&[u8]]) -> Result<()> {
    image::init()?;
    procfs::init();
    jobs::init();
    limits::init();
    let (thread, frame) = load(root, path, args, env)?;
    let mut number = Number::alloc()?;
    tree::lock().add_process(&mut number, thread.clone(), 0, 0)?;
    let task = sched::spawn_user(thread.clone(), frame, Box::default(), 0)?;
    thread.set_task(task.clone());
    sched::wake(&task);
    Ok(())
}

fn load(root: &Arc<Dentry>, path: &[u8], args: &[&[u8]], env: &[&[u8]]) -> Result<(Thread, TrapFrame)> {
    let file = exec::open_program(&path::resolve(root, root, path, true)?)?;
    let request =
        Request { path: path.to_vec(), file, argv: strings(args)?, envp: strings(env)?, loses_name: false };
    let find = |path: &[u8]| exec::open_program(&path::resolve(root, root, path, true)?);
    let (image, program) = exec::load(request, &find)?.into_parts();
    let frame = TrapFrame::user(image.entry, image.sp);
    let thread = Thread::new(Parts {
        tid: tree::INIT,
        process: Process::new(tree::INIT, Signals::default(), program),
        mm: Arc::new(image.mm),
        files: Files::new(console(root)?),
        fs: Directories::new(FsContext::new(root.clone())),
        mask: 0,
    });
    Ok((thread, frame))
}

fn strings(all: &[&[u8]]) -> Result<Strings> {
    let mut strings = Strings::default();
    all.iter().try_for_each(|text| strings.push(text))?;
    Ok(strings)
}

fn console(root: &Arc<Dentry>) -> Result<Arc<FdTable>> {
    let files = FdTable::new();
    let console = open::open(root, root, b"/dev/console", O_RDWR, 0)?;
    files.add(console.clone(), false)?;
    files.add(console, false)?;
    files.add(open::open(root, root, b"/dev/console_err", O_WRONLY, 0)?, false)?;
    Ok(files)
}
