//! Module parameters: `KEY=VALUE` words.
#![forbid(unsafe_code)]

use alloc::string::String;

use heaps::{Errno, Result};

/// The parameters that providers know. Others are ignored, as Linux does.
#[derive(Default, Debug, PartialEq, Eq)]
pub struct Params {
    name: Option<String>,
    instance: Option<String>,
    exit: Option<String>,
    memory: Option<String>,
}

impl Params {
    /// Reads them. `EINVAL` for a value that is empty or could not be part of a file's name.
    pub fn parse(text: &str) -> Result<Params> {
        let mut params = Params::default();
        for word in text.split_ascii_whitespace() {
            let (key, value) = word.split_once('=').unwrap_or((word, ""));
            let place = match key {
                "name" => &mut params.name,
                "instance" => &mut params.instance,
                "exit" => &mut params.exit,
                "memory" => &mut params.memory,
                _ => continue,
            };
            if value.is_empty() || value.len() > 64 || value.contains(['/', '\0']) {
                return Err(Errno::EINVAL);
            }
            *place = Some(value.into());
        }
        Ok(params)
    }

    /// The heap's name.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// What tells this instance of the module from others.
    pub fn instance(&self) -> Option<&str> {
        self.instance.as_deref()
    }

    /// How the provider is to end.
    pub fn exit(&self) -> Option<&str> {
        self.exit.as_deref()
    }

    /// Where the provider's memory is to come from.
    pub fn memory(&self) -> Option<&str> {
        self.memory.as_deref()
    }
}
