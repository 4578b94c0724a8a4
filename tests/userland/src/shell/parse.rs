//! From tokens to commands (POSIX.1-2017, Shell Command Language 2.9, 2.10).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::lex::{self, Error, Piece, Token, Word, is_name};

/// Commands one after another.
pub type List = Vec<Item>;

/// Pipelines that depend on one another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The pipelines, and after what status of the one before each runs.
    pub pipelines: Vec<(After, Pipeline)>,
    /// Whether nobody waits for it.
    pub background: bool,
    /// How it was written, for lists of jobs.
    pub text: String,
}

/// When a pipeline runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// Whatever came before.
    Anything,
    /// After success (`&&`).
    Success,
    /// After failure (`||`).
    Failure,
}

/// Commands whose outputs are the next one's inputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pipeline {
    /// The commands.
    pub commands: Vec<Command>,
    /// Whether its status is turned round (`!`).
    pub negated: bool,
}

/// A command, and where its files go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// What it does.
    pub kind: Kind,
    /// Its redirections, in order.
    pub redirections: Vec<Redirection>,
}

/// What a command does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Sets variables, and runs a program with them if there are words.
    Simple {
        /// Names, and words for their values.
        assignments: Vec<(String, Word)>,
        /// The program and its arguments.
        words: Vec<Word>,
    },
    /// `( list )`, and `{ list; }` with `false`.
    Group(List, bool),
    /// Conditions and what they lead to, then what else.
    If(Vec<(List, List)>, List),
    /// A condition, what is done while it holds, and whether it is turned round (`until`).
    While(List, List, bool),
    /// A name, the words it becomes, and what is done each time.
    For(String, Vec<Word>, List),
}

/// A redirection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirection {
    /// Which descriptor.
    pub fd: i32,
    /// The operator.
    pub operator: &'static str,
    /// To what.
    pub target: Word,
}

const RESERVED: [&str; 12] =
    ["then", "elif", "else", "fi", "do", "done", "}", "if", "while", "until", "for", "{"];

/// Parses a whole text.
///
/// # Errors
/// `Incomplete` where more lines could complete it, `Syntax` otherwise.
pub fn parse(text: &str) -> Result<List, Error> {
    let tokens = lex::tokens(text)?;
    let mut parser = Parser { tokens: &tokens, at: 0 };
    let list = parser.list()?;
    match parser.peek() {
        None => Ok(list),
        Some(token) => Err(Error::Syntax(show(token))),
    }
}

fn show(token: &Token) -> String {
    match token {
        Token::Operator("\n") => "newline".into(),
        Token::Operator(operator) => (*operator).into(),
        Token::Number(number) => format!("{number}"),
        Token::Word(word) => word.iter().map(show_piece).collect(),
    }
}

fn show_piece(piece: &Piece) -> String {
    match piece {
        Piece::Text(text) => text.clone(),
        Piece::Parameter { name, .. } => format!("${name}"),
        Piece::Empty => String::new(),
    }
}

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Option<&'a Token> {
        self.at += 1;
        self.tokens.get(self.at - 1)
    }

    fn accept(&mut self, operator: &str) -> bool {
        let is = matches!(self.peek(), Some(Token::Operator(found)) if *found == operator);
        self.at += usize::from(is);
        is
    }

    /// The reserved word that comes next, if one does.
    fn reserved(&self) -> Option<&'static str> {
        match self.peek()? {
            Token::Word(word) => match &word[..] {
                [Piece::Text(text)] => RESERVED.into_iter().find(|reserved| reserved == text),
                _ => None,
            },
            _ => None,
        }
    }

    fn expect(&mut self, wanted: &'static str) -> Result<(), Error> {
        match self.reserved() {
            Some(found) if found == wanted => {
                self.at += 1;
                Ok(())
            }
            _ => Err(self.unexpected()),
        }
    }

    fn unexpected(&self) -> Error {
        self.peek().map_or(Error::Incomplete, |token| Error::Syntax(show(token)))
    }

    fn newlines(&mut self) {
        while self.accept("\n") {}
    }

    /// Commands up to what cannot begin one.
    fn list(&mut self) -> Result<List, Error> {
        let mut list = List::new();
        loop {
            self.newlines();
            let ends = match self.peek() {
                None | Some(Token::Operator(")" | ";;")) => true,
                Some(_) => {
                    matches!(self.reserved(), Some("then" | "elif" | "else" | "fi" | "do" | "done" | "}"))
                }
            };
            if ends {
                return Ok(list);
            }
            let (from, pipelines) = (self.at, self.and_or()?);
            let text: Vec<_> = self.tokens[from..self.at].iter().map(show).collect();
            let background = self.accept("&");
            let ended = background || self.accept(";") || self.accept("\n");
            list.push(Item { pipelines, background, text: text.join(" ") });
            if !ended {
                return Ok(list);
            }
        }
    }

    /// A list with at least one command.
    fn body(&mut self) -> Result<List, Error> {
        let list = self.list()?;
        if list.is_empty() { Err(self.unexpected()) } else { Ok(list) }
    }

    fn and_or(&mut self) -> Result<Vec<(After, Pipeline)>, Error> {
        let mut all = alloc::vec![(After::Anything, self.pipeline()?)];
        loop {
            let after = if self.accept("&&") {
                After::Success
            } else if self.accept("||") {
                After::Failure
            } else {
                return Ok(all);
            };
            self.newlines();
            all.push((after, self.pipeline()?));
        }
    }

    fn pipeline(&mut self) -> Result<Pipeline, Error> {
        let bang = Token::Word(alloc::vec![Piece::Text("!".into())]);
        let negated = self.peek() == Some(&bang);
        self.at += usize::from(negated);
        let mut commands = alloc::vec![self.command()?];
        while self.accept("|") {
            self.newlines();
            commands.push(self.command()?);
        }
        Ok(Pipeline { commands, negated })
    }

    fn command(&mut self) -> Result<Command, Error> {
        let kind = match self.reserved() {
            Some("{") => {
                self.at += 1;
                let list = self.body()?;
                self.expect("}")?;
                Kind::Group(list, false)
            }
            Some("if") => self.conditional()?,
            Some(word @ ("while" | "until")) => {
                self.at += 1;
                let condition = self.body()?;
                Kind::While(condition, self.done()?, word == "until")
            }
            Some("for") => self.loop_over_words()?,
            Some(_) => return Err(self.unexpected()),
            None if self.accept("(") => {
                let list = self.body()?;
                if !self.accept(")") {
                    return Err(self.unexpected());
                }
                Kind::Group(list, true)
            }
            None => return self.simple(),
        };
        let mut redirections = Vec::new();
        while let Some(redirection) = self.redirection()? {
            redirections.push(redirection);
        }
        Ok(Command { kind, redirections })
    }

    fn conditional(&mut self) -> Result<Kind, Error> {
        let mut branches = Vec::new();
        self.expect("if")?;
        loop {
            let condition = self.body()?;
            self.expect("then")?;
            branches.push((condition, self.body()?));
            match self.reserved() {
                Some("elif") => self.at += 1,
                Some("else") => {
                    self.at += 1;
                    let otherwise = self.body()?;
                    self.expect("fi")?;
                    return Ok(Kind::If(branches, otherwise));
                }
                _ => {
                    self.expect("fi")?;
                    return Ok(Kind::If(branches, List::new()));
                }
            }
        }
    }

    fn done(&mut self) -> Result<List, Error> {
        self.expect("do")?;
        let list = self.body()?;
        self.expect("done")?;
        Ok(list)
    }

    fn loop_over_words(&mut self) -> Result<Kind, Error> {
        self.at += 1;
        let name = match self.next() {
            Some(Token::Word(word)) => match &word[..] {
                [Piece::Text(name)] if is_variable(name) => name.clone(),
                _ => return Err(Error::Syntax("for".into())),
            },
            None => return Err(Error::Incomplete),
            Some(token) => return Err(Error::Syntax(show(token))),
        };
        let mut words = Vec::new();
        let is_in =
            |token: &Token| matches!(token, Token::Word(word) if word[..] == [Piece::Text("in".into())]);
        if self.peek().is_some_and(is_in) {
            self.at += 1;
            while let Some(Token::Word(word)) = self.peek() {
                words.push(word.clone());
                self.at += 1;
            }
        } else {
            words.push(alloc::vec![Piece::Parameter { name: "@".into(), quoted: true }]);
        }
        if !self.accept(";") && !self.accept("\n") && self.reserved() != Some("do") {
            return Err(self.unexpected());
        }
        self.newlines();
        Ok(Kind::For(name, words, self.done()?))
    }

    fn simple(&mut self) -> Result<Command, Error> {
        let (mut assignments, mut words, mut redirections) = (Vec::new(), Vec::new(), Vec::new());
        loop {
            if let Some(redirection) = self.redirection()? {
                redirections.push(redirection);
                continue;
            }
            let Some(Token::Word(word)) = self.peek() else { break };
            self.at += 1;
            match assignment(word).filter(|_| words.is_empty()) {
                Some(assignment) => assignments.push(assignment),
                None => words.push(word.clone()),
            }
        }
        if assignments.is_empty() && words.is_empty() && redirections.is_empty() {
            return Err(self.unexpected());
        }
        Ok(Command { kind: Kind::Simple { assignments, words }, redirections })
    }

    fn redirection(&mut self) -> Result<Option<Redirection>, Error> {
        let number = match self.peek() {
            Some(Token::Number(number)) => Some(*number),
            _ => None,
        };
        let operator = match self.tokens.get(self.at + usize::from(number.is_some())) {
            Some(Token::Operator(operator @ ("<" | ">" | ">>" | ">&" | "<&"))) => *operator,
            _ => return Ok(None),
        };
        self.at += 1 + usize::from(number.is_some());
        let fd = number.unwrap_or(i32::from(!operator.starts_with('<')));
        match self.next() {
            Some(Token::Word(target)) => Ok(Some(Redirection { fd, operator, target: target.clone() })),
            None => Err(Error::Incomplete),
            Some(token) => Err(Error::Syntax(show(token))),
        }
    }
}

/// Whether a text can be a variable's name.
pub fn is_variable(name: &str) -> bool {
    !name.is_empty() && name.chars().all(is_name) && !name.starts_with(|c: char| c.is_ascii_digit())
}

/// `NAME=VALUE`, if that is what a word is.
fn assignment(word: &Word) -> Option<(String, Word)> {
    let [Piece::Text(first), rest @ ..] = &word[..] else { return None };
    let (name, value) = first.split_once('=').filter(|(name, _)| is_variable(name))?;
    let mut pieces = Word::new();
    if !value.is_empty() {
        pieces.push(Piece::Text(value.into()));
    }
    pieces.extend_from_slice(rest);
    Some((name.into(), pieces))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Command {
        let list = parse(text).unwrap();
        let [item] = &list[..] else { panic!("{text}: {list:?}") };
        item.pipelines[0].1.commands[0].clone()
    }

    #[test]
    fn lists_pipelines_and_redirections() {
        let list = parse("A=1 ls -l </in >>out 2>&1 | wc && ! b || c & d; e").unwrap();
        assert_eq!(list.iter().map(|item| item.background).collect::<Vec<_>>(), [true, false, false]);
        let [(After::Anything, first), (After::Success, second), (After::Failure, _)] =
            &list[0].pipelines[..]
        else {
            panic!("{list:?}")
        };
        assert_eq!((first.commands.len(), first.negated, second.negated), (2, false, true));
        let command = &first.commands[0];
        let redirections: Vec<_> = command.redirections.iter().map(|r| (r.fd, r.operator)).collect();
        assert_eq!(redirections, [(0, "<"), (1, ">>"), (2, ">&")]);
        assert!(
            matches!(&command.kind, Kind::Simple { assignments, words } if assignments.len() == 1 && words.len() == 2)
        );
        assert_eq!(list[1].text, "d");
    }

    #[test]
    fn compound_commands() {
        let Kind::If(branches, otherwise) = one("if a; then b\nelif c; then d; else e; fi >x").kind else {
            panic!()
        };
        assert_eq!((branches.len(), otherwise.len()), (2, 1));
        assert!(matches!(one("while a; do b; done").kind, Kind::While(_, _, false)));
        assert!(matches!(one("until a\ndo b\ndone").kind, Kind::While(_, _, true)));
        let Kind::For(name, words, body) = one("for i in a $B; do c; d; done").kind else { panic!() };
        assert_eq!((name.as_str(), words.len(), body.len()), ("i", 2, 2));
        assert!(matches!(one("for i\ndo c; done").kind, Kind::For(_, words, _) if words.len() == 1));
        assert!(matches!(one("( a; b )").kind, Kind::Group(list, true) if list.len() == 2));
        assert!(matches!(one("{ a; }").kind, Kind::Group(_, false)));
    }

    #[test]
    fn what_goes_on_and_what_is_wrong() {
        for open in ["if a; then", "while", "for i in", "( a", "a |", "a &&", "{ a;", "echo >"] {
            assert_eq!(parse(open), Err(Error::Incomplete), "{open}");
        }
        for wrong in
            ["fi", "; a", "a | ; b", ")", "if a; fi", "{ }", "a > ; b", "for 1 in a; do b; done", "|"]
        {
            assert!(matches!(parse(wrong), Err(Error::Syntax(_))), "{wrong}");
        }
        assert_eq!(parse(" \n# nothing\n"), Ok(List::new()));
    }
}
