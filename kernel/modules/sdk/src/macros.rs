//! What makes a crate a module.

/// Makes the crate a module: its descriptor, its modinfo, its entries, its allocator and its panic handler.
///
/// ```ignore
/// sdk::module! {
///     provider: Tee,
///     name: "tee_heap",
///     description: "a heap with private data of its own",
///     parameters: [name: charp = "what the heap is called"], // or ulong: a number
///     unbinds: true, // its device can be taken from its driver
/// }
/// ```
///
/// With `resident:` and a type that implements `Resident` for `provider:`, a module without a device: `unloads:` says
/// whether it has an exit.
#[macro_export]
macro_rules! module {
    (
        provider: $provider:ty,
        name: $name:literal,
        description: $description:literal,
        parameters: [$($parameter:ident: $type:ident = $what:literal),*],
        unbinds: $unbinds:literal $(,)?
    ) => {
        static GLUE: $crate::Glue<$provider> = $crate::Glue::new();

        #[used]
        #[unsafe(link_section = ".gnu.linkonce.this_module")]
        static THIS_MODULE: $crate::abi::ThisModule = $crate::abi::ThisModule {
            name: $crate::abi::name($name),
            init: Some(|params| GLUE.init($crate::Module::new(&THIS_MODULE), params)),
            exit: Some(|| GLUE.exit()),
            probe: if $unbinds { Some(|| GLUE.probe($crate::Module::new(&THIS_MODULE))) } else { None },
            remove: if $unbinds { Some(|| GLUE.remove()) } else { None },
            unplug: if $unbinds { Some(|| GLUE.unplug()) } else { None },
        };

        $crate::parameters!($($parameter: $type = $what),*);
        $crate::every_module!($name, $description);
    };
    (
        resident: $resident:ty,
        name: $name:literal,
        description: $description:literal,
        parameters: [$($parameter:ident: $type:ident = $what:literal),*],
        unloads: $unloads:literal $(,)?
    ) => {
        static RESIDENCE: $crate::Residence<$resident> = $crate::Residence::new();

        #[used]
        #[unsafe(link_section = ".gnu.linkonce.this_module")]
        static THIS_MODULE: $crate::abi::ThisModule = $crate::abi::ThisModule {
            name: $crate::abi::name($name),
            init: Some(|params| RESIDENCE.init($crate::Module::new(&THIS_MODULE), params)),
            exit: if $unloads { Some(|| RESIDENCE.exit()) } else { None },
            probe: None,
            remove: None,
            unplug: None,
        };

        $crate::parameters!($($parameter: $type = $what),*);
        $crate::every_module!($name, $description);
    };
}

/// The parameters that a module declares.
#[doc(hidden)]
#[macro_export]
macro_rules! parameters {
    ($($parameter:ident: $type:ident = $what:literal),*) => {
        $(
            $crate::modinfo!("parm=", concat!(stringify!($parameter), ":", $what));
            $crate::modinfo!("parmtype=", concat!(stringify!($parameter), ":", stringify!($type)));
        )*
    };
}

/// Makes the crate a module without code of its own to run, whose functions other modules call. The interface is made
/// by [`interface`](macro@crate::interface) in a library crate that both sides depend on, and the functions have its
/// types or do not compile.
#[macro_export]
macro_rules! library {
    (
        name: $name:literal,
        description: $description:literal,
        exports: $interface:ident {
            $(fn $export:ident($($arg:ident: $type:ty),*) $(-> $ret:ty)? = $symbol:literal;)*
        } $(,)?
    ) => {
        #[used]
        #[unsafe(link_section = ".gnu.linkonce.this_module")]
        static THIS_MODULE: $crate::abi::ThisModule = $crate::abi::ThisModule {
            name: $crate::abi::name($name),
            init: None,
            exit: None,
            probe: None,
            remove: None,
            unplug: None,
        };

        // The functions have the interface's types, and the linker keeps them.
        const _: () = {
            #[used]
            #[unsafe(link_section = ".exports")]
            static EXPORTS: $interface = $interface { $($export: exported::$export),* };
        };

        mod exported {
            use super::*;

            $(
                #[unsafe(export_name = $symbol)]
                pub fn $export($($arg: $type),*) $(-> $ret)? {
                    super::$export($($arg),*)
                }
            )*
        }

        $($crate::modinfo!("export=", $symbol);)*
        $crate::every_module!($name, $description);
    };
}

/// Declares what a module offers to others: functions for them to call, and a table with the functions' types.
#[macro_export]
macro_rules! interface {
    ($($(#[$doc:meta])* fn $name:ident($($arg:ident: $type:ty),*) $(-> $ret:ty)? = $symbol:literal;)*) => {
        /// The functions of the module that offers them.
        pub struct Interface {
            $($(#[$doc])* pub $name: fn($($type),*) $(-> $ret)?,)*
        }

        mod imported {
            use super::*;

            // SAFETY: the loader resolves each symbol to the function of that name in the module that exports it,
            // which is made of the same interface: the version magic holds the sources of both. They are safe.
            unsafe extern "Rust" {
                $(
                    #[link_name = $symbol]
                    pub safe fn $name($($arg: $type),*) $(-> $ret)?;
                )*
            }
        }

        $(
            $(#[$doc])*
            pub fn $name($($arg: $type),*) $(-> $ret)? {
                imported::$name($($arg),*)
            }
        )*
    };
}

/// What is the same in every module: name, licence and version magic, the allocator and the panic handler.
#[doc(hidden)]
#[macro_export]
macro_rules! every_module {
    ($name:literal, $description:literal) => {
        $crate::modinfo!("name=", $name);
        $crate::modinfo!("description=", $description);
        $crate::modinfo!("license=", "MIT OR Apache-2.0");

        const _: () = {
            #[used]
            #[unsafe(link_section = ".modinfo")]
            static VERMAGIC: [u8; $crate::abi::VERMAGIC_ENTRY_LEN] = $crate::abi::VERMAGIC_ENTRY;

            #[global_allocator]
            static OBJECTS: $crate::runtime::ObjectHeap = $crate::runtime::ObjectHeap;

            #[panic_handler]
            fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
                $crate::runtime::panic(info)
            }
        };
    };
}

/// An entry of the modinfo section.
#[macro_export]
macro_rules! modinfo {
    ($key:literal, $value:expr) => {
        const _: () = {
            #[used]
            #[unsafe(link_section = ".modinfo")]
            static ENTRY: [u8; $key.len() + $value.len() + 1] = $crate::abi::entry($key, $value);
        };
    };
}
