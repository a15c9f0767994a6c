//! Tests of the built companion against the pinned real gateway; they stand in `tests/`.
