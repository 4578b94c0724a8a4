//! From text to tokens: words with their quotes taken off, and operators (POSIX.1-2017, Shell Command Language 2.2, 2.3).

use alloc::string::String;
use alloc::vec::Vec;

/// A part of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Text as it is.
    Text(String),
    /// A parameter's value; split into fields unless it was quoted.
    Parameter {
        /// A name, a digit, or one of `? $ # @ *`.
        name: String,
        /// Whether it stood between double quotes.
        quoted: bool,
    },
    /// Nothing, but a word: a pair of quotes.
    Empty,
}

/// A word before expansion.
pub type Word = Vec<Piece>;

/// The operators, longest first.
const OPERATORS: [&str; 14] = ["&&", "||", ";;", ">>", ">&", "<&", "&", "|", ";", "(", ")", "<", ">", "\n"];

/// A token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// A word.
    Word(Word),
    /// An operator; the end of a line is `"\n"`.
    Operator(&'static str),
    /// The descriptor that the redirection after it is about.
    Number(i32),
}

/// Why there is no command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// It goes on in the next line.
    Incomplete,
    /// It is none; near what.
    Syntax(String),
}

/// Cuts text into tokens.
///
/// # Errors
/// `Incomplete` where a quote is not closed.
pub fn tokens(text: &str) -> Result<Vec<Token>, Error> {
    let mut lexer = Lexer { rest: text, pieces: Vec::new(), text: String::new(), tokens: Vec::new() };
    while let Some(next) = lexer.rest.chars().next() {
        lexer.step(next)?;
    }
    lexer.end_word();
    Ok(lexer.tokens)
}

struct Lexer<'a> {
    rest: &'a str,
    pieces: Word,
    text: String,
    tokens: Vec<Token>,
}

impl Lexer<'_> {
    fn step(&mut self, next: char) -> Result<(), Error> {
        match next {
            ' ' | '\t' => {
                self.end_word();
                self.skip(1);
            }
            '#' if self.pieces.is_empty() && self.text.is_empty() => {
                let end = self.rest.find('\n').unwrap_or(self.rest.len());
                self.skip(end);
            }
            '\\' => self.escaped()?,
            '\'' => {
                let (quoted, after) = self.rest[1..].split_once('\'').ok_or(Error::Incomplete)?;
                let taken = self.rest.len() - after.len();
                self.text.push_str(quoted);
                self.mark_quoted();
                self.skip(taken);
            }
            '"' => self.double_quoted()?,
            '$' => self.parameter(false)?,
            _ => match OPERATORS.into_iter().find(|operator| self.rest.starts_with(operator)) {
                Some(operator) => self.operator(operator),
                None => self.take(next),
            },
        }
        Ok(())
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = &self.rest[bytes..];
    }

    fn take(&mut self, next: char) {
        self.text.push(next);
        self.skip(next.len_utf8());
    }

    fn operator(&mut self, operator: &'static str) {
        let number =
            self.text.parse().ok().filter(|_| self.pieces.is_empty() && operator.starts_with(['<', '>']));
        if let Some(number) = number {
            self.text.clear();
            self.tokens.push(Token::Number(number));
        }
        self.end_word();
        self.tokens.push(Token::Operator(operator));
        self.skip(operator.len());
    }

    fn escaped(&mut self) -> Result<(), Error> {
        self.skip(1);
        match self.rest.chars().next() {
            None => return Err(Error::Incomplete),
            Some('\n') => {
                self.skip(1);
                if self.rest.is_empty() {
                    return Err(Error::Incomplete);
                }
            }
            Some(next) => {
                self.mark_quoted();
                self.take(next);
            }
        }
        Ok(())
    }

    fn double_quoted(&mut self) -> Result<(), Error> {
        self.skip(1);
        self.mark_quoted();
        loop {
            match self.rest.chars().next().ok_or(Error::Incomplete)? {
                '"' => {
                    self.skip(1);
                    return Ok(());
                }
                '\\' if self.rest[1..].starts_with(['"', '\\', '$', '`']) => {
                    self.skip(1);
                    let next = self.rest.chars().next().ok_or(Error::Incomplete)?;
                    self.take(next);
                }
                '$' => self.parameter(true)?,
                next => self.take(next),
            }
        }
    }

    fn parameter(&mut self, quoted: bool) -> Result<(), Error> {
        let after = &self.rest[1..];
        let (name, taken) = match after.chars().next() {
            Some('{') => {
                let (name, _) = after[1..].split_once('}').ok_or(Error::Incomplete)?;
                (name, name.len() + 3)
            }
            Some(special) if "?$#@*0123456789".contains(special) => (&after[..1], 2),
            _ => {
                let len = after.find(|c: char| !is_name(c)).unwrap_or(after.len());
                (&after[..len], len + 1)
            }
        };
        if name.is_empty() {
            self.take('$');
            return Ok(());
        }
        if !name.chars().all(is_name) && name.len() > 1 {
            return Err(Error::Syntax(name.into()));
        }
        let name = String::from(name);
        self.end_text();
        self.pieces.push(Piece::Parameter { name, quoted });
        self.skip(taken);
        Ok(())
    }

    /// Quotes make a word, even around nothing, and no number or reserved word.
    fn mark_quoted(&mut self) {
        self.end_text();
        self.pieces.push(Piece::Empty);
    }

    fn end_text(&mut self) {
        if !self.text.is_empty() {
            self.pieces.push(Piece::Text(core::mem::take(&mut self.text)));
        }
    }

    fn end_word(&mut self) {
        self.end_text();
        if !self.pieces.is_empty() {
            self.tokens.push(Token::Word(core::mem::take(&mut self.pieces)));
        }
    }
}

/// Whether a character may stand in a name.
pub fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Piece {
        Piece::Text(text.into())
    }

    fn parameter(name: &str, quoted: bool) -> Piece {
        Piece::Parameter { name: name.into(), quoted }
    }

    #[test]
    fn words_and_operators() {
        let found = tokens("ls -l>out 2>&1 | wc&& a # no\nb").unwrap();
        let word = |t: &str| Token::Word(vec![text(t)]);
        use Token::{Number, Operator};
        let expected = vec![
            word("ls"),
            word("-l"),
            Operator(">"),
            word("out"),
            Number(2),
            Operator(">&"),
            word("1"),
            Operator("|"),
            word("wc"),
            Operator("&&"),
            word("a"),
            Operator("\n"),
            word("b"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn quotes_and_parameters() {
        let word = |t: &str| match &tokens(t).unwrap()[..] {
            [Token::Word(pieces)] => pieces.clone(),
            other => panic!("{t}: {other:?}"),
        };
        assert_eq!(word("'a b'c"), [text("a b"), Piece::Empty, text("c")]);
        assert_eq!(word("x$A${B}y"), [text("x"), parameter("A", false), parameter("B", false), text("y")]);
        assert_eq!(word("\"$? \\$z\""), [Piece::Empty, parameter("?", true), text(" $z")]);
        assert_eq!(word("''"), [Piece::Empty]);
        assert_eq!(word("a\\ b"), [text("a"), Piece::Empty, text(" b")]);
        assert_eq!(word("$"), [text("$")]);
        for open in ["'a", "\"a", "a\\", "${A", "a \\\n"] {
            assert_eq!(tokens(open), Err(Error::Incomplete), "{open}");
        }
        assert!(matches!(tokens("${A:-b}"), Err(Error::Syntax(_))));
    }
}
