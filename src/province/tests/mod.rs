//! A channel against a platform that misbehaves, over real sockets and TLS.

mod exchanges;
mod platform;
mod spoken;
