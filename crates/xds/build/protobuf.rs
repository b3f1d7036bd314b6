//! Just enough of protobuf's encoding to take a descriptor set apart and to put it together again.

/// One field of an encoded message.
pub struct Field<'a> {
    /// All of its bytes.
    pub whole: &'a [u8],
    /// What it holds, if it is length-delimited.
    pub payload: &'a [u8],
    /// What it holds, if it is a number of variable length.
    pub value: u64,
}

impl Field<'_> {
    /// The payload as text.
    pub fn text(&self) -> Option<String> {
        String::from_utf8(self.payload.to_vec()).ok()
    }
}

/// The fields of a message with their numbers; `None` if it is malformed.
pub fn fields(message: &[u8]) -> Option<Vec<(u64, Field<'_>)>> {
    let mut fields = Vec::new();
    let mut at = 0;
    while at < message.len() {
        let start = at;
        let tag = take_varint(message, &mut at)?;
        let mut payload = start..start;
        let mut value = 0;
        match tag & 7 {
            0 => value = take_varint(message, &mut at)?,
            1 => at += 8,
            2 => {
                let length = usize::try_from(take_varint(message, &mut at)?).ok()?;
                payload = at..at.checked_add(length)?;
                at = payload.end;
            }
            5 => at += 4,
            _ => return None,
        }
        let field = Field { whole: message.get(start..at)?, payload: message.get(payload)?, value };
        fields.push((tag >> 3, field));
    }
    Some(fields)
}

fn take_varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

/// Appends a length-delimited field.
pub fn put_bytes(out: &mut Vec<u8>, number: u64, payload: &[u8]) {
    put_varint(out, number << 3 | 2);
    put_varint(out, payload.len() as u64);
    out.extend_from_slice(payload);
}

/// Appends a field of variable length.
pub fn put_number(out: &mut Vec<u8>, number: u64, value: u64) {
    put_varint(out, number << 3);
    put_varint(out, value);
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
