//! Where answers go. Programs read standard output; people are asked and told on standard error.

use super::{
    failure::{Exit, Failure},
    typed::Typed,
};
use serde::Serialize;
use std::io::{self, BufRead, IsTerminal, Write};

pub(super) struct Console<'a> {
    json: bool,
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
    input: &'a mut dyn BufRead,
    /// Does a person sit at the input?
    person: bool,
}

impl<'a> Console<'a> {
    pub(super) fn new(
        json: bool,
        out: &'a mut dyn Write,
        err: &'a mut dyn Write,
        input: &'a mut dyn BufRead,
    ) -> Self {
        Self {
            json,
            out,
            err,
            input,
            person: io::stdin().is_terminal(),
        }
    }

    #[cfg(test)]
    pub(super) fn with_person(self, person: bool) -> Self {
        Self { person, ..self }
    }

    /// Are answers wanted in JSON?
    pub(super) fn json(&self) -> bool {
        self.json
    }

    /// Reads a secret: one line from a person, everything from a pipe.
    pub(super) fn secret(&mut self, what: &str) -> Result<Typed, Failure> {
        if !self.person {
            return Typed::read(&mut self.input);
        }
        self.tell(&format!("Paste the {what} and press Enter:"));
        let mut line = String::new();
        match self.input.read_line(&mut line) {
            Ok(_) => Ok(Typed::new(&line)),
            Err(error) => Err(Failure::unreadable_input("The terminal", &error)),
        }
    }

    /// An answer for people. False when nobody reads it.
    pub(super) fn say(&mut self, text: &str) -> bool {
        writeln!(self.out, "{}", clean(text)).is_ok() && self.out.flush().is_ok()
    }

    /// An answer in JSON, for people to read as well. False when nobody reads it.
    pub(super) fn print<T: Serialize>(&mut self, answer: &T) -> bool {
        serde_json::to_writer_pretty(&mut self.out, answer).is_ok()
            && writeln!(self.out).is_ok()
            && self.out.flush().is_ok()
    }

    /// An answer as one line of JSON. False when nobody reads it.
    pub(super) fn print_line<T: Serialize>(&mut self, answer: &T) -> bool {
        serde_json::to_writer(&mut self.out, answer).is_ok()
            && writeln!(self.out).is_ok()
            && self.out.flush().is_ok()
    }

    /// Something that a person may want to know meanwhile; no part of the answer.
    pub(super) fn tell(&mut self, text: &str) {
        // an answer does not depend on it
        let _ = writeln!(self.err, "{}", clean(text));
    }

    /// Waits for the person's yes.
    pub(super) fn confirm(&mut self) -> Result<(), Failure> {
        if !self.person {
            return Err(Failure::confirmation_required());
        }
        let mut line = String::new();
        let asked = write!(self.err, "Go on? [y/N] ").and_then(|()| self.err.flush());
        let read = asked.and_then(|()| self.input.read_line(&mut line));
        let yes = ["y", "yes"]
            .iter()
            .any(|yes| line.trim().eq_ignore_ascii_case(yes));
        match read {
            Ok(_) if yes => Ok(()),
            Ok(_) => Err(Failure::declined()),
            Err(_) => Err(Failure::confirmation_required()),
        }
    }

    /// Prints why it did not work, if it did not.
    pub(super) fn end(&mut self, outcome: Result<Exit, Failure>) -> Exit {
        let failure = match outcome {
            Ok(exit) => return exit,
            Err(failure) => failure,
        };
        if self.json {
            self.print_line(&failure.to_json());
        } else {
            self.tell(&failure.to_string());
        }
        failure.exit
    }
}

/// What a gateway called itself must not steer the terminal.
fn clean(text: &str) -> String {
    let steers = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().filter(|c| !steers(*c)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_steer_the_terminal() {
        assert_eq!(clean("a\u{1b}[2Jb\u{202e}c\r\nd"), "a[2Jbc\nd");
    }

    #[test]
    fn only_a_person_who_says_yes_confirms() {
        for (typed, person, expected) in [
            ("y\n", true, Ok(())),
            ("YES\n", true, Ok(())),
            ("\n", true, Err("declined")),
            ("", true, Err("declined")),
            ("nay\n", true, Err("declined")),
            ("y\n", false, Err("confirmation_required")),
        ] {
            let (mut out, mut err, mut input) = (vec![], vec![], typed.as_bytes());
            let mut console =
                Console::new(false, &mut out, &mut err, &mut input).with_person(person);
            let answer = console.confirm().map_err(|failure| failure.code);
            assert_eq!(answer, expected.map_err(str::to_owned), "{typed:?}");
        }
    }
}
