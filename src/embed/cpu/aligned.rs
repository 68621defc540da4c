//! Buffers that start at a cache line, so that no vector and no row of a tile lies across two.

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use bytemuck::{Pod, Zeroable};

/// A cache line.
#[repr(C, align(64))]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Line([u8; 64]);

/// A vector of numbers that starts at a cache line. New numbers are zeros.
pub(in crate::embed) struct Aligned<T> {
    lines: Vec<Line>,
    len: usize,
    numbers: PhantomData<T>,
}

impl<T: Pod> Aligned<T> {
    /// `len` zeros.
    pub(in crate::embed) fn zeros(len: usize) -> Self {
        let mut zeros = Self::default();
        zeros.grow(len);
        zeros
    }

    /// Makes the buffer at least `len` long; what it held stays.
    pub(in crate::embed) fn grow(&mut self, len: usize) {
        if len > self.len {
            self.lines.resize((len * size_of::<T>()).div_ceil(size_of::<Line>()), Line::zeroed());
            self.len = len;
        }
    }

    /// Makes the buffer at least `len` long and returns that much of it; what it holds is left over.
    pub(in crate::embed) fn at_least(&mut self, len: usize) -> &mut [T] {
        self.grow(len);
        &mut self[..len]
    }

    /// Adds the numbers of `more` at the end.
    pub(in crate::embed) fn extend(&mut self, more: &[T]) {
        let end = self.len;
        self.grow(end + more.len());
        self[end..].copy_from_slice(more);
    }
}

impl<T> Default for Aligned<T> {
    fn default() -> Self {
        Self { lines: Vec::new(), len: 0, numbers: PhantomData }
    }
}

impl<T: Pod> Deref for Aligned<T> {
    type Target = [T];

    #[inline(always)]
    fn deref(&self) -> &[T] {
        &bytemuck::cast_slice(&self.lines)[..self.len]
    }
}

impl<T: Pod> DerefMut for Aligned<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [T] {
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_start_at_a_cache_line_and_stay_when_more_come() {
        let mut numbers = Aligned::<f32>::zeros(3);
        numbers[2] = 7.0;
        numbers.extend(&[1.0; 40]);
        numbers.grow(10);
        assert_eq!(numbers.len(), 43);
        assert_eq!((numbers[2], numbers[3], numbers[42]), (7.0, 1.0, 1.0));
        assert_eq!(numbers.as_ptr() as usize % 64, 0);
    }
}
