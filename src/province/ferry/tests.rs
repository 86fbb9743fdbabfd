//! Both sides of a ferry and a gap between them that does what gaps do.

use std::os::unix::fs::PermissionsExt as _;

use rusqlite::Connection;

use super::words::{keep, late};
use super::*;

struct Place {
    folder: tempfile::TempDir,
    clock: Clock,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for side in ["below", "above"] {
            for way in ["in", "out"] {
                fs::create_dir_all(folder.path().join(side).join(way)).unwrap();
            }
        }
        let key = folder.path().join("key");
        fs::write(&key, "07".repeat(32)).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        Self { folder, clock: Clock::manual("2026-11-23T08:00:00Z".parse().unwrap()) }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn open(&self, side: Side, origin: &str, change: impl FnOnce(&mut FerrySettings)) -> Ferry {
        let mut settings = FerrySettings {
            name: "up".to_owned(),
            key_file: self.at("key"),
            folder: self.at(side.as_str()),
            returns: true,
            waiting: 1_000,
            late: late(),
            keep: keep(),
            origin: origin.to_owned(),
            restored: self.at("restored"),
        };
        change(&mut settings);
        Ferry::new(settings, side, self.clock.clone()).unwrap()
    }

    fn side(&self, side: Side) -> Ferry {
        self.open(side, "first", |_| {})
    }

    fn lying(&self, path: &str) -> Vec<String> {
        let entries = fs::read_dir(self.at(path)).unwrap();
        let mut names: Vec<String> =
            entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|it| it.ends_with(SUFFIX));
        names.sort_unstable();
        names
    }

    /// Carries one file, by its place in the order of names.
    fn carry(&self, from: &str, to: &str, at: usize) -> String {
        let name = self.lying(&format!("{from}/out")).remove(at);
        let (from, to) = (format!("{from}/out/{name}"), format!("{to}/in/{name}"));
        fs::rename(self.at(&from), self.at(&to)).unwrap();
        name
    }
}

/// Acts on everything that can be acted on; what was acted on.
fn act(above: &Ferry) -> Vec<String> {
    above.look().unwrap();
    let mut done = Vec::new();
    while let Some((address, plain)) = above.next().unwrap() {
        let text = String::from_utf8(plain.to_vec()).unwrap();
        above.acted(&address, format!("answer to {text}").as_bytes()).unwrap();
        done.push(text);
    }
    done
}

fn send(below: &Ferry, text: &str) -> u64 {
    below.send((text, "rows.upsert"), text.as_bytes()).unwrap().unwrap().number
}

fn answer(below: &Ferry, subject: &str) -> Option<String> {
    below.look().unwrap();
    let known = below.known(subject).unwrap().unwrap();
    known.answer.map(|it| String::from_utf8(it.to_vec()).unwrap())
}

/// Two ledgers, or both sides, in one folder would take each other's numbers and answers.
#[test]
fn a_journal_belongs_to_one_installation_and_one_side() {
    let place = Place::new();
    let below = place.open(Side::Below, "aa-1", |_| {});
    send(&below, "a");
    let at = place.at("below");
    let other = place.open(Side::Below, "bb-1", |_| {});
    let error = other.look().unwrap_err();
    assert!(matches!(error, Error::Owned { .. }), "{error:?}");
    assert_eq!(error.code(), "ferry-owned");
    assert!(error.to_string().contains("move `state` out of the way"), "{error}");
    let above = place.open(Side::Above, "aa-1", |it| it.folder = at.clone());
    assert!(matches!(above.next(), Err(Error::Owned { .. })));
    // A restored ledger is the same installation, and so is one from before owners were written.
    drop(below);
    let journal = Connection::open(at.join("state").join(JOURNAL)).unwrap();
    journal.execute("DELETE FROM owner", []).unwrap();
    drop(journal);
    assert!(matches!(place.open(Side::Below, "bb-1", |_| {}).look(), Err(Error::Owned { .. })));
    assert_eq!(send(&place.open(Side::Below, "aa-2", |_| {}), "b"), 1);
    let looked = place.open(Side::Below, "", |_| {}).looked_at().unwrap().unwrap();
    assert_eq!((looked.sent, looked.unanswered), (1, 1));
}

/// Whoever lost its disk misses only what came after the copy was made, and sends under a name of its
/// own.
#[test]
fn a_restored_journal_knows_what_came_and_begins_anew() {
    let place = Place::new();
    let (below, above) = (place.open(Side::Below, "aa-1", |_| {}), "bb-1");
    let above_now = place.open(Side::Above, above, |_| {});
    for text in ["a", "b", "c"] {
        send(&below, text);
        place.carry("below", "above", 0);
    }
    assert_eq!(act(&above_now), ["a", "b", "c"]);
    above_now.copy_into(&place.at("restored")).unwrap();
    let before = above_now.standing().unwrap();
    drop(above_now);
    fs::remove_dir_all(place.at("above/state")).unwrap();
    let again = place.open(Side::Above, "bb-2", |_| {});
    let standing = again.standing().unwrap();
    assert_eq!((standing.acted, standing.came, standing.gaps.len()), (3, 3, 0));
    assert_eq!((standing.sent, standing.unput), (0, 0));
    assert_ne!(standing.incarnation, before.incarnation);
    // What came before the copy is not acted on again; what comes after it is.
    below.again(2, 2).unwrap();
    send(&below, "d");
    place.carry("below", "above", 0);
    place.carry("below", "above", 0);
    assert_eq!(act(&again), ["d"]);
    // One that is there is never replaced by a copy.
    drop(again);
    assert_eq!(place.open(Side::Above, "bb-2", |_| {}).standing().unwrap().acted, 4);
}

#[test]
fn requests_are_acted_on_in_their_order_however_they_come() {
    let place = Place::new();
    let (below, above) = (place.side(Side::Below), place.side(Side::Above));
    let sent: Vec<u64> = ["a", "b", "c"].iter().map(|it| send(&below, it)).collect();
    assert_eq!(sent, [1, 2, 3]);
    place.carry("below", "above", 2);
    place.carry("below", "above", 1);
    assert_eq!(act(&above), Vec::<String>::new(), "the first is missed");
    let standing = above.standing().unwrap();
    assert_eq!(
        (standing.gaps.as_slice(), standing.waiting),
        ([Gap { from: 1, to: 1 }].as_slice(), 2)
    );
    assert!(standing.gap_since.is_some() && !standing.is_late);
    place.clock.advance(Duration::from_hours(3));
    assert!(above.standing().unwrap().is_late);
    place.carry("below", "above", 0);
    assert_eq!(act(&above), ["a", "b", "c"]);
    assert_eq!(above.standing().unwrap().gaps, []);
    // Each answer counts by itself, whatever came before it.
    place.carry("above", "below", 2);
    assert_eq!(answer(&below, "c").as_deref(), Some("answer to c"));
    assert_eq!(answer(&below, "a"), None);
    assert_eq!(below.standing().unwrap().gaps, [Gap { from: 1, to: 2 }]);
    place.carry("above", "below", 0);
    place.carry("above", "below", 0);
    assert_eq!(answer(&below, "a").as_deref(), Some("answer to a"));
    let standing = below.standing().unwrap();
    assert_eq!((standing.gaps.len(), standing.unanswered, standing.acted), (0, 0, 3));
}

#[test]
fn what_comes_twice_is_answered_the_same_and_acted_on_once() {
    let place = Place::new();
    let (below, above) = (place.side(Side::Below), place.side(Side::Above));
    send(&below, "a");
    let name = place.lying("below/out").remove(0);
    let bytes = fs::read(place.at("below/out").join(&name)).unwrap();
    place.carry("below", "above", 0);
    assert_eq!(act(&above), ["a"]);
    let first = place.lying("above/out");
    let answer_bytes = fs::read(place.at("above/out").join(&first[0])).unwrap();
    // The answer is lost; the request is put down again.
    fs::remove_file(place.at("above/out").join(&first[0])).unwrap();
    assert_eq!(below.again(1, 1).unwrap(), 1);
    assert_eq!(fs::read(place.at("below/out").join(&name)).unwrap(), bytes, "the same bytes");
    place.carry("below", "above", 0);
    assert_eq!(act(&above), Vec::<String>::new());
    assert_eq!(place.lying("above/out"), first);
    let again = fs::read(place.at("above/out").join(&first[0])).unwrap();
    assert_eq!(again, answer_bytes, "the same answer");
    place.carry("above", "below", 0);
    assert_eq!(answer(&below, "a").as_deref(), Some("answer to a"));
    assert_eq!(below.again(1, 1).unwrap(), 0, "it was answered");
}

#[test]
fn a_restarted_side_goes_on_and_never_uses_a_number_twice() {
    let place = Place::new();
    send(&place.side(Side::Below), "a");
    let below = place.side(Side::Below);
    assert_eq!(send(&below, "b"), 2);
    assert!(below.known("a").unwrap().is_some_and(|it| it.answer.is_none()));
    // What has a number and no file is put down by whoever comes next.
    fs::rename(place.at("below/out"), place.at("below/away")).unwrap();
    assert_eq!(send(&below, "c"), 3);
    assert_eq!(below.standing().unwrap().unput, 1);
    fs::rename(place.at("below/away"), place.at("below/out")).unwrap();
    place.side(Side::Below).look().unwrap();
    assert_eq!(place.lying("below/out").len(), 3);
}

#[test]
fn what_is_not_ours_or_not_whole_is_never_acted_on() {
    let place = Place::new();
    let (below, above) = (place.side(Side::Below), place.side(Side::Above));
    send(&below, "a");
    let name = place.lying("below/out").remove(0);
    let bytes = fs::read(place.at("below/out").join(&name)).unwrap();
    let come =
        |name: &str, bytes: &[u8]| fs::write(place.at("above/in").join(name), bytes).unwrap();
    let mut changed = bytes.clone();
    *changed.last_mut().unwrap() ^= 1;
    come("1.ferry", &changed);
    come("2.ferry", b"something else\n");
    let other = place.open(Side::Below, "first", |it| it.name = "other".to_owned());
    send(&other, "x");
    let foreign = place.lying("below/out").into_iter().find(|it| it.starts_with("other")).unwrap();
    come("3.ferry", &fs::read(place.at("below/out").join(foreign)).unwrap());
    // On its way under another name, and half of it under its own.
    come("carried.tmp", &bytes);
    come(&name, &bytes[..bytes.len() / 2]);
    assert_eq!(act(&above), Vec::<String>::new());
    assert_eq!(place.lying("above/in"), std::slice::from_ref(&name));
    assert_eq!(place.lying("above/in/aside"), ["1.ferry", "2.ferry", "3.ferry"]);
    let standing = above.standing().unwrap();
    assert_eq!(standing.aside, 3);
    assert_eq!(standing.aside_last, Some(("3.ferry".to_owned(), "other-ferry".to_owned())));
    come(&name, &bytes);
    assert_eq!(act(&above), ["a"]);
    // What stays half a file is set aside in the end. Files bear the machine's time.
    come("9.ferry", &bytes[..bytes.len() / 2]);
    let above = Place { clock: Clock::manual(Timestamp::MAX), ..place };
    act(&above.side(Side::Above));
    assert!(above.lying("above/in/aside").contains(&"9.ferry".to_owned()));
}

#[test]
fn a_number_with_other_bytes_is_set_aside() {
    let (place, other) = (Place::new(), Place::new());
    let (below, above) = (place.side(Side::Below), place.side(Side::Above));
    send(&below, "a");
    place.carry("below", "above", 0);
    assert_eq!(act(&above), ["a"]);
    // A copy of the machine from before: its journal knows nothing of the first.
    let incarnation = below.standing().unwrap().incarnation;
    let copy = other.side(Side::Below);
    copy.standing().unwrap();
    let journal = Connection::open(other.at("below/state/ferry.sqlite")).unwrap();
    journal.execute("UPDATE own SET incarnation = ?1", [&incarnation]).unwrap();
    assert_eq!(send(&copy, "b"), 1);
    let name = other.lying("below/out").remove(0);
    fs::copy(other.at("below/out").join(&name), place.at("above/in").join(&name)).unwrap();
    assert_eq!(act(&above), Vec::<String>::new());
    let last = above.standing().unwrap().aside_last.unwrap();
    assert_eq!(last, (name, "number-used-twice".to_owned()));
    // It begins anew, and is heard once somebody says that this is right.
    copy.anew().unwrap();
    assert!(copy.known("b").unwrap().is_none(), "to be sent again");
    assert_eq!(send(&copy, "b"), 1);
    for name in other.lying("below/out") {
        fs::rename(other.at("below/out").join(&name), place.at("above/in").join(&name)).unwrap();
    }
    assert_eq!(act(&above), Vec::<String>::new());
    let offered = above.standing().unwrap().offered;
    assert_eq!(offered, [copy.standing().unwrap().incarnation]);
    assert!(!above.accept("00").unwrap());
    assert!(above.accept(&offered[0]).unwrap());
    assert_eq!(act(&above), ["b"]);
    // Whoever still speaks for the time before is not.
    assert_eq!(send(&below, "late"), 2);
    place.carry("below", "above", 0);
    assert_eq!(act(&above), Vec::<String>::new());
    assert_eq!(above.standing().unwrap().aside_last.unwrap().1, "incarnation-over");
}

#[test]
fn a_restored_ledger_sends_under_numbers_of_its_own() {
    let place = Place::new();
    let below = place.side(Side::Below);
    send(&below, "a");
    let before = below.standing().unwrap();
    let restored = place.open(Side::Below, "first-2", |_| {});
    let after = restored.standing().unwrap();
    assert_ne!(before.incarnation, after.incarnation);
    assert_eq!((after.sent, after.unanswered), (0, 0));
    assert!(restored.known("a").unwrap().is_none());
    let again = place.open(Side::Below, "first-2", |_| {});
    assert_eq!(again.standing().unwrap().incarnation, after.incarnation);
}

#[test]
fn what_never_comes_is_passed_over_and_is_not_acted_on_when_it_comes_after_all() {
    let place = Place::new();
    let (below, above) = (place.side(Side::Below), place.side(Side::Above));
    for it in ["a", "b", "c", "d"] {
        send(&below, it);
    }
    let late = place.lying("below/out").remove(1);
    fs::rename(place.at("below/out").join(&late), place.at("late")).unwrap();
    for _ in 0..3 {
        place.carry("below", "above", 0);
    }
    assert_eq!(act(&above), ["a"]);
    assert_eq!(above.skip(3, 9).unwrap(), 0, "only what is missed");
    assert_eq!(above.skip(2, 2).unwrap(), 1);
    assert_eq!(act(&above), ["c", "d"]);
    // Whoever sent it is told so, and sends what was in it again.
    for _ in 0..4 {
        place.carry("above", "below", 0);
    }
    let later = answer(&below, "b").unwrap();
    assert!(later.starts_with("{\"status\":503,"), "{later}");
    fs::rename(place.at("late"), place.at("above/in").join(&late)).unwrap();
    assert_eq!(act(&above), Vec::<String>::new());
    assert_eq!(above.standing().unwrap().aside_last.unwrap().1, "passed-over");
}

#[test]
fn so_many_wait_and_the_rest_stays_where_it_lies() {
    let place = Place::new();
    let few = |it: &mut FerrySettings| it.waiting = 2;
    let (below, above) = (place.side(Side::Below), place.open(Side::Above, "first", few));
    for it in ["a", "b", "c", "d"] {
        send(&below, it);
    }
    for _ in 0..3 {
        place.carry("below", "above", 1);
    }
    assert_eq!(act(&above), Vec::<String>::new());
    assert_eq!((above.standing().unwrap().waiting, place.lying("above/in").len()), (2, 1));
    place.carry("below", "above", 0);
    let mut done = act(&above);
    done.extend(act(&above));
    assert_eq!(done, ["a", "b", "c", "d"]);
    let full = place.open(Side::Below, "first", few);
    assert!(full.send(("e", "rows.upsert"), b"e").unwrap().is_none(), "four have no answer");
}

#[test]
fn what_is_over_is_let_go_of_and_a_number_stays_used() {
    let place = Place::new();
    let (below, above) = (place.side(Side::Below), place.side(Side::Above));
    send(&below, "a");
    place.carry("below", "above", 0);
    assert_eq!(act(&above), ["a"]);
    place.carry("above", "below", 0);
    below.look().unwrap();
    place.clock.advance(Duration::from_hours(31 * 24));
    below.look().unwrap();
    above.look().unwrap();
    assert!(below.known("a").unwrap().is_none());
    assert_eq!(send(&below, "b"), 2);
    place.carry("below", "above", 0);
    assert_eq!(act(&above), ["b"]);
}
