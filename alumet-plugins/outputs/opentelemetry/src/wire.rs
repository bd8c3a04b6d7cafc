//! Protocol buffers, as far as points need them. All fields here have numbers below 16.

use alumet_core::attributes::AttributeValue;

/// Appends what stands before so many bytes of a field: a text, or a message.
pub(crate) fn push_head(out: &mut Vec<u8>, field: u8, len: usize) {
    out.push(field << 3 | 2);
    push_varint(out, len as u64);
}

/// Appends a text or a message.
pub(crate) fn push_bytes(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    push_head(out, field, bytes.len());
    out.extend_from_slice(bytes);
}

/// Appends an integer or a truth value.
pub(crate) fn push_integer(out: &mut Vec<u8>, field: u8, value: u64) {
    out.push(field << 3);
    push_varint(out, value);
}

/// How long a field with so many bytes is.
pub(crate) const fn field_len(len: usize) -> usize {
    let bits = usize::BITS - (len | 1).leading_zeros();
    1 + bits.div_ceil(7) as usize + len
}

/// Appends a `KeyValue`.
pub(crate) fn push_attribute(out: &mut Vec<u8>, field: u8, key: &str, value: &AttributeValue) {
    let (mut pair, mut any) = (Vec::new(), Vec::new());
    push_any(&mut any, value);
    push_bytes(&mut pair, 1, key.as_bytes());
    push_bytes(&mut pair, 2, &any);
    push_bytes(out, field, &pair);
}

/// Appends the content of an `AnyValue`.
fn push_any(out: &mut Vec<u8>, value: &AttributeValue) {
    match value {
        AttributeValue::Bool(value) => push_integer(out, 2, (*value).into()),
        AttributeValue::I64(value) => push_integer(out, 3, value.cast_unsigned()),
        AttributeValue::U64(value) if i64::try_from(*value).is_ok() => push_integer(out, 3, *value),
        AttributeValue::F64(value) => {
            out.push(4 << 3 | 1);
            out.extend_from_slice(&value.to_le_bytes());
        }
        AttributeValue::ListU64(values) => {
            let mut list = Vec::new();
            for value in &**values {
                let mut any = Vec::new();
                push_any(&mut any, &AttributeValue::U64(*value));
                push_bytes(&mut list, 1, &any);
            }
            push_bytes(out, 5, &list);
        }
        // No integer is large enough for the others.
        other => push_bytes(out, 1, other.to_string().as_bytes()),
    }
}

fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_as_long_as_is_said_before() {
        for len in [0, 1, 127, 128, 16_383, 16_384, 100_000] {
            let mut out = Vec::new();
            push_bytes(&mut out, 1, &vec![0; len]);
            assert_eq!(out.len(), field_len(len), "{len}");
        }
    }
}
