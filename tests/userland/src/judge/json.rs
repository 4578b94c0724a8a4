//! JSON, written a value at a time into a string. Commas and escapes are the writer's business.

use alloc::string::String;
use core::fmt::Write;

/// An object or array being written. Values go in by the methods; [`Json::end`] closes it.
pub struct Json<'a> {
    text: &'a mut String,
    close: char,
    first: bool,
}

impl<'a> Json<'a> {
    /// Opens an object at the end of `text`.
    pub fn object(text: &'a mut String) -> Json<'a> {
        text.push('{');
        Json { text, close: '}', first: true }
    }

    fn array(text: &'a mut String) -> Json<'a> {
        text.push('[');
        Json { text, close: ']', first: true }
    }

    fn comma(&mut self) {
        if !self.first {
            self.text.push(',');
        }
        self.first = false;
    }

    fn key(&mut self, key: &str) {
        self.comma();
        quote(self.text, key);
        self.text.push(':');
    }

    /// A member of type string.
    pub fn string(&mut self, key: &str, value: &str) -> &mut Self {
        self.key(key);
        quote(self.text, value);
        self
    }

    /// A member of type number.
    pub fn number(&mut self, key: &str, value: i64) -> &mut Self {
        self.key(key);
        let _ = write!(self.text, "{value}");
        self
    }

    /// A member that is true or false.
    pub fn truth(&mut self, key: &str, value: bool) -> &mut Self {
        self.key(key);
        self.text.push_str(if value { "true" } else { "false" });
        self
    }

    /// A member that is an array of strings.
    pub fn strings<'s>(&mut self, key: &str, values: impl IntoIterator<Item = &'s str>) -> &mut Self {
        self.key(key);
        let mut array = Json::array(self.text);
        for value in values {
            array.comma();
            quote(array.text, value);
        }
        array.end();
        self
    }

    /// A member that is an object of numbers.
    pub fn numbers<'s>(&mut self, key: &str, values: impl IntoIterator<Item = (&'s str, i64)>) -> &mut Self {
        self.key(key);
        let mut object = Json::object(self.text);
        for (name, value) in values {
            object.number(name, value);
        }
        object.end();
        self
    }

    /// Closes it.
    pub fn end(self) {
        self.text.push(self.close);
    }
}

fn quote(text: &mut String, value: &str) {
    text.push('"');
    for c in value.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\t' => text.push_str("\\t"),
            '\r' => text.push_str("\\r"),
            c if c < ' ' || c == '\u{7f}' => {
                let _ = write!(text, "\\u{:04x}", c as u32);
            }
            c => text.push(c),
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_member() {
        let mut text = String::new();
        let mut o = Json::object(&mut text);
        o.string("a", "x").number("b", -1).truth("c", true).strings("d", ["p", "q"]).numbers("e", [("n", 2)]);
        o.strings("f", []);
        o.end();
        assert_eq!(text, r#"{"a":"x","b":-1,"c":true,"d":["p","q"],"e":{"n":2},"f":[]}"#);
    }

    #[test]
    fn what_could_break_out_is_escaped() {
        let mut text = String::new();
        quote(&mut text, "a\"b\\c\n\u{1e}\u{0}\u{7f}é");
        assert_eq!(text, "\"a\\\"b\\\\c\\n\\u001e\\u0000\\u007fé\"");
    }
}
