//! What a survey leads to: classes, splits, order and form of the images.

use std::collections::HashMap;

use artifacts::dataset::Fitting;
use pictures::picture::{Conversion, Header};

use crate::split::{self, Key, first_of_each_class, test_count};
use crate::{Refusal, Result, few};

use super::layout::Split;
use super::survey::Survey;
use super::{LAYOUT, Options};

/// Where a picture goes.
#[derive(Clone, Copy)]
pub(super) struct Slot {
    /// 0 for training, 1 for testing.
    pub(super) split: usize,
    /// Its place there.
    pub(super) index: usize,
    /// What it must be.
    pub(super) key: Key,
}

/// Classes, splits, order and form of the images.
pub(super) struct Plan {
    /// Names of the classes, in the order of the labels.
    pub(super) classes: Vec<String>,
    /// What every picture becomes.
    pub(super) conversion: Conversion,
    /// By split of the tree and path in it.
    pub(super) slots: HashMap<(Split, String), Slot>,
    /// Of the training and of the test images.
    pub(super) labels: [Vec<u32>; 2],
    /// Their paths in the layout, likewise.
    pub(super) files: [Vec<String>; 2],
    /// How many of either there are.
    pub(super) counts: [usize; 2],
    /// What users should know: a line each.
    pub(super) notes: Vec<String>,
}

/// A picture with its class, on its way into a split.
struct Member<'a> {
    path: &'a (Split, String),
    label: u32,
    key: Key,
}

impl Plan {
    pub(super) fn new(survey: &Survey, options: Options) -> Result<Self> {
        let classes = classes(survey)?;
        let conversion = conversion(survey, options)?;
        let mut plan = Self {
            classes,
            conversion,
            slots: HashMap::new(),
            labels: [vec![], vec![]],
            files: [vec![], vec![]],
            counts: [0, 0],
            notes: Vec::new(),
        };
        let members = plan.members(survey, options.test_share)?;
        for (split, mut members) in members.into_iter().enumerate() {
            members.sort_by_key(|member| (split::position(&member.key), member.path));
            let limit = [options.limits.train, options.limits.test][split];
            let labels = members.iter().map(|member| member.label);
            for (index, from) in first_of_each_class(labels, plan.classes.len(), limit).into_iter().enumerate() {
                let Member { path, label, key } = members[from];
                plan.slots.insert(path.clone(), Slot { split, index, key });
                plan.labels[split].push(label);
                plan.files[split].push(survey.path(path));
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

    /// Bytes of the pixels of an image.
    pub(super) fn image_bytes(&self) -> usize {
        self.conversion.channels * self.conversion.width as usize * self.conversion.height as usize
    }

    /// The pictures of both splits, in no order yet.
    fn members<'a>(&mut self, survey: &'a Survey, test_share: Option<f64>) -> Result<[Vec<Member<'a>>; 2]> {
        let mut splits = [Vec::new(), Vec::new()];
        for (path, found) in &survey.pictures {
            let class = path.1.split('/').next().unwrap_or_default();
            let label = self.classes.binary_search_by(|name| name.as_str().cmp(class));
            let label = label.expect("classes were listed from these") as u32;
            splits[path.0 as usize].push(Member { path, label, key: found.key });
        }
        let [train, test] = splits;
        let folder = survey.layout.folder(Split::Test);
        match (survey.layout.has_test(), test_share) {
            (true, None) => Ok([train, test]),
            (true, Some(_)) => {
                let problem = format!("--test-share does not apply to a set that has a folder {folder}/");
                Err(Refusal::new(problem).hint(format!("leave the flag out, or move {folder}/ away")))
            }
            (false, share) => {
                let share = share.unwrap_or(split::DEFAULT_TEST_SHARE);
                let all = train.len();
                let [train, test] = take_test(survey, train, &self.classes, share)?;
                let train_folder = survey.layout.folder(Split::Train);
                self.notes.push(format!(
                    "no test set in it; {} of the {all} pictures of {train_folder}/ become one ({}% of each \
                     class; --test-share changes that)",
                    test.len(),
                    (100.0 * share * 100.0).round() / 100.0
                ));
                Ok([train, test])
            }
        }
    }
}

/// The names of the classes, sorted by their bytes; every split must have pictures of each.
fn classes(survey: &Survey) -> Result<Vec<String>> {
    let [train, test] = [Split::Train, Split::Test].map(|split| survey.layout.folder(split));
    let names = |split| survey.classes.iter().filter(move |(s, _)| *s == split).map(|(_, name)| name);
    let classes: Vec<String> = names(Split::Train).cloned().collect();
    if classes.is_empty() {
        let problem = match survey.unlabelled(Split::Train) {
            Some(count) => format!("no folder {train}/<class>/ in it: {count} pictures lie in {train}/ itself"),
            None => format!("no folder {train}/<class>/ in it"),
        };
        return Err(survey.refuse(problem).hint(format!("lay the pictures out as {LAYOUT}")));
    }
    if let Some(stranger) = names(Split::Test).find(|name| classes.binary_search(name).is_err()) {
        let problem = format!("{test}/{stranger}/ is no class of {train}/, which has {}", few(&classes));
        let alike = classes.iter().find(|class| class.to_lowercase() == stranger.to_lowercase());
        let refusal = survey.refuse(problem);
        return Err(match alike {
            Some(class) => refusal.hint(format!("rename it: mv {test}/{stranger} {test}/{class}")),
            None => refusal,
        });
    }
    for split in survey.layout.splits() {
        for class in &classes {
            let folder = format!("{class}/");
            let first = survey.pictures.range((split, folder.clone())..).next();
            if !first.is_some_and(|((s, path), _)| *s == split && path.starts_with(&folder)) {
                return Err(survey.nothing_in(split, class));
            }
        }
    }
    Ok(classes)
}

/// Channels and size of the set.
fn conversion(survey: &Survey, options: Options) -> Result<Conversion> {
    let channels = if survey.pictures.values().any(|found| found.header.is_colour) { 3 } else { 1 };
    let Options { orient, fit, .. } = options;
    let fitting = Fitting { fit, orient };
    if let Some(side) = options.keep.or(options.size) {
        return Ok(Conversion { channels, width: side, height: side, fitting });
    }
    let size = |header: &Header| header.size(orient);
    let text = |header: &Header| format!("{}x{}", size(header).0, size(header).1);
    let (first, found) = survey.pictures.first_key_value().expect("every class has a picture");
    let (width, height) = size(&found.header);
    if let Some((path, other)) = survey.pictures.iter().find(|(_, other)| size(&other.header) != (width, height)) {
        let problem = format!("{} pixels, but {} has {}", text(&other.header), survey.path(first), text(&found.header));
        let hint = format!("scale them all: --size {}", width.min(height));
        return Err(Refusal::at(survey.place(path), problem).hint(hint));
    }
    Ok(Conversion { channels, width, height, fitting })
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
    let train = survey.layout.folder(Split::Train);
    let mut wanted = Vec::new();
    for (class, &count) in classes.iter().zip(&counts) {
        wanted.push(test_count(count, share).ok_or_else(|| {
            let problem = format!("too few pictures in {train}/{class}/ to hold one out for testing: {count}");
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
