//! A folder of pictures, or a tar archive of one: `train/<class>/*` and `test/<class>/*`.
//!
//! The tree is visited three times: first its folders alone, which settles where the pictures lie (`layout`); then
//! every picture is hashed and its header read, which settles classes, split, order, channels and size (`survey`,
//! `plan`); then the pictures that are needed are decoded, each straight into its place (`load`). So memory holds the
//! set itself and one picture, and the order in which files come does not matter.

mod layout;
mod load;
mod plan;
mod survey;

use artifacts::dataset::{Fit, Images};
use pictures::picture::Conversion;

use crate::archive::Tree;
use crate::fault::Faults;
use crate::progress::Progress;
use crate::set::{Limits, Set};
use crate::{Refusal, Result};

use layout::Layout;
use load::Load;
use plan::Plan;
use survey::{Depth, Survey};

/// What is wanted, in a message.
const LAYOUT: &str = "train/<class>/<file> and, if it is there, test/<class>/<file>";

/// What may be asked of a folder.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Sides of the square that nets are to see of every picture; without it all must have one size.
    pub size: Option<u32>,
    /// Sides of the square that every picture becomes, where it is larger.
    pub keep: Option<u32>,
    /// How pictures become squares.
    pub fit: Fit,
    /// Share of each class for testing, if there is no `test/`.
    pub test_share: Option<f64>,
    /// How many images of each class a split has at most.
    pub limits: Limits,
    /// How many bytes of pixels the set has at most.
    pub max_bytes: u64,
    /// Go on without the pictures that cannot be read.
    pub skip_damaged: bool,
    /// Turn pictures as their EXIF orientation says.
    pub orient: bool,
}

/// Reads a set of pictures; what its maker should know is told to `progress`.
///
/// # Errors
/// When the tree is laid out otherwise, a class is empty, sizes differ, pictures are damaged, or the set is too large.
pub fn read(tree: &Tree, options: Options, progress: &dyn Progress) -> Result<Set> {
    let layout = Layout::find(tree)?;
    layout.notes().iter().for_each(|note| progress.note(note));
    let survey = survey(tree, &layout, options, progress)?;
    let plan = Plan::new(&survey, options)?;
    plan.notes.iter().for_each(|note| progress.note(note));
    let warnings = tree.warnings().into_iter().chain(layout.warnings()).chain(survey.warnings(options));
    warnings.for_each(|warning| progress.warning(&warning));
    progress.stage("decoding", Some(plan.slots.len() as u64));
    let [train, test] = plan.counts.map(|count| vec![0; count * plan.image_bytes()]);
    let mut load = Load::new(tree, &layout, &plan, [train, test], progress);
    tree.visit(&mut load)?;
    let [train, test] = load.pixels()?;
    let [train_labels, test_labels] = plan.labels;
    let [train_files, test_files] = plan.files;
    let Conversion { channels, width, height, fitting } = plan.conversion;
    Ok(Set {
        shape: [channels, height as usize, width as usize],
        classes: plan.classes,
        train: Images { pixels: train, labels: train_labels, files: train_files },
        test: Images { pixels: test, labels: test_labels, files: test_files },
        pictures: Some(fitting),
        train_size: options.keep.and(options.size).map(|side| side as usize),
        sources: survey.manifests(),
        skipped: survey.faults.lines().map(str::to_owned).collect(),
    })
}

/// Looks at every picture.
fn survey<'a>(tree: &'a Tree, layout: &'a Layout, options: Options, progress: &'a dyn Progress) -> Result<Survey<'a>> {
    progress.stage("hashing", None);
    let depth = if options.skip_damaged { Depth::Pixels } else { Depth::Headers };
    let mut survey = Survey::new(tree, layout, depth, progress);
    tree.visit(&mut survey)?;
    if let Some(warning) = survey.damage().filter(|_| options.skip_damaged) {
        progress.warning(&warning);
    }
    if !survey.faults.is_empty() && !options.skip_damaged {
        // All that is wrong in one message: what only shows in the pixels too.
        progress.stage("looking for more damage", None);
        let mut thorough = Survey::new(tree, layout, Depth::Pixels, progress);
        tree.visit(&mut thorough)?;
        return Err(damaged(tree, &thorough.faults));
    }
    Ok(survey)
}

/// Pictures that cannot be read.
fn damaged(tree: &Tree, faults: &Faults) -> Refusal {
    faults
        .refusal(&tree.place(), "pictures cannot be read")
        .hint("replace or delete what is named, or go on without it: --skip-damaged")
}

fn changed(place: &str) -> Refusal {
    Refusal::at(place, "its files changed while it was read").hint("rerun once nothing writes to it")
}
