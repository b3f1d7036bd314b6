//! A body in chunks, byte by byte: whether it may be passed on, and where it ends (RFC 9112 §7.1).

use super::head::split;

/// Most bytes of the extensions of one chunk.
const MAX_EXTENSION_BYTES: u32 = 16 * 1024;

/// Most bytes of the trailers.
pub const MAX_TRAILER_BYTES: usize = 16 * 1024;

/// Where in a body in chunks the next byte stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chunked {
    /// In the size of a chunk; how many digits it has, leading zeros apart, and what they say.
    Size {
        /// Any digit was seen.
        begun: bool,
        /// The digits so far.
        size: u64,
    },
    /// In what follows the size; so many bytes of it were seen.
    Extension(u64, u32),
    /// Before the line feed that ends the size.
    SizeEnd(u64),
    /// In the data of a chunk, of which so many bytes are left.
    Data(u64),
    /// Before the end of line behind the data; true: the carriage return was seen.
    DataEnd(bool),
    /// In the trailers, of which this line was seen so far, and so many bytes.
    Trailers(Vec<u8>, usize),
}

/// A body that breaks the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken;

impl Chunked {
    /// Before the first byte.
    pub fn begin() -> Chunked {
        Chunked::Size { begun: false, size: 0 }
    }

    /// Takes bytes; the answer is how many of them belong to the body, and whether it ends behind them.
    pub fn take(&mut self, bytes: &[u8]) -> Result<(usize, bool), Broken> {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            if let Chunked::Data(left) = self {
                let step = (*left).min((bytes.len() - at) as u64);
                at += step as usize;
                *left -= step;
                if *left == 0 {
                    *self = Chunked::DataEnd(false);
                }
                continue;
            }
            at += 1;
            if self.step(byte)? {
                return Ok((at, true));
            }
        }
        Ok((at, false))
    }

    /// One byte outside of data; whether the body ends with it.
    fn step(&mut self, byte: u8) -> Result<bool, Broken> {
        let next = match (&mut *self, byte) {
            (Chunked::Size { size, .. }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                if *size >> 60 != 0 {
                    return Err(Broken);
                }
                let digit = char::from(byte).to_digit(16).unwrap_or(0);
                Chunked::Size { begun: true, size: *size << 4 | u64::from(digit) }
            }
            (Chunked::Size { begun: true, size }, b'\r') => Chunked::SizeEnd(*size),
            (Chunked::Size { begun: true, size }, b';' | b' ' | b'\t') => Chunked::Extension(*size, 0),
            (Chunked::Extension(size, _), b'\r') => Chunked::SizeEnd(*size),
            (Chunked::Extension(size, seen), _) if is_field_text(byte) && *seen < MAX_EXTENSION_BYTES => {
                Chunked::Extension(*size, *seen + 1)
            }
            (Chunked::SizeEnd(0), b'\n') => Chunked::Trailers(Vec::new(), 0),
            (Chunked::SizeEnd(size), b'\n') => Chunked::Data(*size),
            (Chunked::DataEnd(false), b'\r') => Chunked::DataEnd(true),
            (Chunked::DataEnd(true), b'\n') => Chunked::begin(),
            (Chunked::Trailers(line, seen), _) => {
                *seen += 1;
                return trailer(line, *seen, byte);
            }
            _ => return Err(Broken),
        };
        *self = next;
        Ok(false)
    }
}

fn trailer(line: &mut Vec<u8>, seen: usize, byte: u8) -> Result<bool, Broken> {
    if seen > MAX_TRAILER_BYTES {
        return Err(Broken);
    }
    line.push(byte);
    if byte != b'\n' {
        return Ok(false);
    }
    let whole = line.strip_suffix(b"\r\n").ok_or(Broken)?;
    if whole.is_empty() {
        return Ok(true);
    }
    split(whole).ok_or(Broken)?;
    line.clear();
    Ok(false)
}

/// Whether a field value has only bytes that it may have.
pub(super) fn is_all_field_text(value: &[u8]) -> bool {
    // All of it is looked at in any case, so that many bytes can be looked at together.
    value.iter().fold(true, |text, byte| text & is_field_text(*byte))
}

/// Bytes that a field value may have (RFC 9110 §5.5).
fn is_field_text(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~' | 0x80..)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many bytes the body has, in one piece and byte by byte.
    fn check(body: &str, expected: Result<usize, Broken>) {
        let whole = Chunked::begin().take(body.as_bytes());
        let mut state = Chunked::begin();
        let mut taken = Ok((0, false));
        let mut at = 0;
        for byte in body.as_bytes() {
            taken = state.take(std::slice::from_ref(byte));
            at += 1;
            if !matches!(taken, Ok((1, false))) {
                break;
            }
        }
        assert_eq!(taken.map(|(_, end)| (at, end)), whole, "{body:?}");
        assert_eq!(whole.map(|(bytes, end)| if end { bytes } else { 0 }), expected, "{body:?}");
    }

    #[test]
    fn chunks_have_one_form() {
        check("3\r\nabc\r\n0\r\n\r\nGET", Ok(13));
        check("3;a=\"b\"\r\nabc\r\n0\r\n\r\n", Ok(19));
        check("3 \r\nabc\r\n0\r\n\r\n", Ok(14));
        check("0000000000000000000003\r\nabc\r\n0\r\n\r\n", Ok(34));
        check("0\r\nx: y\r\nz: w\r\n\r\nmore", Ok(17));
        check("3\r\nab", Ok(0));
        for broken in [
            "3\nabc\r\n0\r\n\r\n",
            "3;a\nbc\r\n0\r\n\r\n",
            "3;a\rb\r\nabc\r\n0\r\n\r\n",
            " 3\r\nabc\r\n0\r\n\r\n",
            "0x3\r\nabc\r\n0\r\n\r\n",
            "+3\r\nabc\r\n0\r\n\r\n",
            "-3\r\nabc\r\n0\r\n\r\n",
            "\r\nabc\r\n0\r\n\r\n",
            "x\r\n",
            "3\r\nabcX\r\n0\r\n\r\n",
            "3\r\nabc0\r\n\r\n",
            "fffffffffffffffff\r\n",
            "0\r\nx y\r\n\r\n",
            "0\r\n x: y\r\n\r\n",
            "0\r\nx: y\n\r\n",
            "0\r\nx: a\0\r\n\r\n",
        ] {
            check(broken, Err(Broken));
        }
    }

    #[test]
    fn what_is_not_data_has_an_end() {
        check(&format!("3;{}", "a".repeat(20_000)), Err(Broken));
        check(&format!("0\r\n{}", "a: b\r\n".repeat(4_000)), Err(Broken));
    }
}
