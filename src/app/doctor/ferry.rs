//! Ferries: their folders, and what their journals say of the gap.

use std::path::PathBuf;
use std::sync::Arc;

use super::code::Code;
use super::finding::Found;
use crate::clock::Clock;
use crate::config::Configuration;
use crate::province::{Ferry, FerryStanding, Side, ferry_of};

/// Looks at every ferry of the configuration. Settings that are wrong are told with their place; a
/// journal that is not there yet, or belongs to a daemon that runs, is no mistake.
pub(super) fn examine(configuration: &Configuration, clock: &Clock) -> Vec<Found> {
    let channels = configuration.channels.iter();
    let below = channels
        .filter_map(|it| ferry_of(&it.settings.province, clock).ok()?)
        .map(|(ferry, _)| ferry);
    let counties = configuration.intake.iter().flat_map(|it| &it.counties);
    let above = counties
        .filter_map(|it| Ferry::new(it.ferry.clone()?, Side::Above, clock.clone()).ok())
        .map(Arc::new);
    below.chain(above).flat_map(|it| judge(&look(&it))).collect()
}

/// What was seen of one.
#[derive(Clone, Debug)]
struct Seen {
    name: String,
    /// Of its two folders, the one that is not there.
    lacks: Option<PathBuf>,
    standing: Option<FerryStanding>,
}

/// Blocking work.
fn look(ferry: &Ferry) -> Seen {
    let lacks = ferry.ways().into_iter().find(|it| !it.is_dir());
    Seen { name: ferry.name().to_owned(), lacks, standing: ferry.looked_at().ok().flatten() }
}

fn judge(seen: &Seen) -> Vec<Found> {
    let places = [format!("ferry {}", seen.name), format!("摆渡 {}", seen.name)];
    let [place, place_zh] = [places[0].as_str(), places[1].as_str()];
    let of = |code, seen: &str| Found::of(code, [place, place_zh], [seen, seen]);
    let mut found = Vec::new();
    if let Some(folder) = &seen.lacks {
        found.push(of(Code::FerryFolder, &folder.display().to_string()));
    }
    if let Some(it) = seen.standing.as_ref().filter(|it| it.is_late) {
        let gap = it.gaps.first().zip(it.gap_since);
        if let Some((gap, since)) = gap {
            found.push(of(Code::FerryGap, &format!("{}..{}, {since}", gap.from, gap.to)));
        } else if let Some(since) = it.unanswered_since {
            found.push(of(Code::FerrySilent, &format!("{}, {since}", it.unanswered)));
        }
    }
    if found.is_empty() {
        let told = [format!("{place}: as it should be"), format!("{place_zh}：正常")];
        found.push(Found::good(told));
    }
    found
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::Duration;

    use super::*;
    use crate::province::FerrySettings;

    fn codes(ferry: &Ferry) -> Vec<&'static str> {
        judge(&look(ferry)).iter().filter_map(|it| it.code).collect()
    }

    /// A file that never came shows on both sides once it should have come.
    #[test]
    fn what_a_gap_keeps_is_told_on_both_sides_once_it_is_late() {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        std::fs::write(at("key"), "07".repeat(32)).unwrap();
        std::fs::set_permissions(at("key"), std::fs::Permissions::from_mode(0o600)).unwrap();
        let clock = Clock::manual("2026-11-23T08:00:00Z".parse().unwrap());
        let side = |side: Side| {
            let text = format!("name = \"gap\"\nkey_file = {:?}", at("key"));
            let settings: FerrySettings = toml::from_str(&text).unwrap();
            let folder = at(side.as_str());
            Ferry::new(FerrySettings { folder, ..settings }, side, clock.clone()).unwrap()
        };
        let (below, above) = (side(Side::Below), side(Side::Above));
        assert_eq!(codes(&below), ["D-FERRY-FOLDER"]);
        for folder in below.ways().iter().chain(&above.ways()) {
            std::fs::create_dir_all(folder).unwrap();
        }
        assert_eq!(codes(&below), [""; 0]);
        for text in ["lost", "after it"] {
            below.send((text, "rows.upsert"), text.as_bytes()).unwrap().unwrap();
        }
        let [out, _] = below.ways();
        let [_, came] = above.ways();
        let second = std::fs::read_dir(&out).unwrap().map(|it| it.unwrap().path()).max().unwrap();
        std::fs::rename(&second, came.join(second.file_name().unwrap())).unwrap();
        above.look().unwrap();
        // Two lie in their journals; nothing is late yet.
        assert_eq!((codes(&below).len(), codes(&above).len()), (0, 0));
        clock.advance(Duration::from_hours(3));
        assert_eq!((codes(&below), codes(&above)), (vec!["D-FERRY-SILENT"], vec!["D-FERRY-GAP"]));
        let told = judge(&look(&above)).remove(0);
        assert!(told.what.contains("1..1") && told.what_zh.contains("缺号"), "{told:?}");
    }
}
