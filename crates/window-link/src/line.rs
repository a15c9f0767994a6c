//! One message per line.

use crate::Error;
use serde::{Serialize, de::DeserializeOwned};
use std::marker::PhantomData;

/// The longest line, without its newline, in bytes. Far above any real snapshot; bounds what a broken peer can take.
pub const MAX_LINE: usize = 8 * 1024 * 1024;

/// Writes one message as a line of JSON, with its newline.
///
/// # Errors
/// [`Error::TooLong`] above [`MAX_LINE`] bytes, [`Error::Unwritable`] if it has no form in JSON.
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, Error> {
    let mut line = serde_json::to_vec(message).map_err(|_| Error::Unwritable)?;
    if line.len() > MAX_LINE {
        return Err(Error::TooLong);
    }
    line.push(b'\n');
    Ok(line)
}

/// Cuts incoming bytes into messages of type `T`. A bad line is one error; the lines after it are read as usual.
#[derive(Debug)]
pub struct Decoder<T> {
    buffer: Vec<u8>,
    /// Bytes at the start of `buffer` that belong to lines already handed out.
    taken: usize,
    /// Bytes at the start of `buffer` in which no further newline is.
    scanned: usize,
    /// The rest of a line that was too long is still arriving.
    skipping: bool,
    message: PhantomData<fn() -> T>,
}

impl<T> Default for Decoder<T> {
    fn default() -> Self {
        Self {
            buffer: Vec::new(),
            taken: 0,
            scanned: 0,
            skipping: false,
            message: PhantomData,
        }
    }
}

impl<T: DeserializeOwned> Decoder<T> {
    /// Takes bytes as they came, in pieces of any size. Call [`Self::next`] until it is empty before pushing more.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.taken);
        self.scanned -= self.taken;
        self.taken = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next message, or why a line is none; `None` until more bytes come.
    #[expect(
        clippy::should_implement_trait,
        reason = "it is no iterator: more may come after None"
    )]
    pub fn next(&mut self) -> Option<Result<T, Error>> {
        loop {
            let Some(length) = self.buffer[self.scanned..]
                .iter()
                .position(|byte| *byte == b'\n')
            else {
                return self.keep_unfinished_line();
            };
            let end = self.scanned + length;
            let line = self.taken..end;
            self.taken = end + 1;
            self.scanned = end + 1;
            if std::mem::take(&mut self.skipping) {
                continue;
            }
            return Some(read(&self.buffer[line]));
        }
    }

    fn keep_unfinished_line(&mut self) -> Option<Result<T, Error>> {
        self.scanned = self.buffer.len();
        if !self.skipping && self.buffer.len() - self.taken <= MAX_LINE {
            return None;
        }
        self.buffer.clear();
        self.taken = 0;
        self.scanned = 0;
        let reported = std::mem::replace(&mut self.skipping, true);
        (!reported).then_some(Err(Error::TooLong))
    }
}

fn read<T: DeserializeOwned>(line: &[u8]) -> Result<T, Error> {
    if line.len() > MAX_LINE {
        return Err(Error::TooLong);
    }
    serde_json::from_slice(line).map_err(|error| Error::Unreadable {
        line: error.line(),
        column: error.column(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(decoder: &mut Decoder<Vec<u32>>) -> Vec<Result<Vec<u32>, Error>> {
        std::iter::from_fn(|| decoder.next()).collect()
    }

    #[test]
    fn messages_survive_being_cut_anywhere() {
        let sent: Vec<Vec<u32>> = vec![vec![1, 2], vec![], vec![333]];
        let bytes: Vec<u8> = sent
            .iter()
            .flat_map(|message| encode(message).expect("short"))
            .collect();
        for cut in 0..=bytes.len() {
            let mut decoder = Decoder::default();
            let mut received = Vec::new();
            for piece in [&bytes[..cut], &bytes[cut..]] {
                decoder.push(piece);
                received.extend(drain(&mut decoder));
            }
            assert_eq!(
                received,
                sent.iter().cloned().map(Ok).collect::<Vec<_>>(),
                "cut at {cut}"
            );
        }
    }

    #[test]
    fn a_bad_line_does_not_harm_the_next() {
        let mut decoder = Decoder::default();
        decoder.push(b"{\"secret\":\n[1]\n\xff\n[2]\n");
        let read = drain(&mut decoder);
        assert!(matches!(read[0], Err(Error::Unreadable { line: 1, .. })));
        assert_eq!(read[1], Ok(vec![1]));
        assert!(matches!(read[2], Err(Error::Unreadable { .. })));
        assert_eq!(read[3], Ok(vec![2]));
    }

    #[test]
    fn a_line_without_end_is_reported_once_and_its_bytes_are_dropped() {
        let mut decoder = Decoder::default();
        let mut read = Vec::new();
        for _ in 0..20 {
            decoder.push(&vec![b' '; MAX_LINE / 4]);
            read.extend(drain(&mut decoder));
            assert!(decoder.buffer.len() <= MAX_LINE + MAX_LINE / 4);
        }
        decoder.push(b"[9]\n[4]\n");
        read.extend(drain(&mut decoder));
        assert_eq!(read, [Err(Error::TooLong), Ok(vec![4])]);
    }

    #[test]
    fn a_line_of_the_longest_size_is_read_and_one_byte_more_is_not() {
        for (size, expected) in [(MAX_LINE, Ok(vec![])), (MAX_LINE + 1, Err(Error::TooLong))] {
            let mut line = vec![b' '; size - 2];
            line.extend_from_slice(b"[]\n");
            let mut decoder = Decoder::default();
            decoder.push(&line);
            assert_eq!(drain(&mut decoder), [expected], "{size} bytes");
        }
    }

    #[test]
    fn a_message_that_is_too_long_is_not_written() {
        assert_eq!(encode(&"x".repeat(MAX_LINE)), Err(Error::TooLong));
    }
}
