//! The city's data catalogue (政务信息资源目录) in canonical form, and the words in which standards
//! speak of it.
//!
//! Five kinds of objects are registered above, parents first: organisation (机构) → category
//! (目录分类) → system (信息系统) → entry (目录) with its items (信息项) → resource (资源). What a
//! province calls each field is in its standard's directory; this module knows none of that. A
//! standard names values by the words of [`words()`], and an object answers with [`Object::word`].

mod object;
mod value;
mod words;

pub use object::{
    Category, Content, Entry, Item, Object, ObjectKey, Organisation, Resource, ResourceKind,
    Supplied, System,
};
pub use value::{Value, WordType};
pub use words::{Kind, Word, words};
