//! A long history by chance.
