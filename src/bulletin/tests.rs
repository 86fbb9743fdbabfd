//! Whole bulletins: their files, their words, their sameness.
