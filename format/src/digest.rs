//! SHA-256 digests: as a value, and computed in steps.

use std::fmt;
use std::str::FromStr;

use sha2::Digest as _;

/// A SHA-256 digest: 32 bytes, written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Digest(pub [u8; Digest::LEN]);

impl Digest {
    /// The length of a digest in bytes.
    pub const LEN: usize = 32;
    /// Thirty-two zero bytes, which stand where there is nothing to digest.
    pub const ZERO: Self = Self([0; Self::LEN]);

    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// The digest of each input, two of them at a time: see [`Hasher::update_both`].
    pub fn of_each<'a>(inputs: impl IntoIterator<Item = &'a [u8]>) -> Vec<Self> {
        let mut digests = Vec::new();
        let mut waiting = inputs.into_iter();
        let mut begin = |digests: &mut Vec<Self>| {
            let rest = waiting.next()?;
            digests.push(Self::ZERO);
            Some((digests.len() - 1, Hasher::new(), rest))
        };
        let mut lanes = [begin(&mut digests), begin(&mut digests)];
        loop {
            match &mut lanes {
                [Some((_, one, mine)), Some((_, other, theirs))] => {
                    let common = mine.len().min(theirs.len());
                    one.update_both(&mine[..common], other, &theirs[..common]);
                    (*mine, *theirs) = (&mine[common..], &theirs[common..]);
                }
                [Some((_, hasher, rest)), None] | [None, Some((_, hasher, rest))] => {
                    hasher.update(std::mem::take(rest));
                }
                [None, None] => return digests,
            }
            for lane in &mut lanes {
                if let Some((number, hasher, _)) = lane.take_if(|(_, _, rest)| rest.is_empty()) {
                    digests[number] = hasher.finish();
                    *lane = begin(&mut digests);
                }
            }
        }
    }

    /// The digest held in `bytes`, or `None` where that is not 32 bytes long.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not 64 lower-case hexadecimal digits.
#[derive(Debug, thiserror::Error)]
#[error("a SHA-256 digest is 64 lower-case hexadecimal digits")]
pub struct ParseDigestError;

impl FromStr for Digest {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, ParseDigestError> {
        let nibble = |b: u8| match b {
            b'0'..=b'9' => Ok(b - b'0'),
            b'a'..=b'f' => Ok(b - b'a' + 10),
            _ => Err(ParseDigestError),
        };
        let text: &[u8; 2 * Self::LEN] = text.as_bytes().try_into().map_err(|_| ParseDigestError)?;
        let mut bytes = [0; Self::LEN];
        for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
            *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        Ok(Self(bytes))
    }
}

/// What SHA-256 takes in at a time.
const BLOCK: usize = 64;
/// How much of one input is taken in before it is the turn of another: so little that a processor still works on the one
/// when it begins with the other.
const TURN: usize = 2 * BLOCK;

/// A digest being computed.
#[derive(Clone, Default)]
pub struct Hasher {
    state: sha2::Sha256,
    /// How many bytes were taken in, modulo the size of a block.
    over: usize,
}

impl Hasher {
    /// A digest of nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.state.update(bytes);
        self.over = (self.over + bytes.len()) % BLOCK;
    }

    /// Takes `mine` into this digest and `theirs` into another. That is faster than one after the other: the steps of a
    /// SHA-256 wait for each other, those of two do not.
    pub fn update_both(&mut self, mut mine: &[u8], other: &mut Self, mut theirs: &[u8]) {
        self.fill_block(&mut mine);
        other.fill_block(&mut theirs);
        let common = mine.len().min(theirs.len());
        for (mine, theirs) in mine[..common].chunks(TURN).zip(theirs[..common].chunks(TURN)) {
            self.state.update(mine);
            other.state.update(theirs);
        }
        self.over = common % BLOCK;
        other.over = common % BLOCK;
        self.update(&mine[common..]);
        other.update(&theirs[common..]);
    }

    /// The digest of all bytes taken in.
    pub fn finish(self) -> Digest {
        Digest(self.state.finalize().into())
    }

    /// Takes in as many of the bytes as complete a block that was begun.
    fn fill_block(&mut self, bytes: &mut &[u8]) {
        let take = (BLOCK - self.over) % BLOCK;
        let (now, later) = bytes.split_at(take.min(bytes.len()));
        self.update(now);
        *bytes = later;
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hasher")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answer_and_text_form() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of(b"").to_string(), empty);
        assert_eq!(empty.parse::<Digest>().unwrap(), Digest::of(b""));
        let mut hasher = Hasher::new();
        hasher.update(b"ab");
        hasher.update(b"c");
        assert_eq!(hasher.finish(), Digest::of(b"abc"));
        for bad in ["", "e3", &empty.to_uppercase(), &empty[..63]] {
            assert!(bad.parse::<Digest>().is_err());
        }
    }

    #[test]
    fn two_at_once_are_what_each_is() {
        let bytes: Vec<u8> = (0..1000u32).map(|i| (i * i) as u8).collect();
        let lengths = [0, 1, 63, 64, 65, 127, 128, 129, 500, 777];
        for before in [0, 1, 63, 64, 100] {
            for mine in lengths {
                for theirs in lengths {
                    let (mut one, mut other) = (Hasher::new(), Hasher::new());
                    one.update(&bytes[..before]);
                    one.update_both(&bytes[before..][..mine], &mut other, &bytes[1..][..theirs]);
                    one.update_both(b"x", &mut other, b"yz");
                    let expected = [&bytes[..before + mine], b"x"].concat();
                    assert_eq!(one.finish(), Digest::of(&expected), "{before}, {mine}, {theirs}");
                    assert_eq!(other.finish(), Digest::of(&[&bytes[1..][..theirs], b"yz"].concat()));
                }
            }
        }
        let parts: Vec<&[u8]> = lengths.iter().map(|len| &bytes[..*len]).chain([&bytes[3..900], &bytes[..7]]).collect();
        for from in 0..parts.len() {
            for to in from..=parts.len() {
                let expected: Vec<Digest> = parts[from..to].iter().map(|part| Digest::of(part)).collect();
                assert_eq!(Digest::of_each(parts[from..to].iter().copied()), expected);
            }
        }
    }
}
