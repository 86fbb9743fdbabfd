//! The bytes of a batch's rows as they were sent: what `batch.digest` is a digest of.
//!
//! A tree forgets white space and the order of what it does not need, so they are found in the
//! text itself. The text was read before; nothing here judges its form.

use super::tree::{Media, Path, Step};

/// What stands between the tags of the element that holds the rows, or between the brackets of
/// their array.
pub(super) fn rows<'a>(media: Media, text: &'a str, path: &Path, tag: &str) -> Option<&'a str> {
    match media {
        Media::Xml => {
            let is_container = |step: &&Step| !step.many && step.name != tag;
            element(text, &path.steps.iter().rfind(is_container)?.name)
        }
        Media::Json => array(text, &path.steps),
    }
}

fn element<'a>(body: &'a str, name: &str) -> Option<&'a str> {
    let mut from = 0;
    let begin = loop {
        let at = from + body.get(from..)?.find('<')?;
        let (tag, _) = body.get(at + 1..)?.split_once('>')?;
        let local = tag.split([' ', '/', '\n', '\t']).next()?;
        if local.rsplit(':').next() == Some(name) {
            break at + 1 + tag.len() + 1;
        }
        from = at + 1;
    };
    let end = body.rfind(&format!("{name}>"))?;
    let end = body.get(..end)?.rfind("</")?;
    body.get(begin..end)
}

fn array<'a>(text: &'a str, steps: &[Step]) -> Option<&'a str> {
    let mut value = text.trim_start_matches('\u{feff}').trim();
    let last = steps.len().checked_sub(1)?;
    for (at, step) in steps.iter().enumerate() {
        if !step.name.is_empty() {
            value = member(value, &step.name)?;
        }
        if step.many && at < last {
            value = one(value.strip_prefix('[')?.trim_start())?;
        }
    }
    value.strip_prefix('[')?.strip_suffix(']')
}

/// The value of a member of an object.
fn member<'a>(object: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = object.strip_prefix('{')?.trim_start();
    loop {
        let key = one(rest)?;
        rest = rest.get(key.len()..)?.trim_start().strip_prefix(':')?.trim_start();
        let value = one(rest)?;
        if serde_json::from_str::<String>(key).is_ok_and(|key| key == name) {
            return Some(value);
        }
        rest = rest.get(value.len()..)?.trim_start().strip_prefix(',')?.trim_start();
    }
}

/// The one value that the text begins with.
fn one(text: &str) -> Option<&str> {
    let mut depth = 0_usize;
    let mut in_text = false;
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        if in_text {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_text = false,
                _ => continue,
            }
            if in_text || depth > 0 {
                continue;
            }
            return text.get(..=at);
        }
        match byte {
            b'"' => in_text = true,
            b'[' | b'{' => depth += 1,
            b']' | b'}' if depth == 1 => return text.get(..=at),
            // The end of what is around a number or a word.
            b']' | b'}' | b',' if depth == 0 => return text.get(..at).map(str::trim_end),
            b']' | b'}' => depth -= 1,
            _ => {}
        }
    }
    (depth == 0 && !in_text && !text.is_empty()).then(|| text.trim_end())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found<'a>(media: Media, path: &str, text: &'a str) -> Option<&'a str> {
        rows(media, text, &Path::parse(media, path), "row")
    }

    #[test]
    fn rows_are_found_as_they_were_sent() {
        let text = "\u{feff} {\"a\\\"]\": [1, {\"rows\": 7}], \"n\":-1.5,\"\\u0068\" : { \"rows\":\n [ [\"x]\\\\\", null] , [2]] , \"z\":[]}}";
        assert_eq!(found(Media::Json, "h.rows", text), Some(" [\"x]\\\\\", null] , [2]"));
        assert_eq!(found(Media::Json, "h.rows[]", text), Some(" [\"x]\\\\\", null] , [2]"));
        assert_eq!(found(Media::Json, "h.none", text), None);
        assert_eq!(found(Media::Json, "n", text), None);
        assert_eq!(found(Media::Json, "[]", "[[1],[2]]"), Some("[1],[2]"));
        assert_eq!(found(Media::Json, "[].rows", "[ {\"rows\":[3]}, 4]"), Some("3"));
        let text = "<s:B><Rows x='1'><row>1</row> </Rows></s:B>";
        assert_eq!(found(Media::Xml, "B/Rows", text), Some("<row>1</row> "));
        assert_eq!(found(Media::Xml, "B/Rows/row[]", text), Some("<row>1</row> "));
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i32>().prop_map(Into::into),
            "[a\\\\\"\\[\\]{},: 行]{0,6}".prop_map(Into::into),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
                prop::collection::vec(("[a-z\"\\\\]{1,3}", inner), 0..4)
                    .prop_map(|all| serde_json::Value::Object(all.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn whatever_stands_around_them(
            before in json(),
            rows in prop::collection::vec(json(), 0..4),
            after in json(),
            pretty in any::<bool>(),
        ) {
            let all = serde_json::json!({ "before": before, "rows": rows, "then": after });
            let text = if pretty {
                serde_json::to_string_pretty(&all).unwrap()
            } else {
                all.to_string()
            };
            let inner = found(Media::Json, "rows", &text).unwrap();
            let again: serde_json::Value = serde_json::from_str(&format!("[{inner}]")).unwrap();
            prop_assert_eq!(again, serde_json::Value::from(rows));
        }

        #[test]
        fn broken_text_is_no_panic(text in "[\\[\\]{}\",:\\\\a1 行]{0,30}") {
            for path in ["rows", "[]", "[].a", "a.a"] {
                let _found = found(Media::Json, path, &text);
            }
        }
    }
}
