//! The province's side: channels that place messages and collect answers.
