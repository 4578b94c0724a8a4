//! A stand-in for lives where unit tests run: nobody reports there.
#![forbid(unsafe_code)]

/// When something was done.
#[derive(Clone, Copy)]
pub struct Moment;

impl Moment {
    /// Here and now.
    pub fn now() -> Moment {
        Moment
    }
}

/// A life.
#[derive(Clone, Copy)]
pub struct Life;

impl Life {
    /// One that begins.
    pub fn new(_: Moment) -> Life {
        Life
    }

    /// Says where its references are counted.
    pub fn set_count(&mut self, _: *const u8) {}

    /// It ends.
    pub fn end(&mut self, _: Moment) {}
}
