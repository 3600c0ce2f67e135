//! Broken inputs made of valid ones. Plain changes of bytes die at the first checksum or length: what has one is changed
//! inside and sealed again, so that the mutation reaches what lies behind.

use flate2::Crc;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::samples::gzip;

/// A stream of choices.
pub(crate) struct Choices(ChaCha8Rng);

impl Choices {
    /// The stream of input `number` under `seed`.
    pub(crate) fn new(seed: u64, number: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(number);
        Self(rng)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.0.next_u64() % bound.max(1) as u64) as usize
    }

    fn of<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.below(all.len())]
    }

    /// One of the valid inputs.
    pub(crate) fn one<'a>(&mut self, corpus: &'a [Vec<u8>]) -> &'a [u8] {
        &corpus[self.below(corpus.len())]
    }
}

/// One to four changes: flipped bits, bytes and numbers set to extremes, cuts, doubled, moved or removed stretches, splices with
/// another valid input.
pub(crate) fn bytes(choices: &mut Choices, corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = choices.one(corpus).to_vec();
    for _ in 0..=choices.below(4) {
        change(choices, &mut bytes, corpus);
    }
    bytes
}

fn change(choices: &mut Choices, bytes: &mut Vec<u8>, corpus: &[Vec<u8>]) {
    // Where a file says what it is comes first.
    let within = if choices.below(4) == 0 { bytes.len().min(16) } else { bytes.len() };
    let at = choices.below(within);
    let longest = if choices.below(4) == 0 { bytes.len() } else { 16 };
    let end = (at + 1 + choices.below(longest)).min(bytes.len());
    match choices.below(9) {
        0 if !bytes.is_empty() => bytes[at] ^= 1 << choices.below(8),
        1 => bytes[at..end].fill(choices.of(&[&0, &0xff, &0x7f, &0x80]).to_owned()),
        2 => bytes.truncate(at),
        3 => drop(bytes.drain(at..end)),
        4 => {
            let stretch = bytes[at..end].to_vec();
            bytes.splice(at..at, stretch);
        }
        5 => {
            let other = choices.one(corpus).to_vec();
            let from = choices.below(other.len());
            bytes.truncate(at);
            bytes.extend_from_slice(&other[from..]);
        }
        6 => length_field(choices, bytes, at),
        7 => {
            let stretch: Vec<u8> = bytes.drain(at..end).collect();
            let to = choices.below(bytes.len());
            bytes.splice(to..to, stretch);
        }
        _ => bytes[at..end].iter_mut().for_each(|byte| *byte = choices.0.next_u32() as u8),
    }
}

/// A number of 2, 4 or 8 bytes, of either order, such as a length that lies.
fn length_field(choices: &mut Choices, bytes: &mut [u8], at: usize) {
    let extremes =
        [0, 1, 2, 0xff, 0xffff, 1 << 16, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32, 1 << 60, 1 << 63, u64::MAX];
    let value = extremes[choices.below(extremes.len())];
    let width = [2, 4, 8][choices.below(3)];
    let number = if choices.below(2) == 0 {
        value.to_le_bytes()[..width].to_vec()
    } else {
        value.to_be_bytes()[8 - width..].to_vec()
    };
    let end = (at + width).min(bytes.len());
    bytes[at..end].copy_from_slice(&number[..end - at]);
}

/// What a text may hold in place of a token.
const EXTREMES: [&str; 44] = [
    "0",
    "-0",
    "-1",
    "1",
    "2",
    "255",
    "256",
    "65535",
    "65536",
    "2147483648",
    "4294967295",
    "4294967296",
    "1152921504606846976",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "0.1",
    "1e-320",
    "1e308",
    "-1e308",
    "1.7976931348623157e308",
    "1e309",
    "-1e999",
    "NaN",
    "nan",
    "inf",
    "Infinity",
    "00",
    "1e",
    "-",
    "0x10",
    "null",
    "true",
    "false",
    "\"\"",
    "\"\\u0000\"",
    "\"\\n\"",
    "\"\u{202e}\u{e9}\"",
    "[]",
    "{}",
    "[[]]",
    ",",
    "\n",
];

/// Stretches of a text that belong together: numbers, words, strings; all else byte by byte.
fn tokens(text: &[u8]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let word = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-._".contains(byte);
        let length = match rest[0] {
            b'"' => string_length(rest),
            byte if word(&byte) => rest.iter().take_while(|byte| word(byte)).count(),
            b' ' => rest.iter().take_while(|byte| **byte == b' ').count(),
            _ => 1,
        };
        found.push((at, at + length));
        at += length;
    }
    found
}

fn string_length(text: &[u8]) -> usize {
    let mut escaped = false;
    for (at, byte) in text.iter().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// One to three changes of tokens, or of bytes: of JSON and CSV.
pub(crate) fn text(choices: &mut Choices, corpus: &[Vec<u8>]) -> Vec<u8> {
    if choices.below(5) == 0 {
        return bytes(choices, corpus);
    }
    let mut text = choices.one(corpus).to_vec();
    for _ in 0..=choices.below(3) {
        change_token(choices, &mut text);
    }
    text
}

fn change_token(choices: &mut Choices, text: &mut Vec<u8>) {
    let all = tokens(text);
    if all.is_empty() {
        return;
    }
    let (from, to) = all[choices.below(all.len())];
    let (other_from, other_to) = all[choices.below(all.len())];
    match choices.below(16) {
        0 => drop(text.drain(from..to)),
        1 => drop(text.splice(to..to, text[from..to].to_vec())),
        2 => drop(text.splice(from..to, text[other_from..other_to].to_vec())),
        3 => {
            let (low, high) = (from.min(other_from), to.max(other_to));
            text.drain(low..high);
        }
        4 => drop(text.splice(from..from, text[from.min(other_from)..to.max(other_to)].to_vec())),
        5 if choices.below(20) == 0 => {
            let deep = choices.of(&["[", "{\"a\":", "\"", "9", " "]).repeat(1 + choices.below(20_000));
            text.splice(from..to, deep.into_bytes());
        }
        _ => {
            let extreme = choices.of(&EXTREMES);
            text.splice(from..to, extreme.bytes());
        }
    }
}

/// As [`text`], and lines removed, doubled, moved or cut: of JSON lines and CSV.
pub(crate) fn lines(choices: &mut Choices, corpus: &[Vec<u8>]) -> Vec<u8> {
    if choices.below(3) > 0 {
        return text(choices, corpus);
    }
    let text = choices.one(corpus);
    let mut lines: Vec<Vec<u8>> = text.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    for _ in 0..=choices.below(3) {
        let (at, to) = (choices.below(lines.len()), choices.below(lines.len()));
        match choices.below(6) {
            _ if lines.is_empty() => {}
            0 => drop(lines.remove(at)),
            1 => lines.insert(at, lines[to].clone()),
            2 => lines.swap(at, to),
            3 => lines.truncate(at),
            4 => {
                let cut = choices.below(lines[at].len());
                lines[at].truncate(cut);
            }
            _ => change_token(choices, &mut lines[at]),
        }
    }
    lines.concat()
}

/// A safetensors file: its header's tokens changed and its length set right, or its data, or any bytes.
pub(crate) fn safetensors(choices: &mut Choices, corpus: &[Vec<u8>]) -> Vec<u8> {
    if choices.below(4) == 0 {
        return bytes(choices, corpus);
    }
    let file = choices.one(corpus);
    let length = u64::from_le_bytes(file[..8].try_into().expect("a valid file has a length")) as usize;
    let (mut header, mut data) = (file[8..8 + length].to_vec(), file[8 + length..].to_vec());
    if choices.below(4) > 0 {
        for _ in 0..=choices.below(3) {
            change_token(choices, &mut header);
        }
    } else {
        let specials = [f32::NAN, f32::INFINITY, f32::MIN_POSITIVE / 2.0, f32::MAX].map(f32::to_le_bytes);
        let at = choices.below(data.len()) / 4 * 4;
        let end = (at + 4).min(data.len());
        data[at..end].copy_from_slice(&specials[choices.below(4)][..end - at]);
        if choices.below(4) == 0 {
            change(choices, &mut data, corpus);
        }
    }
    [&(header.len() as u64).to_le_bytes()[..], &header, &data].concat()
}

/// A gzip file of changed bytes, or a changed gzip file.
pub(crate) fn packed(choices: &mut Choices, corpus: &[Vec<u8>]) -> Vec<u8> {
    if choices.below(2) == 0 {
        return gzip(&bytes(choices, corpus));
    }
    let whole = gzip(choices.one(corpus));
    bytes(choices, &[whole])
}

/// Length of a block of a tar archive.
const BLOCK: usize = 512;

/// A tar archive: headers changed and their checksums set right, blocks removed, doubled or swapped, or any bytes.
pub(crate) fn tar(choices: &mut Choices, corpus: &[Vec<u8>]) -> Vec<u8> {
    if choices.below(4) == 0 {
        return bytes(choices, corpus);
    }
    let mut blocks: Vec<Vec<u8>> = choices.one(corpus).chunks(BLOCK).map(<[u8]>::to_vec).collect();
    for _ in 0..=choices.below(3) {
        let (at, to) = (choices.below(blocks.len()), choices.below(blocks.len()));
        match choices.below(8) {
            _ if blocks.is_empty() => {}
            0 => drop(blocks.remove(at)),
            1 => blocks.insert(at, blocks[to].clone()),
            2 => blocks.swap(at, to),
            _ => {
                let headers: Vec<usize> =
                    (0..blocks.len()).filter(|i| blocks[*i][257..].starts_with(b"ustar")).collect();
                if !headers.is_empty() {
                    let at = headers[choices.below(headers.len())];
                    change_tar_header(choices, &mut blocks[at]);
                }
            }
        }
    }
    blocks.concat()
}

/// A field of a header: its offset and length (POSIX.1, ustar).
const NAME: (usize, usize) = (0, 100);
const SIZE: (usize, usize) = (124, 12);
const CHECKSUM: (usize, usize) = (148, 8);
const KIND: (usize, usize) = (156, 1);

fn change_tar_header(choices: &mut Choices, header: &mut [u8]) {
    let mut set = |(at, length): (usize, usize), value: &[u8]| {
        header[at..at + length].fill(0);
        let length = length.min(value.len());
        header[at..at + length].copy_from_slice(&value[..length]);
    };
    match choices.below(5) {
        0 => {
            let name = choices.of(&[
                "../x",
                "/etc/x",
                "train/a/../../b.png",
                "train//cat/9.png",
                "",
                "./",
                "train/cat",
                "train/c\u{7}t/1.png",
                "test/cat/\u{e9}.png",
                "test/new/1.png",
                "cifar-10-batches-bin/test_batch.bin",
            ]);
            set(NAME, name.as_bytes());
        }
        1 => set(
            SIZE,
            choices
                .of(&[
                    "00000000000",
                    "77777777777",
                    "00000001000",
                    "00000000777",
                    "-0000000001",
                    "9",
                    "",
                    "00000177777",
                ])
                .as_bytes(),
        ),
        2 => set(SIZE, &[&[0x80][..], &choices.0.next_u64().to_be_bytes(), &[0xff; 3]].concat()),
        3 => set(KIND, choices.of(&["0", "1", "2", "3", "5", "6", "7", "L", "K", "x", "g", "S", "\0", "Z"]).as_bytes()),
        _ => {
            let at = choices.below(BLOCK);
            header[at] = choices.0.next_u32() as u8;
        }
    }
    // The sum of the header's bytes, its own field read as spaces.
    let (at, length) = CHECKSUM;
    header[at..at + length].fill(b' ');
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[at..at + length].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// As [`tar`], packed, or a changed packed file.
pub(crate) fn packed_tar(choices: &mut Choices, corpus: &[Vec<u8>]) -> Vec<u8> {
    if choices.below(3) > 0 {
        return gzip(&tar(choices, corpus));
    }
    let whole = gzip(choices.one(corpus));
    bytes(choices, &[whole])
}

/// A PNG file: chunks changed, removed, doubled or moved, their checksums set right; or any bytes.
pub(crate) fn png(choices: &mut Choices, corpus: &[Vec<u8>]) -> Vec<u8> {
    if choices.below(4) == 0 {
        return bytes(choices, corpus);
    }
    let file = choices.one(corpus);
    let mut chunks = png_chunks(&file[8..]);
    for _ in 0..=choices.below(2) {
        let (at, to) = (choices.below(chunks.len()), choices.below(chunks.len()));
        match choices.below(8) {
            _ if chunks.is_empty() => {}
            0 => drop(chunks.remove(at)),
            1 => chunks.insert(at, chunks[to].clone()),
            2 => chunks.swap(at, to),
            // Width, height, depth, colour, interlacing.
            3 | 4 => length_field_of(choices, &mut chunks[0]),
            _ => change(choices, &mut chunks[at], corpus),
        }
    }
    let mut all = file[..8].to_vec();
    for chunk in chunks {
        let mut crc = Crc::new();
        crc.update(&chunk);
        all.extend_from_slice(&(chunk.len().saturating_sub(4) as u32).to_be_bytes());
        all.extend_from_slice(&chunk);
        all.extend_from_slice(&crc.sum().to_be_bytes());
    }
    all
}

fn length_field_of(choices: &mut Choices, chunk: &mut [u8]) {
    let at = choices.below(chunk.len());
    if choices.below(2) == 0 {
        length_field(choices, chunk, at);
    } else if let Some(byte) = chunk.get_mut(at) {
        *byte = choices.of(&[&0, &1, &2, &3, &4, &6, &8, &16, &255]).to_owned();
    }
}

/// Name and data of each chunk.
fn png_chunks(mut rest: &[u8]) -> Vec<Vec<u8>> {
    let mut chunks = Vec::new();
    while let Some((length, _)) = rest.split_first_chunk::<4>() {
        let end = 8 + u32::from_be_bytes(*length) as usize;
        chunks.push(rest[4..end].to_vec());
        rest = &rest[end + 4..];
    }
    chunks
}

/// A JPEG file: segments changed, removed, doubled or moved, or any bytes.
pub(crate) fn jpeg(choices: &mut Choices, corpus: &[Vec<u8>]) -> Vec<u8> {
    if choices.below(3) == 0 {
        return bytes(choices, corpus);
    }
    let file = choices.one(corpus);
    let mut segments = jpeg_segments(file);
    for _ in 0..=choices.below(2) {
        let (at, to) = (choices.below(segments.len()), choices.below(segments.len()));
        match choices.below(6) {
            _ if segments.is_empty() => {}
            0 => drop(segments.remove(at)),
            1 => segments.insert(at, segments[to].clone()),
            2 => segments.swap(at, to),
            3 => length_field_of(choices, &mut segments[at]),
            _ => change(choices, &mut segments[at], corpus),
        }
    }
    segments.concat()
}

/// The parts of the file, each from one marker to the next.
fn jpeg_segments(file: &[u8]) -> Vec<Vec<u8>> {
    let marks = |at: &usize| file[*at] == 0xff && !matches!(file.get(at + 1), None | Some(0 | 0xff | 0xd0..=0xd7));
    let starts: Vec<usize> = (0..file.len()).filter(marks).collect();
    let ends = starts.iter().skip(1).copied().chain([file.len()]);
    starts.iter().zip(ends).map(|(start, end)| file[*start..end].to_vec()).collect()
}
