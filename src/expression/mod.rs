//! Small typed decimal expressions for required-if, cross-field rules and schemes.
