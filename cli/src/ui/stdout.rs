//! Standard output whose reader may leave.

use std::fmt;
use std::io::{self, BufWriter, Write};

use rosettar::Error;

use super::MayWait;

/// Standard output, buffered. When the reader at the other end of a pipe has gone (`| head`), writing fails with an
/// error that [`is_closed_pipe`] knows; a verb then stops, says nothing, and exits with 0, because its reader got all it
/// wanted. `print!` and `println!` would panic instead: print through this, and [flush](Write::flush) at the end.
pub struct Stdout<W: Write = StandardOutput>(BufWriter<W>);

impl Stdout {
    /// The process's standard output.
    pub fn new() -> Self {
        Self::over(StandardOutput::new())
    }
}

impl Default for Stdout {
    fn default() -> Self {
        Self::new()
    }
}

impl<W: Write> Stdout<W> {
    /// The same over another writer.
    pub fn over(writer: W) -> Self {
        Self(BufWriter::with_capacity(1 << 16, writer))
    }
}

impl<W: Write> Write for Stdout<W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.write(buf).map_err(mark)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(mark)
    }
}

/// The process's standard output itself. While its reader keeps this process waiting, an interruption
/// [ends it](MayWait).
#[derive(Debug)]
pub struct StandardOutput(io::Stdout);

impl StandardOutput {
    /// A handle to it.
    pub fn new() -> Self {
        Self(io::stdout())
    }
}

impl Default for StandardOutput {
    fn default() -> Self {
        Self::new()
    }
}

impl Write for StandardOutput {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let _waiting = MayWait::begin();
        self.0.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        let _waiting = MayWait::begin();
        self.0.flush()
    }
}

/// Tells a pipe that this process prints to from every other broken pipe.
#[derive(Debug)]
struct ReaderGone;

impl fmt::Display for ReaderGone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the reader of the output has gone")
    }
}

impl std::error::Error for ReaderGone {}

fn mark(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::BrokenPipe { io::Error::new(error.kind(), ReaderGone) } else { error }
}

/// Whether an error only says that nobody reads [`Stdout`] any more.
pub fn is_closed_pipe(error: &Error) -> bool {
    error.io_error().and_then(io::Error::get_ref).is_some_and(|source| source.is::<ReaderGone>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rosettar::error::code;

    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn only_a_closed_standard_output_is_silent() {
        let mut out = Stdout::over(Closed);
        out.write_all(b"x").unwrap();
        let error = Error::io(code::IO_WRITE, "writing", out.flush().unwrap_err());
        assert!(is_closed_pipe(&error));
        let other = Error::io(code::IO_WRITE, "writing", io::ErrorKind::BrokenPipe.into());
        assert!(!is_closed_pipe(&other));
    }
}
