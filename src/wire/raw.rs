//! The text inside an element or array as it was written, for digests over what travels.

use super::{Media, Path};

/// What stands between the tags of the element that `path` ends in, or the brackets of the array.
///
/// Byte by byte; the first of that name is meant, `None` where there is none. The text must have
/// been read as a whole before: this finds its way by names and marks alone.
pub fn enclosed<'t>(media: Media, text: &'t str, path: &Path) -> Option<&'t str> {
    let name = &path.steps().last()?.name;
    match media {
        Media::Xml => element(text, name),
        Media::Json => array(text, name),
    }
}

fn element<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let mut from = 0;
    loop {
        let open = from + text.get(from..)?.find('<')? + 1;
        let rest = text.get(open..)?;
        let end = rest.find(|it: char| it.is_whitespace() || it == '>' || it == '/')?;
        let written = rest.get(..end)?;
        let close = open + rest.find('>')?;
        if written.rsplit(':').next() != Some(name) {
            from = open;
            continue;
        }
        if text.get(..close)?.ends_with('/') {
            return Some("");
        }
        let inner = text.get(close + 1..)?;
        let last = inner.rfind(&format!("</{written}"))?;
        return inner.get(..last);
    }
}

fn array<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let bytes = text.as_bytes();
    let mut at = 0;
    let mut begin = None;
    let mut depth = 0_u32;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                let end = string_end(bytes, at)?;
                let is_name = begin.is_none() && text.get(at + 1..end - 1) == Some(name);
                let after = text.get(end..)?.trim_start();
                let value = after.strip_prefix(':').map(str::trim_start);
                if is_name && value.is_some_and(|value| value.starts_with('[')) {
                    let open = text.len() - value?.len();
                    (begin, depth, at) = (Some(open + 1), 1, open + 1);
                    continue;
                }
                at = end;
                continue;
            }
            b'[' if begin.is_some() => depth += 1,
            b']' if begin.is_some() => {
                depth -= 1;
                if depth == 0 {
                    return text.get(begin?..at);
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// Behind the closing quote of the string that begins at `at`.
fn string_end(bytes: &[u8], at: usize) -> Option<usize> {
    let mut end = at + 1;
    loop {
        match bytes.get(end)? {
            b'\\' => end += 2,
            b'"' => return Some(end + 1),
            _ => end += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Namespaces;
    use super::*;

    fn inside<'t>(media: Media, text: &'t str, path: &str) -> Option<&'t str> {
        let spaces = Namespaces::new([("p", "urn:p")]).unwrap();
        enclosed(media, text, &Path::parse(media, path, &spaces).unwrap())
    }

    #[test]
    fn what_is_enclosed_is_given_as_it_is_written() {
        let xml = "<?xml version=\"1.0\"?><p:A Rows=\"1\"><RowsX/><p:Rows n=\"2\"><R>a &lt; b</R>\n<R/></p:Rows ></p:A>";
        assert_eq!(inside(Media::Xml, xml, "p:A/p:Rows"), Some("<R>a &lt; b</R>\n<R/>"));
        assert_eq!(inside(Media::Xml, "<A><Rows/></A>", "A/Rows"), Some(""));
        assert_eq!(inside(Media::Xml, "<A></A>", "A/Rows"), None);
        let json = r#"{"head":{"x":"lines"},"n":"\"lines\":[","lines" : [["a]","b"],[1]],"z":[2]}"#;
        assert_eq!(inside(Media::Json, json, "lines"), Some(r#"["a]","b"],[1]"#));
        assert_eq!(inside(Media::Json, r#"{"lines":{}}"#, "lines"), None);
    }
}
