//! Almoner.
