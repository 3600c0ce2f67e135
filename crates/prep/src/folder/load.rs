//! Third visit of a tree: pixels into their places.

use std::collections::HashSet;

use artifacts::sha256;
use pictures::names::is_picture_name;
use pictures::picture::{self, MAX_FILE_BYTES};

use crate::Result;
use crate::archive::{Tree, Visitor};
use crate::fault::Faults;
use crate::progress::Progress;

use super::layout::{Layout, Role};
use super::plan::Plan;
use super::{changed, damaged};

/// The pixels of both splits, as far as they are there.
pub(super) struct Load<'a> {
    tree: &'a Tree,
    layout: &'a Layout,
    plan: &'a Plan,
    done: HashSet<(usize, usize)>,
    pixels: [Vec<u8>; 2],
    faults: Faults,
    progress: &'a dyn Progress,
}

impl<'a> Load<'a> {
    /// Fills `pixels`, of the lengths that the plan asks for.
    pub(super) fn new(
        tree: &'a Tree,
        layout: &'a Layout,
        plan: &'a Plan,
        pixels: [Vec<u8>; 2],
        progress: &'a dyn Progress,
    ) -> Self {
        Self { tree, layout, plan, done: HashSet::new(), pixels, faults: Faults::default(), progress }
    }

    /// What was read, whole.
    ///
    /// # Errors
    /// When pictures are damaged, or others than were planned for.
    pub(super) fn pixels(self) -> Result<[Vec<u8>; 2]> {
        if !self.faults.is_empty() {
            return Err(damaged(self.tree, &self.faults));
        }
        if self.done.len() != self.plan.slots.len() {
            return Err(changed(&self.tree.place()));
        }
        Ok(self.pixels)
    }
}

impl Visitor for Load<'_> {
    fn wants(&mut self, path: &str) -> Result<Option<u64>> {
        Ok(match self.layout.role(path, self.tree)? {
            Role::Way | Role::Class(..) => Some(0),
            Role::File(split, inner) if is_picture_name(inner) => {
                self.plan.slots.contains_key(&(split, inner.to_owned())).then_some(MAX_FILE_BYTES)
            }
            _ => None,
        })
    }

    fn take(&mut self, path: &str, content: &[u8]) -> Result<()> {
        let place = self.tree.place_of(path);
        let Role::File(split, inner) = self.layout.role(path, self.tree)? else { return Ok(()) };
        let Some(slot) = self.plan.slots.get(&(split, inner.to_owned())) else { return Ok(()) };
        if sha256::digest(content) != slot.key {
            return Err(changed(&place));
        }
        let size = self.plan.image_bytes();
        let planes = &mut self.pixels[slot.split][slot.index * size..(slot.index + 1) * size];
        if let Err(why) = picture::decode(content, self.plan.conversion, planes) {
            self.faults.add(place, why);
        }
        self.done.insert((slot.split, slot.index));
        self.progress.advance(1);
        Ok(())
    }
}
