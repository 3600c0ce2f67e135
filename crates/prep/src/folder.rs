//! A folder of pictures, or a tar archive of one: `train/<class>/*` and `test/<class>/*`.
//!
//! The tree is visited twice: first every picture is hashed and its header read, which settles classes, split, order,
//! channels and size; then the pictures that are needed are decoded, each straight into its place. So memory holds the set
//! itself and one picture, and the order in which files come does not matter.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Write as _;

use artifacts::dataset::Images;
use artifacts::sha256;

use crate::archive::{Tree, Visitor};
use crate::picture::{self, Conversion, Header, MAX_FILE_BYTES};
use crate::progress::Progress;
use crate::set::{Limits, Set};
use crate::split::{self, Key, first_of_each_class, test_count};
use crate::{Refusal, Result};

/// What may be asked of a folder.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Sides of the square that every picture becomes; without it all must have one size.
    pub size: Option<u32>,
    /// Share of each class for testing, if there is no `test/`.
    pub test_share: Option<f64>,
    /// How many images of each class a split has at most.
    pub limits: Limits,
    /// How many bytes of pixels the set has at most.
    pub max_bytes: u64,
}

/// A set, and what its maker should know.
#[derive(Debug)]
pub struct Outcome {
    /// The set.
    pub set: Set,
    /// How many files were left aside because they are not named like pictures, and the first of them.
    pub skipped: Option<(usize, String)>,
}

/// Reads a set of pictures.
///
/// # Errors
/// When the tree is laid out otherwise, a class is empty, sizes differ, a picture is damaged, or the set is too large.
pub fn read(tree: &Tree, options: Options, progress: &dyn Progress) -> Result<Outcome> {
    progress.stage("hashing", None);
    let mut survey = Survey::new(tree, progress);
    tree.visit(&mut survey)?;
    let plan = Plan::new(&survey, options)?;
    progress.stage("decoding", Some(plan.slots.len() as u64));
    let [train, test] = plan.counts.map(|count| vec![0; count * plan.image_bytes()]);
    let mut load =
        Load { tree, plan: &plan, layout: Layout::default(), done: HashSet::new(), pixels: [train, test], progress };
    tree.visit(&mut load)?;
    let Load { done, pixels: [train, test], .. } = load;
    if done.len() != plan.slots.len() {
        return Err(changed(&tree.place()));
    }
    let [train_labels, test_labels] = plan.labels;
    let Conversion { channels, width, height } = plan.conversion;
    let set = Set {
        shape: [channels, height as usize, width as usize],
        classes: plan.classes,
        train: Images { pixels: train, labels: train_labels },
        test: Images { pixels: test, labels: test_labels },
        sources: survey.manifests(),
    };
    Ok(Outcome { set, skipped: survey.skipped })
}

fn changed(place: &str) -> Refusal {
    Refusal::at(place, "its files changed while it was read").hint("rerun once nothing writes to it")
}

/// One of the two folders at the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Split {
    Train,
    Test,
}

impl Split {
    fn of(folder: &str) -> Option<Self> {
        match folder {
            "train" => Some(Self::Train),
            "test" => Some(Self::Test),
            _ => None,
        }
    }

    fn folder(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Test => "test",
        }
    }
}

/// What a path is in the layout.
enum Role<'p> {
    /// `train/` or `test/`.
    Split(Split),
    /// `train/<class>/`
    Class(Split, &'p str),
    /// `train/<class>/<file>`
    Picture(&'p str),
    /// A file that is not named like a picture, or lies beside the folders of the classes.
    Other,
    /// Beside the layout: another folder at the root, hidden files.
    Outside,
}

/// Where the layout begins: at the root, or (in archives made of a folder) in the one folder there.
#[derive(Default)]
struct Layout {
    prefix: Option<String>,
}

impl Layout {
    /// What `path` is. The first `train` or `test` settles where the layout begins.
    fn role<'p>(&mut self, path: &'p str, tree: &Tree) -> Result<Role<'p>> {
        let Some((split, rest)) = self.below_root(path, tree.is_folder()) else { return Ok(Role::Outside) };
        let (inner, is_folder) = rest.strip_suffix('/').map_or((rest, false), |inner| (inner, true));
        let parts: Vec<&str> = inner.split('/').filter(|part| !part.is_empty()).collect();
        if parts.iter().any(|part| part.starts_with('.')) {
            return Ok(Role::Outside);
        }
        match (parts.as_slice(), is_folder) {
            ([], _) => Ok(Role::Split(split)),
            ([class], true) => Ok(Role::Class(split, class)),
            ([_, file], false) if is_picture_name(file) => Ok(Role::Picture(&path[self.prefix_length()..])),
            ([_] | [_, _], false) => Ok(Role::Other),
            _ => Err(Refusal::at(tree.place_of(path), "a folder inside the folder of a class")
                .hint("move its pictures up into the folder of their class")),
        }
    }

    fn prefix_length(&self) -> usize {
        self.prefix.as_ref().map_or(0, String::len)
    }

    /// The split that `path` lies in, and the rest of the path.
    fn below_root<'p>(&mut self, path: &'p str, is_folder: bool) -> Option<(Split, &'p str)> {
        if let Some(prefix) = &self.prefix {
            return split_of(path.strip_prefix(prefix.as_str())?);
        }
        let wrapper = path.find('/').map_or(0, |slash| slash + 1);
        let starts = [0, wrapper];
        for start in &starts[..if is_folder { 1 } else { 2 }] {
            if let Some(found) = split_of(&path[*start..]) {
                self.prefix = Some(path[..*start].to_owned());
                return Some(found);
            }
        }
        None
    }
}

fn split_of(path: &str) -> Option<(Split, &str)> {
    let (folder, rest) = path.split_once('/')?;
    Some((Split::of(folder)?, rest))
}

fn is_picture_name(file: &str) -> bool {
    let extension = file.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    matches!(extension.as_deref(), Some("jpg" | "jpeg" | "png"))
}

/// A picture of the tree.
struct Found {
    key: Key,
    header: Header,
}

/// First reading: what there is.
struct Survey<'a> {
    tree: &'a Tree,
    progress: &'a dyn Progress,
    layout: Layout,
    /// By path from the root of the layout: `train/<class>/<file>`.
    pictures: BTreeMap<String, Found>,
    splits: BTreeSet<Split>,
    classes: BTreeSet<(Split, String)>,
    skipped: Option<(usize, String)>,
}

impl<'a> Survey<'a> {
    fn new(tree: &'a Tree, progress: &'a dyn Progress) -> Self {
        Self {
            tree,
            progress,
            layout: Layout::default(),
            pictures: BTreeMap::new(),
            splits: BTreeSet::new(),
            classes: BTreeSet::new(),
            skipped: None,
        }
    }

    /// For each split the SHA-256 of its listing, as `sha256sum` would print it.
    fn manifests(&self) -> Vec<(String, String)> {
        let listing = |split: &Split| {
            let pictures = self.pictures.iter().filter(|(path, _)| split_of(path).is_some_and(|(s, _)| s == *split));
            pictures.fold(String::new(), |mut text, (path, found)| {
                found.key.iter().for_each(|byte| write!(text, "{byte:02x}").expect("text grows"));
                writeln!(text, "  {path}").expect("text grows");
                text
            })
        };
        let hash = |split: &Split| (format!("{}/", split.folder()), sha256::of_bytes(listing(split).as_bytes()));
        self.splits.iter().map(hash).collect()
    }

    fn refuse(&self, problem: impl std::fmt::Display) -> Refusal {
        Refusal::at(self.tree.place(), problem)
    }
}

impl Visitor for Survey<'_> {
    fn wants(&mut self, path: &str) -> Result<Option<u64>> {
        if path.contains(char::is_control) {
            return Err(Refusal::at(self.tree.place_of(path), "a control character in its name"));
        }
        Ok(match self.layout.role(path, self.tree)? {
            Role::Split(split) => {
                self.splits.insert(split);
                Some(0)
            }
            Role::Class(split, class) => {
                self.classes.insert((split, class.to_owned()));
                Some(0)
            }
            Role::Picture(_) => Some(MAX_FILE_BYTES),
            Role::Other => {
                let (count, first) = self.skipped.take().unwrap_or_else(|| (0, self.tree.place_of(path)));
                self.skipped = Some((count + 1, first));
                None
            }
            Role::Outside => None,
        })
    }

    fn take(&mut self, path: &str, content: &[u8]) -> Result<()> {
        let place = self.tree.place_of(path);
        let Role::Picture(path) = self.layout.role(path, self.tree)? else { return Ok(()) };
        let header = picture::inspect(content).map_err(|why| Refusal::at(&place, why))?;
        if let Some((split, rest)) = split_of(path) {
            self.splits.insert(split);
            self.classes.insert((split, rest.split('/').next().unwrap_or_default().to_owned()));
        }
        let found = Found { key: sha256::digest(content), header };
        if self.pictures.insert(path.to_owned(), found).is_some() {
            return Err(Refusal::at(place, "a second file of this name"));
        }
        self.progress.advance(1);
        Ok(())
    }
}

/// Where a picture goes.
#[derive(Clone, Copy)]
struct Slot {
    /// 0 for training, 1 for testing.
    split: usize,
    index: usize,
    key: Key,
}

/// What the survey led to: classes, splits, order and form of the images.
struct Plan {
    classes: Vec<String>,
    conversion: Conversion,
    slots: HashMap<String, Slot>,
    labels: [Vec<u32>; 2],
    counts: [usize; 2],
}

/// A picture with its class, on its way into a split.
struct Member<'a> {
    path: &'a str,
    label: u32,
    key: Key,
}

impl Plan {
    fn new(survey: &Survey, options: Options) -> Result<Self> {
        let classes = classes(survey)?;
        let conversion = conversion(survey, options.size)?;
        let mut plan = Self { classes, conversion, slots: HashMap::new(), labels: [vec![], vec![]], counts: [0, 0] };
        let members = members(survey, &plan.classes, options.test_share)?;
        for (split, mut members) in members.into_iter().enumerate() {
            members.sort_by_key(|member| (split::position(&member.key), member.path));
            let limit = [options.limits.train, options.limits.test][split];
            let labels = members.iter().map(|member| member.label);
            for (index, from) in first_of_each_class(labels, plan.classes.len(), limit).into_iter().enumerate() {
                let Member { path, label, key } = members[from];
                plan.slots.insert(path.to_owned(), Slot { split, index, key });
                plan.labels[split].push(label);
                plan.counts[split] += 1;
            }
        }
        let bytes = plan.slots.len() as u64 * plan.image_bytes() as u64;
        if bytes > options.max_bytes {
            let problem = format!("{bytes} bytes of pixels, more than the {} allowed", options.max_bytes);
            return Err(survey
                .refuse(problem)
                .hint("use --size or --limit-per-class, or a larger --max-gib where the machine has the memory"));
        }
        Ok(plan)
    }

    fn image_bytes(&self) -> usize {
        self.conversion.channels * self.conversion.width as usize * self.conversion.height as usize
    }
}

/// The names of the classes, sorted by their bytes; every split must have pictures of each.
fn classes(survey: &Survey) -> Result<Vec<String>> {
    let layout = "train/<class>/<file> and, if it is there, test/<class>/<file>";
    if !survey.splits.contains(&Split::Train) {
        let hint = format!("lay the pictures out as {layout}");
        return Err(survey.refuse("no folder train/ in it").hint(hint));
    }
    let names = |split| survey.classes.iter().filter(move |(s, _)| *s == split).map(|(_, name)| name);
    let classes: Vec<String> = names(Split::Train).cloned().collect();
    if classes.is_empty() {
        return Err(survey.refuse("no folder train/<class>/ in it").hint(format!("lay the pictures out as {layout}")));
    }
    if let Some(stranger) = names(Split::Test).find(|name| classes.binary_search(name).is_err()) {
        let problem = format!("test/{stranger}/ is no class of train/, which has {}", few(&classes));
        return Err(survey.refuse(problem));
    }
    for split in &survey.splits {
        for class in &classes {
            let folder = format!("{}/{class}/", split.folder());
            let first = survey.pictures.range(folder.clone()..).next();
            if !first.is_some_and(|(path, _)| path.starts_with(&folder)) {
                return Err(survey.refuse(format!("no JPEG or PNG files in {folder}")));
            }
        }
    }
    Ok(classes)
}

/// A list that does not flood the message.
fn few(names: &[String]) -> String {
    const SHOWN: usize = 12;
    let shown = names[..names.len().min(SHOWN)].join(", ");
    if names.len() > SHOWN { format!("{shown}, ...") } else { shown }
}

/// Channels and size of the set.
fn conversion(survey: &Survey, size: Option<u32>) -> Result<Conversion> {
    let channels = if survey.pictures.values().any(|found| found.header.is_colour) { 3 } else { 1 };
    if let Some(side) = size {
        return Ok(Conversion { channels, width: side, height: side });
    }
    let text = |header: &Header| format!("{}x{}", header.width, header.height);
    let (first, Found { header, .. }) = survey.pictures.first_key_value().expect("every class has a picture");
    let same = |other: &Header| (other.width, other.height) == (header.width, header.height);
    if let Some((path, other)) = survey.pictures.iter().find(|(_, found)| !same(&found.header)) {
        let problem = format!("{} pixels, but {first} has {}", text(&other.header), text(header));
        let hint = format!("scale them all: --size {}", header.width.min(header.height));
        return Err(Refusal::at(survey.tree.place_of(path), problem).hint(hint));
    }
    Ok(Conversion { channels, width: header.width, height: header.height })
}

/// The pictures of both splits, in no order yet.
fn members<'a>(survey: &'a Survey, classes: &[String], test_share: Option<f64>) -> Result<[Vec<Member<'a>>; 2]> {
    let mut splits = [Vec::new(), Vec::new()];
    for (path, found) in &survey.pictures {
        let (split, rest) = split_of(path).expect("only pictures in the layout were taken");
        let class = rest.split('/').next().unwrap_or_default();
        let label = classes.binary_search_by(|name| name.as_str().cmp(class)).expect("classes were listed from these");
        splits[split as usize].push(Member { path, label: label as u32, key: found.key });
    }
    let [train, test] = splits;
    match (survey.splits.contains(&Split::Test), test_share) {
        (true, None) => Ok([train, test]),
        (true, Some(_)) => Err(Refusal::new("--test-share does not apply to a set that has a folder test/")
            .hint("leave the flag out, or move test/ away")),
        (false, share) => take_test(survey, train, classes, share.unwrap_or(split::DEFAULT_TEST_SHARE)),
    }
}

/// Takes the pictures of each class with the smallest keys for testing.
fn take_test<'a>(
    survey: &Survey,
    mut all: Vec<Member<'a>>,
    classes: &[String],
    share: f64,
) -> Result<[Vec<Member<'a>>; 2]> {
    let mut counts = vec![0; classes.len()];
    for member in &all {
        counts[member.label as usize] += 1;
    }
    let mut wanted = Vec::new();
    for (class, &count) in classes.iter().zip(&counts) {
        wanted.push(test_count(count, share).ok_or_else(|| {
            let problem = format!("too few pictures in train/{class}/ to hold one out for testing: {count}");
            survey.refuse(problem).hint("add pictures to that class, or provide test/<class>/")
        })?);
    }
    all.sort_by_key(|member| (member.key, member.path));
    let (mut train, mut test) = (Vec::new(), Vec::new());
    for member in all {
        let left = &mut wanted[member.label as usize];
        if *left > 0 {
            *left -= 1;
            test.push(member);
        } else {
            train.push(member);
        }
    }
    Ok([train, test])
}

/// Second reading: pixels into their places.
struct Load<'a> {
    tree: &'a Tree,
    plan: &'a Plan,
    layout: Layout,
    done: HashSet<(usize, usize)>,
    pixels: [Vec<u8>; 2],
    progress: &'a dyn Progress,
}

impl Visitor for Load<'_> {
    fn wants(&mut self, path: &str) -> Result<Option<u64>> {
        Ok(match self.layout.role(path, self.tree)? {
            Role::Split(_) | Role::Class(..) => Some(0),
            Role::Picture(path) => self.plan.slots.contains_key(path).then_some(MAX_FILE_BYTES),
            Role::Other | Role::Outside => None,
        })
    }

    fn take(&mut self, path: &str, content: &[u8]) -> Result<()> {
        let place = self.tree.place_of(path);
        let Role::Picture(path) = self.layout.role(path, self.tree)? else { return Ok(()) };
        let Some(slot) = self.plan.slots.get(path) else { return Ok(()) };
        if sha256::digest(content) != slot.key {
            return Err(changed(&place));
        }
        let size = self.plan.image_bytes();
        let planes = &mut self.pixels[slot.split][slot.index * size..(slot.index + 1) * size];
        picture::decode(content, self.plan.conversion, planes).map_err(|why| Refusal::at(place, why))?;
        self.done.insert((slot.split, slot.index));
        self.progress.advance(1);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_pictures() {
        for name in ["a.jpg", "b.JPEG", "c.d.png"] {
            assert!(is_picture_name(name), "{name}");
        }
        for name in ["jpg", "Thumbs.db", "a.jpg.txt", "a.webp"] {
            assert!(!is_picture_name(name), "{name}");
        }
    }

    #[test]
    fn an_archive_may_wrap_the_layout_in_one_folder() {
        let mut layout = Layout::default();
        assert!(layout.below_root("set/README", false).is_none());
        assert_eq!(layout.below_root("set/train/cat/1.png", false), Some((Split::Train, "cat/1.png")));
        assert_eq!(layout.below_root("set/test/", false), Some((Split::Test, "")));
        assert_eq!(layout.below_root("train/cat/1.png", false), None);
        assert_eq!(Layout::default().below_root("set/train/cat/1.png", true), None);
    }
}
