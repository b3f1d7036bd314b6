//! Protobuf's encoding: the fields of an encoded message one after the other, without a word about what they mean.

/// Messages, or groups, that may be nested in one another, as in other readers of protobuf.
pub(crate) const MAX_DEPTH: usize = 100;

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WireError {
    #[error("the bytes end in the middle of a field")]
    Truncated,
    #[error("a number is longer than 64 bits")]
    Overlong,
    #[error("{0} is no tag of a field")]
    Tag(u64),
    #[error("a group ends that did not begin")]
    Group,
    #[error("field number {0} has the encoding of another type")]
    Type(u32),
    #[error("field number {0} is not UTF-8")]
    Text(u32),
    #[error("more than {MAX_DEPTH} messages are nested in one another")]
    Depth,
}

/// One field as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    pub(crate) number: u32,
    pub(crate) payload: Payload<'a>,
}

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Payload<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32(u32),
    /// Deprecated, and in no message of Envoy's; left out.
    Group,
}

/// How the payload of a number is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WireType {
    Varint,
    Fixed64,
    Fixed32,
}

/// The fields of an encoded message. Ends after the first error.
pub(crate) struct Records<'a> {
    rest: &'a [u8],
}

impl<'a> Records<'a> {
    pub(crate) fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    fn record(&mut self) -> Result<Record<'a>, WireError> {
        let (number, wire_type) = tag(&mut self.rest)?;
        let payload = match wire_type {
            3 => {
                skip_group(number, &mut self.rest)?;
                Payload::Group
            }
            _ => payload(wire_type, number, &mut self.rest)?,
        };
        Ok(Record { number, payload })
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let record = self.record();
        if record.is_err() {
            self.rest = &[];
        }
        Some(record)
    }
}

/// The values of a repeated message, and the bytes of everything else, which are a message without it.
pub(crate) fn split_off(message: &[u8], number: u32) -> Result<(Vec<u8>, Vec<&[u8]>), WireError> {
    let (mut others, mut values) = (Vec::new(), Vec::new());
    let mut records = Records::new(message);
    loop {
        let before = records.rest;
        match records.next() {
            None => return Ok((others, values)),
            Some(Ok(Record { number: of, payload: Payload::Bytes(value) })) if of == number => {
                values.push(value);
            }
            Some(Ok(_)) => others.extend_from_slice(&before[..before.len() - records.rest.len()]),
            Some(Err(error)) => return Err(error),
        }
    }
}

/// Numbers that are written one after the other, without tags. Ends after the first error.
pub(crate) fn packed<'a>(
    wire_type: WireType,
    mut rest: &'a [u8],
) -> impl Iterator<Item = Result<Payload<'a>, WireError>> {
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let number = number(wire_type, &mut rest);
        if number.is_err() {
            rest = &[];
        }
        Some(number)
    })
}

/// Number and wire type of a field.
fn tag(rest: &mut &[u8]) -> Result<(u32, u8), WireError> {
    let tag = varint(rest)?;
    match u32::try_from(tag >> 3) {
        Ok(number) if number > 0 && tag <= u64::from(u32::MAX) => Ok((number, (tag & 7) as u8)),
        _ => Err(WireError::Tag(tag)),
    }
}

fn payload<'a>(wire_type: u8, field: u32, rest: &mut &'a [u8]) -> Result<Payload<'a>, WireError> {
    match wire_type {
        0 => number(WireType::Varint, rest),
        1 => number(WireType::Fixed64, rest),
        2 => {
            let length = usize::try_from(varint(rest)?).map_err(|_| WireError::Truncated)?;
            let (bytes, behind) = rest.split_at_checked(length).ok_or(WireError::Truncated)?;
            *rest = behind;
            Ok(Payload::Bytes(bytes))
        }
        4 => Err(WireError::Group),
        5 => number(WireType::Fixed32, rest),
        _ => Err(WireError::Tag(u64::from(field) << 3 | u64::from(wire_type))),
    }
}

fn number<'a>(wire_type: WireType, rest: &mut &'a [u8]) -> Result<Payload<'a>, WireError> {
    Ok(match wire_type {
        WireType::Varint => Payload::Varint(varint(rest)?),
        WireType::Fixed64 => Payload::Fixed64(u64::from_le_bytes(fixed(rest)?)),
        WireType::Fixed32 => Payload::Fixed32(u32::from_le_bytes(fixed(rest)?)),
    })
}

fn fixed<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], WireError> {
    let (bytes, behind) = rest.split_first_chunk::<N>().ok_or(WireError::Truncated)?;
    *rest = behind;
    Ok(*bytes)
}

fn varint(rest: &mut &[u8]) -> Result<u64, WireError> {
    // Nearly all tags, lengths and numbers are one byte long.
    if let Some((byte, behind)) = rest.split_first()
        && *byte < 0x80
    {
        *rest = behind;
        return Ok(u64::from(*byte));
    }
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, behind) = rest.split_first().ok_or(WireError::Truncated)?;
        *rest = behind;
        // The tenth byte has room for one bit.
        if shift == 63 && *byte > 1 {
            return Err(WireError::Overlong);
        }
        value |= u64::from(byte & 0x7f) << shift;
        if *byte < 0x80 {
            return Ok(value);
        }
    }
    Err(WireError::Overlong)
}

/// Steps over a group that has begun, and over those in it.
fn skip_group(number: u32, rest: &mut &[u8]) -> Result<(), WireError> {
    let mut open = vec![number];
    while let Some(innermost) = open.last() {
        match tag(rest)? {
            (number, 3) if open.len() < MAX_DEPTH => open.push(number),
            (_, 3) => return Err(WireError::Depth),
            (number, 4) if number == *innermost => drop(open.pop()),
            (number, wire_type) => drop(payload(wire_type, number, rest)?),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Vec<Record<'_>>, WireError> {
        Records::new(bytes).collect()
    }

    #[test]
    fn each_encoding_is_read() {
        let bytes = [
            0x08, 0x96, 0x01, 0x12, 2, b'h', b'i', 0x1d, 1, 0, 0, 0, 0x21, 2, 0, 0, 0, 0, 0, 0, 0, //
            0x2b, 0x33, 0x34, 0x08, 1, 0x2c, 0x30, 7,
        ];
        let record = |number, payload| Record { number, payload };
        assert_eq!(
            read(&bytes),
            Ok(vec![
                record(1, Payload::Varint(150)),
                record(2, Payload::Bytes(b"hi")),
                record(3, Payload::Fixed32(1)),
                record(4, Payload::Fixed64(2)),
                record(5, Payload::Group),
                record(6, Payload::Varint(7)),
            ])
        );
        let numbers: Vec<_> = packed(WireType::Varint, &[1, 0x96, 1, 0x80]).collect();
        let expected = [Ok(Payload::Varint(1)), Ok(Payload::Varint(150)), Err(WireError::Truncated)];
        assert_eq!(numbers, expected);
    }

    #[test]
    fn malformed_bytes_are_errors() {
        for (bytes, error) in [
            (&[0x08][..], WireError::Truncated),
            (&[0x80], WireError::Truncated),
            (&[0x12, 5, 1], WireError::Truncated),
            (&[0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], WireError::Truncated),
            (&[0x1d, 1, 2, 3], WireError::Truncated),
            (&[0x00, 1], WireError::Tag(0)),
            (&[0x0e], WireError::Tag(14)),
            (&[0xff, 0xff, 0xff, 0xff, 0x7f], WireError::Tag(0x7_ffff_ffff)),
            (&[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2], WireError::Overlong),
            (&[0x0c], WireError::Group),
            (&[0x0b, 0x14], WireError::Group),
            (&[0x0b], WireError::Truncated),
            (&[0x0b; 200], WireError::Depth),
        ] {
            assert_eq!(read(bytes), Err(error), "{bytes:x?}");
        }
    }
}
