//! Counties cascade into a city that cascades into the province: three levels of the same program,
//! and the rehearsal platform at the top, which is another code and the judge of what arrives.

mod bounds;
mod cascade;
mod kit;
pub(crate) mod place;
