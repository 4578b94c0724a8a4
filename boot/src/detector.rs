//! What finds uses of freed memory: the machine's memory tags, or checks that the compiler puts before every access.

use std::path::{Path, PathBuf};

use clap::ValueEnum;

/// A detector, and with it a build of the kernel and a machine for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, ValueEnum)]
pub enum Detector {
    /// Memory tags, which the machine compares with those of pointers.
    #[default]
    Mte,
    /// The compiler's checks, against a shadow of the kernel's heap; on a machine without tags.
    Kasan,
}

impl Detector {
    /// Whether the machine has memory tags.
    pub fn wants_tags(self) -> bool {
        self == Detector::Mte
    }

    /// Cargo's target directory for a kernel with this detector, in the workspace at `root`.
    pub fn target(self, root: &Path) -> PathBuf {
        let name = match self {
            Detector::Mte => "guest",
            Detector::Kasan => "guest-kasan",
        };
        root.join("target").join(name)
    }

    /// What a kernel with this detector is built with, beyond what every kernel is: Cargo features of its package.
    pub fn features(self) -> &'static [&'static str] {
        match self {
            Detector::Mte => &[],
            Detector::Kasan => &["lastref-kernel/kasan"],
        }
    }

    /// The same: the compiler's flags, which are unstable where there are any.
    ///
    /// Every check is a call of the kernel's own routines, which know where the shadow is; copies are calls of their
    /// own. Stacks and statics have no red zones. A core library that is there already has no checks in it. What costs
    /// anyway checks its own steps, too.
    pub fn flags(self) -> &'static str {
        match self {
            Detector::Mte => "",
            Detector::Kasan => {
                " -C debug-assertions=on -C overflow-checks=on \
                 -Z sanitizer=kernel-address -C unsafe-allow-abi-mismatch=sanitizer \
                 -C llvm-args=-asan-instrumentation-with-call-threshold=0 \
                 -C llvm-args=-asan-kernel-mem-intrinsic-prefix=1 -C llvm-args=-asan-constructor-kind=none \
                 -C llvm-args=-asan-stack=0 -C llvm-args=-asan-globals=0"
            }
        }
    }
}
