//! Names of files: of a batch's own, of what comes back about it, and whether a name may be one.

use crate::standard::{Operation, Parameter};

/// The most bytes of a name with its folders; file systems take 255 of each part.
const LONGEST: usize = 200;

/// The name of a batch's file below the folder: its operation's path with every `{NAME}` filled.
/// `None` where that is no name of a file below the folder.
pub(super) fn placed(
    operation: &Operation,
    parameters: &[Parameter],
    batch: &str,
) -> Option<String> {
    let mut name = operation.path.trim_start_matches('/').to_owned();
    for parameter in parameters.iter().filter(|it| it.place == "url") {
        let value = parameter.value.fill(|slot| (slot == "batch.id").then(|| batch.to_owned()));
        let value = String::from_utf8(value.ok()?).ok()?;
        // A value is a part of a name and never leads into another folder.
        if value.contains(['/', '\\']) {
            return None;
        }
        name = name.replace(&format!("{{{}}}", parameter.name), &value);
    }
    is_name(&name).then_some(name)
}

/// Whether a file below the folder may be called so: no hidden part, nothing that leads out of it,
/// no letter that a terminal or another system would take for something else.
fn is_name(name: &str) -> bool {
    let is_part = |part: &str| {
        let is_plain = |it: char| !it.is_control() && !"\\:*?\"<>|".contains(it);
        !part.is_empty()
            && !part.starts_with('.')
            && part.trim() == part
            && part.chars().all(is_plain)
    };
    name.len() <= LONGEST && name.split('/').all(is_part)
}

/// The last part of a name.
pub(super) fn last(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// A name's last part without its ending.
pub(super) fn stem(name: &str) -> &str {
    let last = last(name);
    last.rsplit_once('.').map_or(last, |(stem, _)| stem)
}

/// What a pattern makes of a placed file's name.
pub(super) fn beside(pattern: &str, name: &str) -> String {
    pattern.replace("{name}", last(name)).replace("{stem}", stem(name))
}

/// Whether a file is called as the pattern says of a placed file; `*` stands for any characters.
pub(super) fn is_about(pattern: &str, name: &str, file: &str) -> bool {
    let wanted = beside(pattern, name);
    match wanted.split_once('*') {
        None => file == wanted,
        Some((before, after)) => {
            file.strip_prefix(before).is_some_and(|rest| rest.ends_with(after))
        }
    }
}

/// A name with its folders as one part of a name.
pub(super) fn flat(name: &str) -> String {
    name.replace('%', "%25").replace('/', "%2F")
}

/// The inverse of [`flat`].
pub(super) fn unflat(flat: &str) -> String {
    flat.replace("%2F", "/").replace("%25", "%")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_leads_out_of_the_folder_or_hides_is_no_name() {
        for good in ["a.csv", "people/2026/a_1.csv", "人口 1.xlsx", "100%.csv"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "a/", "/a", "../a", "a/../b", ".a", "a/.b", "a\nb", "a:b", " a", "a*b"] {
            assert!(!is_name(bad), "{bad}");
        }
        assert!(!is_name(&"a".repeat(201)));
    }

    #[test]
    fn a_pattern_tells_which_placed_file_a_file_is_about() {
        assert_eq!(beside("{name}.ok", "d/a.csv"), "a.csv.ok");
        assert!(is_about("{stem}.result.csv", "d/a.csv", "a.result.csv"));
        assert!(is_about("{stem}*.xlsx", "a.xlsx", "a(1) 结果.xlsx"));
        for other in ["b.result.csv", "a.result.csv.tmp", "xa.result.csv", "a.result.xml"] {
            assert!(!is_about("{stem}.result.csv", "d/a.csv", other), "{other}");
        }
        // One letter is not there twice.
        assert!(!is_about("{stem}*a.csv", "a.xml", "a.csv"));
    }

    proptest! {
        #[test]
        fn a_flat_name_gives_the_name_back(name in "[a%/2F5]{0,12}") {
            prop_assert_eq!(unflat(&flat(&name)), name.clone());
            prop_assert!(!flat(&name).contains('/'));
        }
    }
}
