//! Writes messages in the wire format of protocol buffers: a tag of field number and wire type, then the value
//! (<https://protobuf.dev/programming-guides/encoding/>). ONNX needs four kinds of values.

/// A message that is being written.
#[derive(Default)]
pub(crate) struct Message {
    bytes: Vec<u8>,
}

const VARINT: u64 = 0;
const BYTES: u64 = 2;
const FOUR_BYTES: u64 = 5;

impl Message {
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// An `int64`, `int32` or `enum`.
    pub(crate) fn int(mut self, field: u64, value: i64) -> Self {
        self.tag(field, VARINT);
        self.varint(value as u64);
        self
    }

    /// A `float`.
    pub(crate) fn float(mut self, field: u64, value: f32) -> Self {
        self.tag(field, FOUR_BYTES);
        self.bytes.extend(value.to_le_bytes());
        self
    }

    /// `bytes`, or a `string` in UTF-8.
    pub(crate) fn data(mut self, field: u64, value: &[u8]) -> Self {
        self.tag(field, BYTES);
        self.varint(value.len() as u64);
        self.bytes.extend_from_slice(value);
        self
    }

    /// A `string`.
    pub(crate) fn text(self, field: u64, value: &str) -> Self {
        self.data(field, value.as_bytes())
    }

    /// A message inside this one.
    pub(crate) fn message(self, field: u64, value: &Message) -> Self {
        self.data(field, &value.bytes)
    }

    fn tag(&mut self, field: u64, wire_type: u64) {
        self.varint(field << 3 | wire_type);
    }

    /// Seven bits a byte, the lowest first; the eighth says that more follow.
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_as_the_documentation_encodes_them() {
        // https://protobuf.dev/programming-guides/encoding/: a = 150; b = "testing"; a message that holds the first
        assert_eq!(Message::default().int(1, 150).into_bytes(), [0x08, 0x96, 0x01]);
        assert_eq!(Message::default().text(2, "testing").into_bytes(), *b"\x12\x07testing");
        assert_eq!(Message::default().message(3, &Message::default().int(1, 150)).into_bytes(), [0x1a, 3, 8, 0x96, 1]);
        assert_eq!(Message::default().int(1, -2).into_bytes(), [8, 254, 255, 255, 255, 255, 255, 255, 255, 255, 1]);
        assert_eq!(Message::default().float(2, 1.0).into_bytes(), [0x15, 0, 0, 0x80, 0x3f]);
        assert_eq!(Message::default().int(20, 1).into_bytes(), [0xa0, 0x01, 1]);
    }
}
