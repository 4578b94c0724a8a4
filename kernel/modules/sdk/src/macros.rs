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
        };

        $crate::modinfo!("name=", $name);
        $crate::modinfo!("description=", $description);
        $crate::modinfo!("license=", "MIT OR Apache-2.0");
        $(
            $crate::modinfo!("parm=", concat!(stringify!($parameter), ":", $what));
            $crate::modinfo!("parmtype=", concat!(stringify!($parameter), ":", stringify!($type)));
        )*

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
