//! What the province holds of one channel's dataset.
