//! Readers and writers against each other and against judges of another hand.

mod reading;
mod rows;
mod shapes;
