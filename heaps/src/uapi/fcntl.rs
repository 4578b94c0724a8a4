//! The open flags that heaps and buffers look at (arm64's values).

/// Open for reading only.
pub const O_RDONLY: u32 = 0;
/// Open for writing only.
pub const O_WRONLY: u32 = 1;
/// Open for both.
pub const O_RDWR: u32 = 2;
/// The access mode's bits.
pub const O_ACCMODE: u32 = 3;
/// Close the descriptor at execve.
pub const O_CLOEXEC: u32 = 0o2000000;

/// Seek from the start.
pub const SEEK_SET: u32 = 0;
/// Seek from where the file is.
pub const SEEK_CUR: u32 = 1;
/// Seek from the end.
pub const SEEK_END: u32 = 2;

#[cfg(test)]
mod tests {
    use linux_raw_sys::general as linux;

    #[test]
    fn the_numbers_are_linux_s() {
        assert_eq!(super::O_RDONLY, linux::O_RDONLY);
        assert_eq!(super::O_WRONLY, linux::O_WRONLY);
        assert_eq!(super::O_RDWR, linux::O_RDWR);
        assert_eq!(super::O_ACCMODE, linux::O_ACCMODE);
        assert_eq!(super::O_CLOEXEC, linux::O_CLOEXEC);
        assert_eq!(super::SEEK_SET, linux::SEEK_SET);
        assert_eq!(super::SEEK_CUR, linux::SEEK_CUR);
        assert_eq!(super::SEEK_END, linux::SEEK_END);
    }
}
