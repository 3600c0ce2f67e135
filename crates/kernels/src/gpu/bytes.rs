//! Numbers as the bytes that travel to and from a GPU.

#![allow(unsafe_code)]

/// Numbers of which every pattern of bits is one, without padding.
pub(super) trait Plain: Copy + Default {}

impl Plain for u8 {}
impl Plain for u16 {}
impl Plain for u32 {}
impl Plain for f32 {}
impl Plain for f64 {}

/// The bytes of numbers.
pub(super) fn of<T: Plain>(numbers: &[T]) -> &[u8] {
    // SAFETY: the same memory, of which every byte is initialised; u8 has no alignment.
    unsafe { std::slice::from_raw_parts(numbers.as_ptr().cast(), size_of_val(numbers)) }
}

/// The same, to be written.
pub(super) fn of_mut<T: Plain>(numbers: &mut [T]) -> &mut [u8] {
    // SAFETY: as above, and any bytes make a number.
    unsafe { std::slice::from_raw_parts_mut(numbers.as_mut_ptr().cast(), size_of_val(numbers)) }
}
