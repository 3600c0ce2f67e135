//! TensorBoard's event file: a TFRecord file of `Event` messages in protobuf's encoding. Of `Event` and `Summary`
//! (tensorboard/compat/proto/event.proto and summary.proto) these fields are written:
//!
//! ```text
//! Event         double wall_time = 1;  int64 step = 2;  string file_version = 3;  Summary summary = 5;
//! Summary       repeated Value value = 1;
//! Summary.Value string tag = 1;  float simple_value = 2;
//! ```

use super::crc32c;

/// What the first event of a file says of its format.
const VERSION: &[u8] = b"brain.Event:2";

/// The encodings of a field's value in protobuf.
#[derive(Clone, Copy)]
enum Wire {
    Varint = 0,
    Fixed64 = 1,
    Bytes = 2,
    Fixed32 = 5,
}

/// An event file in memory.
pub(super) struct EventFile(Vec<u8>);

impl EventFile {
    /// A file that says its format.
    pub(super) fn new() -> Self {
        let mut event = Vec::new();
        bytes(&mut event, 3, VERSION);
        let mut file = Self(Vec::new());
        file.append(&event);
        file
    }

    /// Adds the values of a step, by their tags. `wall_time`: seconds since 1970.
    pub(super) fn scalars(&mut self, wall_time: f64, step: u64, values: &[(&str, f64)]) {
        let mut summary = Vec::new();
        for (tag, value) in values {
            let mut one = Vec::new();
            bytes(&mut one, 1, tag.as_bytes());
            key(&mut one, 2, Wire::Fixed32);
            one.extend((*value as f32).to_le_bytes());
            bytes(&mut summary, 1, &one);
        }
        let mut event = Vec::new();
        // As protobuf writes messages: a number that is 0 is left out.
        if wall_time != 0.0 {
            key(&mut event, 1, Wire::Fixed64);
            event.extend(wall_time.to_le_bytes());
        }
        if step != 0 {
            key(&mut event, 2, Wire::Varint);
            varint(&mut event, step);
        }
        bytes(&mut event, 5, &summary);
        self.append(&event);
    }

    /// A record: its length and its data, each with its checksum.
    fn append(&mut self, data: &[u8]) {
        let length = (data.len() as u64).to_le_bytes();
        self.0.extend(length);
        self.0.extend(crc32c::masked(&length).to_le_bytes());
        self.0.extend(data);
        self.0.extend(crc32c::masked(data).to_le_bytes());
    }

    /// The bytes of the file.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

fn key(out: &mut Vec<u8>, field: u64, wire: Wire) {
    varint(out, (field << 3) | wire as u64);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn bytes(out: &mut Vec<u8>, field: u64, value: &[u8]) {
    key(out, field, Wire::Bytes);
    varint(out, value.len() as u64);
    out.extend(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What TensorBoard's own writer makes of the same events (tensorboard 2.21.0, protobuf 7.36.2): `RecordWriter` of
    /// tensorboard.summary.writer.record_writer, given `Event(...).SerializeToString()`.
    #[test]
    fn the_bytes_are_those_of_tensorboards_own_writer() {
        let mut file = EventFile::new();
        file.scalars(1.5, 300, &[("lr", 0.1), ("train/loss", 2.25)]);
        file.scalars(0.0, 0, &[("val/accuracy", 0.0)]);
        let hex = concat!(
            "0f000000000000006d532b091a0d627261696e2e4576656e743a32fc985129",
            "2c00000000000000f4aecc4509000000000000f83f10ac022a1e0a090a026c7215cdcccc3d",
            "0a110a0a747261696e2f6c6f7373150000104098383847",
            "1700000000000000e7cef81e2a150a130a0c76616c2f616363757261637915000000008c756c3e",
        );
        let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        let expected: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
        assert_eq!(file.into_bytes(), expected);
    }
}
