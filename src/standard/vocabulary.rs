//! The canonical words that a code list must answer for.

/// The words of a coded value whose words are closed; `None` where a city may have its own.
pub(super) fn needed_words(value: &str) -> Option<&'static [&'static str]> {
    const SHARE: &[&str] = &["unconditional", "conditional", "none"];
    Some(match value {
        "entry.share_type" | "item.share_type" => SHARE,
        "entry.open_type" => &["open", "conditional", "closed"],
        "entry.format" => &["file", "spreadsheet", "database", "image", "stream", "self_described"],
        "entry.update_cycle" => &[
            "realtime",
            "daily",
            "weekly",
            "monthly",
            "quarterly",
            "half_yearly",
            "yearly",
            "irregular",
            "other",
        ],
        "item.data_type" => &["text", "integer", "decimal", "date", "time", "boolean"],
        "resource.kind" => &["table", "file", "api"],
        "object.kind" | "inventory.kind" => {
            &["organisation", "category", "system", "entry", "resource"]
        }
        "batch.action" => &["upsert", "delete"],
        "batch.lane" => &["live", "backfill"],
        "item.is_key" => &["true", "false"],
        _ => return None,
    })
}

/// The words that a reply's code list may hold, by the meaning of its row.
pub(super) fn reply_words(meaning: &str) -> Option<&'static [&'static str]> {
    Some(match meaning {
        "state" | "inventory.state" => {
            &["accepted", "in_review", "published", "refused", "withdrawn"]
        }
        "row.verdict" => &["passed", "failed", "pending"],
        _ => return None,
    })
}

/// The words that such a list must hold.
pub(super) fn needed_reply_words(meaning: &str) -> &'static [&'static str] {
    match meaning {
        "state" | "inventory.state" => &["published"],
        "row.verdict" => &["passed", "failed"],
        _ => &[],
    }
}
