//! From words to fields: parameters, splitting at blanks (POSIX.1-2017, Shell Command Language 2.6). There are no
//! patterns, and no commands within words.

use alloc::string::String;
use alloc::vec::Vec;

use super::lex::{Piece, Word};

/// What parameters are worth.
pub trait Parameters {
    /// A parameter's value; empty when it is not set.
    fn value(&self, name: &str) -> String;

    /// The positional ones.
    fn positional(&self) -> &[String];
}

/// The fields that words become.
pub fn fields(words: &[Word], parameters: &dyn Parameters) -> Vec<String> {
    let mut fields = Fields::default();
    for word in words {
        word.iter().for_each(|piece| fields.add(piece, parameters));
        fields.end();
    }
    fields.done
}

/// The text that a word becomes where it is not split.
pub fn text(word: &Word, parameters: &dyn Parameters) -> String {
    let value = |piece: &Piece| match piece {
        Piece::Text(text) => text.clone(),
        Piece::Parameter { name, .. } => value(name, parameters),
        Piece::Empty => String::new(),
    };
    word.iter().map(value).collect()
}

fn value(name: &str, parameters: &dyn Parameters) -> String {
    if matches!(name, "@" | "*") { parameters.positional().join(" ") } else { parameters.value(name) }
}

#[derive(Default)]
struct Fields {
    done: Vec<String>,
    current: Option<String>,
}

impl Fields {
    fn add(&mut self, piece: &Piece, parameters: &dyn Parameters) {
        match piece {
            Piece::Text(text) => self.push(text),
            Piece::Empty => self.push(""),
            Piece::Parameter { name, quoted: true } if name == "@" => {
                for (n, value) in parameters.positional().iter().enumerate() {
                    if n > 0 {
                        self.end();
                    }
                    self.push(value);
                }
            }
            Piece::Parameter { name, quoted: true } => self.push(&value(name, parameters)),
            Piece::Parameter { name, quoted: false } => self.split(&value(name, parameters)),
        }
    }

    fn push(&mut self, text: &str) {
        self.current.get_or_insert_default().push_str(text);
    }

    fn split(&mut self, text: &str) {
        let is_blank = |c: char| c.is_ascii_whitespace();
        if text.starts_with(is_blank) {
            self.end();
        }
        for (n, field) in text.split_ascii_whitespace().enumerate() {
            if n > 0 {
                self.end();
            }
            self.push(field);
        }
        if text.ends_with(is_blank) {
            self.end();
        }
    }

    fn end(&mut self) {
        self.done.extend(self.current.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::lex::{Token, tokens};

    struct Some2(Vec<String>);

    impl Parameters for Some2 {
        fn value(&self, name: &str) -> String {
            match name {
                "A" => " one  two ".into(),
                "?" => "3".into(),
                _ => String::new(),
            }
        }

        fn positional(&self) -> &[String] {
            &self.0
        }
    }

    fn expanded(text: &str) -> Vec<String> {
        let words: Vec<Word> = tokens(text)
            .unwrap()
            .into_iter()
            .map(|token| match token {
                Token::Word(word) => word,
                other => panic!("{other:?}"),
            })
            .collect();
        fields(&words, &Some2(vec!["p q".into(), "r".into()]))
    }

    #[test]
    fn parameters_are_split_unless_they_are_quoted() {
        assert_eq!(expanded("x$A\"y\" z"), ["x", "one", "two", "y", "z"]);
        assert_eq!(expanded("\"$A\""), [" one  two "]);
        assert_eq!(expanded("$NONE"), [""; 0]);
        assert_eq!(expanded("\"$NONE\" ''"), ["", ""]);
        assert_eq!(expanded("s=$?"), ["s=3"]);
    }

    #[test]
    fn positional_parameters_stay_apart_where_they_are_quoted() {
        assert_eq!(expanded("\"$@\""), ["p q", "r"]);
        assert_eq!(expanded("a\"$@\"b"), ["ap q", "rb"]);
        assert_eq!(expanded("$@"), ["p", "q", "r"]);
        assert_eq!(expanded("\"$*\""), ["p q r"]);
    }
}
