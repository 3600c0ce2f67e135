//! What `sc-prep` reads: data sets as they are published.

use std::fs;
use std::path::Path;

use artifacts::dataset::{Fit, Fitting};
use image::ExtendedColorType::{L16, Rgba8};
use pictures::picture::{self, Conversion};
use prep::archive::Tree;
use prep::bounded::read_up_to;
use prep::cifar::{self, CIFAR10, CIFAR100};
use prep::folder;
use prep::idx::{self, Idx};
use prep::progress::Silent;
use prep::set::Set;

use crate::driver::{Answer, Mutate, Prepared, Reader};
use crate::mutate;
use crate::samples::{self, Files};
use crate::scratch::Scratch;

/// Pixels that a set may have here.
const MAX_BYTES: u64 = 1 << 20;

const MIB: usize = 1 << 20;

/// The readers.
pub(crate) fn readers() -> Vec<Reader> {
    let reader = |name, inputs, bound, prepare| Reader { name, inputs, one_in: 1, bound, prepare };
    vec![
        reader("cifar-10 records", 4_000, MIB, || records(&CIFAR10, &samples::cifar10()[0].1)),
        reader("cifar-100 records", 4_000, MIB, || records(&CIFAR100, &samples::cifar100()[2].1)),
        reader("cifar class list", 4_000, MIB, class_list),
        reader("cifar .tar", 2_000, 2 * MIB, || cifar_archive(mutate::tar)),
        reader("idx", 8_000, 2 * MIB, idx_file),
        reader("idx .gz", 4_000, 2 * MIB, || mnist_folder(mutate::packed)),
        reader("idx folder", 2_000, 2 * MIB, || mnist_folder(mutate::bytes)),
        reader("pictures .tar", 2_000, 16 * MIB, || picture_archive(mutate::tar)),
        reader("pictures .tar.gz", 2_000, 16 * MIB, || picture_archive(mutate::packed_tar)),
        reader("jpeg", 4_000, 16 * MIB, || pictures(&jpegs(), mutate::jpeg)),
        reader("png", 4_000, 16 * MIB, || pictures(&pngs(), mutate::png)),
    ]
}

fn place() -> String {
    "mutated".to_owned()
}

fn answer<T>(read: prep::Result<T>) -> Answer {
    read.map(|_| ()).map_err(|refusal| refusal.to_string())
}

/// Two records, and one.
fn records(format: &'static cifar::Format, file: &[u8]) -> Prepared {
    let record = file.len() / if format.parse(&file[..3073], "x").is_ok() { 20 } else { 100 };
    Prepared {
        valid: vec![file[..2 * record].to_vec(), file[..record].to_vec()],
        mutate: mutate::bytes,
        place: place(),
        read: Box::new(|input| {
            let images = format.parse(input, "mutated").map_err(|refusal| refusal.to_string())?;
            assert_eq!(images.pixels.len(), 3072 * images.labels.len());
            Ok(())
        }),
    }
}

fn class_list() -> Prepared {
    Prepared {
        valid: vec![samples::cifar10()[6].1.clone()],
        mutate: mutate::lines,
        place: place(),
        read: Box::new(|input| answer(CIFAR10.parse_list(input, "mutated"))),
    }
}

/// One record a file: an archive of them is large enough.
fn cifar_archive(mutate: Mutate) -> Prepared {
    let mut files: Files = samples::under("cifar-10-batches-bin", &samples::cifar10());
    files.iter_mut().filter(|(path, _)| path.ends_with(".bin")).for_each(|(_, content)| content.truncate(3073));
    let scratch = Scratch::new();
    Prepared {
        valid: vec![samples::tar(&files)],
        mutate,
        place: place(),
        read: Box::new(move |input| {
            let path = scratch.write("mutated", input);
            answer(Tree::open(&path).and_then(|tree| cifar::read(&CIFAR10, &tree, MAX_BYTES, &Silent)))
        }),
    }
}

fn idx_file() -> Prepared {
    let files = samples::mnist();
    Prepared {
        valid: vec![files[0].1.clone(), files[1].1.clone()],
        mutate: mutate::bytes,
        place: place(),
        read: Box::new(|mut input| {
            let mut magic = [0; 4];
            let read = read_up_to(&mut &*input, &mut magic);
            if read.is_ok() && magic[3] == 1 {
                return answer(idx::parse::<1>(&mut input, "mutated", MAX_BYTES));
            }
            let Idx { dimensions, values, .. } =
                idx::parse::<3>(&mut input, "mutated", MAX_BYTES).map_err(|refusal| refusal.to_string())?;
            assert_eq!(dimensions.iter().product::<usize>(), values.len());
            Ok(())
        }),
    }
}

/// The four files, of which the training images are the input.
fn mnist_folder(mutate: Mutate) -> Prepared {
    let (scratch, files) = (Scratch::new(), samples::mnist());
    files.iter().for_each(|(name, content)| drop(scratch.write(name, content)));
    let (name, valid) = files[0].clone();
    Prepared {
        valid: vec![valid],
        mutate,
        place: scratch.path().display().to_string(),
        read: Box::new(move |input| {
            scratch.write(&name, input);
            whole(idx::read_mnist(scratch.path(), None, MAX_BYTES, &Silent), scratch.path())
        }),
    }
}

/// A set that its reader accepts must be fit to be written, or be refused by what it lacks.
fn whole(set: prep::Result<Set>, path: &Path) -> Answer {
    let data = set.and_then(|set| set.finish("name", &path.display().to_string())).map_err(|r| r.to_string())?;
    let size: usize = data.shape.iter().product();
    for images in [&data.train, &data.test] {
        assert_eq!(images.pixels.len(), images.labels.len() * size);
        assert!(images.labels.iter().all(|label| (*label as usize) < data.classes.len()));
    }
    assert!(data.std.iter().all(|std| *std > 0.0) && size > 0);
    Ok(())
}

fn picture_archive(mutate: Mutate) -> Prepared {
    let files: Files = samples::training_pictures().into_iter().step_by(2).collect();
    let both: Files = samples::pictures().into_iter().step_by(2).collect();
    let scratch = Scratch::new();
    Prepared {
        valid: vec![samples::tar(&files), samples::tar(&both)],
        mutate,
        place: place(),
        read: Box::new(move |input| {
            let path = scratch.write("mutated", input);
            let options = folder::Options { size: Some(4), max_bytes: MAX_BYTES, ..folder::Options::default() };
            let read = Tree::open(&path).and_then(|tree| folder::read(&tree, options, &Silent));
            whole(read, &path)
        }),
    }
}

fn jpegs() -> Vec<Vec<u8>> {
    let other = ["progressive-420", "progressive-restart", "apart-restart-mixed", "interleaved-411", "ycck-420"];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("parity/fixtures/jpegs");
    let other = other.iter().map(|name| fs::read(folder.join(format!("{name}.jpg"))).expect("a fixture"));
    [samples::colour_jpeg(1, 19, 11), samples::colour_jpeg(2, 8, 8), samples::grey_jpeg(3, 17, 9)]
        .into_iter()
        .chain(other)
        .collect()
}

fn pngs() -> Vec<Vec<u8>> {
    vec![
        samples::colour_png(2, 9, 7),
        samples::grey_png(3, 9, 7),
        samples::png(&[9; 4 * 6], 3, 2, Rgba8),
        samples::png(&[9; 2 * 6], 3, 2, L16),
    ]
}

fn pictures(valid: &[Vec<u8>], mutate: Mutate) -> Prepared {
    let to = Conversion { channels: 3, width: 8, height: 8, fitting: Fitting { fit: Fit::Pad, orient: true } };
    let mut planes = vec![0; 192];
    Prepared {
        valid: valid.to_vec(),
        mutate,
        // The caller names the file.
        place: String::new(),
        read: Box::new(move |input| picture::decode(input, to, &mut planes)),
    }
}
