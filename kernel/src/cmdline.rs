//! The kernel command line: `name=value` words, and after ` -- ` the arguments of the first process.

/// A command line. Double quotes group words.
#[derive(Clone, Copy)]
pub struct CommandLine<'a> {
    kernel: &'a str,
    init: &'a str,
}

impl<'a> CommandLine<'a> {
    /// Splits `text` at the first word `--`.
    pub fn new(text: &'a str) -> Self {
        match Words(text).find(|word| *word == "--") {
            Some(dashes) => {
                let at = dashes.as_ptr() as usize - text.as_ptr() as usize;
                CommandLine { kernel: &text[..at], init: &text[at + 2..] }
            }
            None => CommandLine { kernel: text, init: "" },
        }
    }

    /// The value of the last `name=value`; empty for a `name` alone.
    pub fn value(&self, name: &str) -> Option<&'a str> {
        let value = |word: &'a str| {
            let rest = word.strip_prefix(name)?;
            if rest.is_empty() { Some("") } else { rest.strip_prefix('=') }
        };
        Words(self.kernel).filter_map(value).last()
    }

    /// The value of `name` as a number of bytes with an optional K, M or G.
    pub fn size(&self, name: &str) -> Option<u64> {
        let text = self.value(name)?;
        let (digits, shift) = match text.as_bytes().last()? {
            b'k' | b'K' => (&text[..text.len() - 1], 10),
            b'm' | b'M' => (&text[..text.len() - 1], 20),
            b'g' | b'G' => (&text[..text.len() - 1], 30),
            _ => (text, 0),
        };
        digits.parse::<u64>().ok()?.checked_shl(shift).filter(|n| n >> shift == digits.parse().unwrap_or(0))
    }

    /// Arguments for the first process.
    pub fn init_args(&self) -> impl Iterator<Item = &'a str> {
        Words(self.init)
    }
}

/// Words between spaces; a word in double quotes may hold spaces and comes without the quotes.
struct Words<'a>(&'a str);

impl<'a> Iterator for Words<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let text = self.0.trim_start();
        let (word, rest) = match text.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => text.split_at(text.find(char::is_whitespace).unwrap_or(text.len())),
        };
        self.0 = rest;
        (!text.is_empty()).then_some(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_values() {
        let line = CommandLine::new("cma=16M quiet a=1 a=2 -- prog \"two words\" \"\" x");
        assert_eq!(line.size("cma"), Some(16 << 20));
        assert_eq!(line.value("quiet"), Some(""));
        assert_eq!(line.value("a"), Some("2"));
        assert_eq!(line.value("cm"), None);
        assert!(line.init_args().eq(["prog", "two words", "", "x"]));
    }

    #[test]
    fn sizes_that_are_none() {
        for bad in ["cma=", "cma=x", "cma=-1", "cma=99999999999999999G", "cma"] {
            assert_eq!(CommandLine::new(bad).size("cma"), None, "{bad}");
        }
    }
}
