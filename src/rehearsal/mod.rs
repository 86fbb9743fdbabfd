//! A stand-in for the provincial platform, driven by the same standard directory.
