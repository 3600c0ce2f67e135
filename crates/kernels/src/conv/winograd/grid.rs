//! How images are cut into tiles.

use std::ops::Range;

use crate::simd::Ahead;

/// The tiles of the images of a batch, `tile` x `tile` output pixels each; the last of a row or column may be cut off.
#[derive(Clone, Debug)]
pub(super) struct Grid {
    /// Rows, columns and channels of an image of the side that tiles overlap on.
    pub(super) source: [usize; 3],
    /// Rows, columns and channels of an image of the side that tiles partition.
    pub(super) out: [usize; 3],
    /// Zero pixels around the source.
    padding: usize,
    /// Output pixels along a tile ..
    tile: usize,
    /// .. and source pixels.
    side: usize,
    rows: usize,
    columns: usize,
}

/// One tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tile {
    /// The image.
    pub(super) image: usize,
    /// First output row ..
    pub(super) y: usize,
    /// .. and column.
    pub(super) x: usize,
}

impl Grid {
    pub(super) fn new(source: [usize; 3], out: [usize; 3], padding: usize, tile: usize, side: usize) -> Self {
        Self { source, out, padding, tile, side, rows: out[0].div_ceil(tile), columns: out[1].div_ceil(tile) }
    }

    /// Zero pixels around the source.
    pub(super) fn padding(&self) -> usize {
        self.padding
    }

    /// Tiles of an image.
    pub(super) fn tiles(&self) -> usize {
        self.rows * self.columns
    }

    /// The tile at this position among those of all images.
    pub(super) fn tile(&self, index: usize) -> Tile {
        let (image, tile) = (index / self.tiles(), index % self.tiles());
        Tile { image, y: tile / self.columns * self.tile, x: tile % self.columns * self.tile }
    }

    /// The part of a tile's input pixels that lies in the image, along one side of `len` pixels: the first of them, its
    /// position in the tile, and the position after the last.
    pub(super) fn overlap(&self, out_first: usize, len: usize) -> (usize, usize, usize) {
        let skipped = self.padding.saturating_sub(out_first).min(self.side);
        let first = (out_first + skipped).saturating_sub(self.padding);
        (first, skipped, (len + self.padding).saturating_sub(out_first).clamp(skipped, self.side))
    }

    /// The rows that these tiles lie over in images of `[height, width, channels]` from `start`, to be fetched ahead of use.
    pub(super) fn ahead(&self, start: *const f32, tiles: Range<usize>, [height, width, channels]: [usize; 3]) -> Ahead {
        let place = |tile: Tile, rows: usize| (tile.image * height + (tile.y + rows).min(height)) * width * channels;
        let (first, end) = (place(self.tile(tiles.start), 0), place(self.tile(tiles.end - 1), self.tile));
        Ahead::new(start.wrapping_add(first), end - first)
    }

    /// Whether `len` numbers are whole images of `[height, width, channels]`, enough for these tiles.
    pub(super) fn holds(&self, len: usize, [height, width, channels]: [usize; 3], tiles: &Range<usize>) -> bool {
        let image = height * width * channels;
        len.is_multiple_of(image) && tiles.end <= len / image * self.tiles()
    }

    /// Elements of a source image.
    pub(super) fn source_len(&self) -> usize {
        self.source.iter().product()
    }

    /// Elements of an output image.
    pub(super) fn out_len(&self) -> usize {
        self.out.iter().product()
    }
}

#[cfg(test)]
mod tests {
    use super::{Grid, Tile};

    #[test]
    fn tiles_at_the_borders_are_cut_off() {
        let grid = Grid::new([7, 9, 1], [7, 9, 1], 1, 4, 6);
        assert_eq!(grid.tiles(), 6);
        assert_eq!(grid.tile(11), Tile { image: 1, y: 4, x: 8 });
        assert_eq!(grid.overlap(0, 7), (0, 1, 6));
        assert_eq!(grid.overlap(4, 7), (3, 0, 4));
        assert_eq!(grid.overlap(8, 9), (7, 0, 2));
    }
}
