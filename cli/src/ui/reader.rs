//! Reading what may keep the reader waiting.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use rosettar::Result;

use super::{Interrupt, start_thread};

/// Bytes that are read at once.
const PIECE: usize = 1 << 17;
/// How many pieces are read ahead.
const AHEAD: usize = 4;
/// How often it is asked whether the user wants to stop.
const PERIOD: Duration = Duration::from_millis(50);

/// Reads a pipe or terminal from a thread of its own, so that an interruption is noticed while nothing comes. The thread
/// ends with the source, or with the process.
#[derive(Debug)]
pub struct WaitingReader {
    pieces: Receiver<io::Result<Vec<u8>>>,
    interrupt: Interrupt,
    piece: Vec<u8>,
    at: usize,
    ended: bool,
}

impl WaitingReader {
    /// Reads `source`, until `interrupt` is set.
    ///
    /// # Errors
    /// `io.resources`.
    pub fn new(source: impl Read + Send + 'static, interrupt: Interrupt) -> Result<Self> {
        Self::opening(|| Ok(source), interrupt)
    }

    /// Reads what `open` opens, which may take as long as reading: a FIFO is opened once somebody writes to it.
    ///
    /// # Errors
    /// `io.resources`; what `open` answers is that of the first read.
    pub fn opening<R: Read>(
        open: impl FnOnce() -> io::Result<R> + Send + 'static,
        interrupt: Interrupt,
    ) -> Result<Self> {
        let (send, pieces) = sync_channel(AHEAD);
        start_thread(move || {
            let mut source = match open() {
                Ok(source) => source,
                Err(error) => {
                    // Nobody may be listening any more.
                    let _ = send.send(Err(error));
                    return;
                }
            };
            loop {
                let mut piece = vec![0; PIECE];
                let read = match source.read(&mut piece) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    read => read,
                };
                let last = !matches!(read, Ok(1..));
                let piece = read.map(|read| {
                    piece.truncate(read);
                    piece
                });
                if send.send(piece).is_err() || last {
                    return;
                }
            }
        })?;
        Ok(Self { pieces, interrupt, piece: Vec::new(), at: 0, ended: false })
    }
}

impl Read for WaitingReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.at == self.piece.len() && !self.ended {
            match self.pieces.recv_timeout(PERIOD) {
                Ok(piece) => {
                    (self.piece, self.at) = (piece?, 0);
                    self.ended = self.piece.is_empty();
                }
                // Not `Interrupted`, after which readers try again.
                Err(RecvTimeoutError::Timeout) if self.interrupt.is_set() => {
                    return Err(io::Error::other("interrupted"));
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => self.ended = true,
            }
        }
        let count = (self.piece.len() - self.at).min(buf.len());
        buf[..count].copy_from_slice(&self.piece[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_comes_and_an_interruption_ends_the_wait() {
        let content: Vec<u8> = (0..=255).cycle().take(1_000_000).collect();
        let mut found = Vec::new();
        WaitingReader::new(io::Cursor::new(content.clone()), Interrupt::default())
            .unwrap()
            .read_to_end(&mut found)
            .unwrap();
        assert_eq!(found, content);

        struct Never;
        impl Read for Never {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                loop {
                    std::thread::park();
                }
            }
        }
        let interrupt = Interrupt::default();
        interrupt.flag().store(true, std::sync::atomic::Ordering::SeqCst);
        let error = WaitingReader::new(Never, interrupt).unwrap().read(&mut [0]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Other);
    }
}
