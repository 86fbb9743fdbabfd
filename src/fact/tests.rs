//! Facts survive their canonical form, and every way to bend a chain is found.

use jiff::civil::date;
use proptest::prelude::*;

use super::*;
use crate::delivery::{DigestSha256, Evidence, Lane, LinkState, RejectKind, StandardId};

const DAY: Date = date(2026, 11, 22);

fn kinds() -> Vec<Kind> {
    let deadline = Timestamp::from_second(1_790_000_000).unwrap();
    vec![
        Kind::Confirmed { rows: 12, evidence: Evidence::RowVerdict },
        Kind::Placed { rows: 3 },
        Kind::Verdict { passed: 9, failed: 1 },
        Kind::Rejected { kind: RejectKind::Local, code: "id-card".to_owned(), rows: 2 },
        Kind::OverdueFrom { deadline },
        Kind::OverdueUntil { deadline },
        Kind::Link { from: LinkState::Sent, to: LinkState::Accepted, code: None },
        Kind::Link { from: LinkState::Sent, to: LinkState::Refused, code: Some(String::new()) },
        Kind::StandardInForce { standard: StandardId::from("a/2") },
        Kind::Drift { operation: "entry.modify".to_owned(), code: "C-47".to_owned() },
        Kind::DriftSettled { operation: "entry.modify".to_owned() },
        Kind::PassCompleted {
            lane: Lane::Backfill,
            seen: 9,
            changed: 2,
            rejected: 1,
            resent: 0,
            is_part: false,
        },
        Kind::RuleCounted { rule: "id-card(card)".to_owned(), executed: 9, broken: 1, waived: 1 },
        Kind::Reconciled { compared: 100, mismatched: 0 },
        Kind::Job { act: JobAct::Requested, by: "uid 1000".to_owned() },
        Kind::OriginalOpened { by: "uid 1000".to_owned(), key: "00ff".to_owned() },
        Kind::IncarnationBegun { incarnation: 2 },
    ]
}

/// The kinds that came later: the canonical form of the first ones stays as it was.
fn later_kinds() -> Vec<Kind> {
    let deadline = Timestamp::from_second(1_790_000_000).unwrap();
    vec![
        Kind::StandardRequired { standard: StandardId::from("a/2") },
        Kind::Probed { succeeded: 59, failed: 1 },
        Kind::CaseOpened { list: "guides".to_owned(), owner: "市住建局".to_owned(), deadline },
        Kind::PeriodClosed {
            scheme: "model-2026".to_owned(),
            total: rust_decimal::Decimal::new(8820, 2),
            digest: "00ff".to_owned(),
        },
        Kind::Exempted {
            measure: "*".to_owned(),
            days: "2026-01-01..".to_owned(),
            reason: "国家垂管系统".to_owned(),
            approval: "市府办〔2026〕1 号".to_owned(),
        },
        Kind::Unmended { here: 12, above: 0 },
        Kind::Declared { list: "obligations".to_owned(), terms: "cycle=每日&key=no".to_owned() },
        Kind::Declared { list: "catalogue".to_owned(), terms: String::new() },
        Kind::Approved {
            what: "cycle".to_owned(),
            from: "每日".to_owned(),
            to: "每月".to_owned(),
            reason: "源系统改造".to_owned(),
            approval: "市府办〔2026〕9 号".to_owned(),
        },
        Kind::CaseClosed { list: "guides".to_owned(), proof: "档 7".to_owned() },
        Kind::Stated {
            name: "cascade_loss".to_owned(),
            month: "2022-03".to_owned(),
            value: rust_decimal::Decimal::new(200, 2),
            source: "通报".to_owned(),
        },
    ]
}

fn fact(number: u64, kind: Kind) -> Fact {
    let id = |number| FactId { writer: "ledger-1".into(), day: DAY, number };
    Fact {
        id: id(number),
        channel: number.is_multiple_of(2).then(|| ChannelId::from("province")),
        kind,
        subject: "5119-0207".to_owned(),
        occurred: Timestamp::from_millisecond(1_790_000_000_123).unwrap(),
        recorded: Timestamp::from_second(1_790_000_001).unwrap(),
        cause: (number > 1).then(|| id(number - 1)),
        amends: None,
    }
}

fn day() -> Vec<(Fact, DigestSha256)> {
    let mut previous = start("ledger-1", DAY);
    let numbered = (1..).zip(kinds());
    numbered
        .map(|(number, kind)| {
            let fact = fact(number, kind);
            previous = chain(previous, &fact);
            (fact, previous)
        })
        .collect()
}

fn verdict(
    day: &[(Fact, DigestSha256)],
    head: Option<DigestSha256>,
) -> Result<(), (u64, BrokenBy)> {
    let facts = day.iter().map(|(fact, digest)| (fact, *digest));
    match verify("ledger-1", DAY, facts, head) {
        Ok(_) => Ok(()),
        Err(broken) => Err((broken.number, broken.by)),
    }
}

#[test]
fn every_kind_survives_its_canonical_form() {
    let later = (18..).zip(later_kinds()).map(|(number, kind)| fact(number, kind));
    for fact in day().into_iter().map(|(fact, _)| fact).chain(later) {
        let bytes = fact.encode();
        assert_eq!(Fact::decode(&bytes), Ok(fact));
        for cut in 0..bytes.len() {
            assert!(Fact::decode(&bytes[..cut]).is_err());
        }
    }
}

#[test]
fn a_fact_that_is_filled_anew_is_the_one_that_is_read() {
    let all: Vec<Fact> = (1..)
        .zip(kinds().into_iter().chain(later_kinds()))
        .map(|(number, kind)| fact(number, kind))
        .collect();
    let mut refilled = all.last().unwrap().clone();
    for fact in &all {
        let bytes = fact.encode();
        refilled.refill(&bytes).unwrap();
        assert_eq!(refilled, *fact);
        assert_eq!(
            refilled.refill(bytes.get(1..).unwrap()),
            Fact::decode(bytes.get(1..).unwrap()).map(drop)
        );
        assert_eq!(refilled, *fact);
    }
}

#[test]
fn what_most_readings_have_not_is_written_only_where_it_is() {
    let pass = |resent, is_part| {
        let (lane, seen, changed, rejected) = (Lane::Backfill, 9, 2, 1);
        Kind::PassCompleted { lane, seen, changed, rejected, resent, is_part }
    };
    for (kind, names) in [
        (pass(0, false), &["lane", "seen", "changed", "rejected"][..]),
        (pass(4, false), &["lane", "seen", "changed", "rejected", "resent"]),
        (pass(4, true), &["lane", "seen", "changed", "rejected", "resent", "part"]),
    ] {
        let fields = kind.fields();
        let fields: Vec<(&str, &str)> =
            fields.iter().map(|(name, it)| (*name, it.as_str())).collect();
        assert_eq!(fields.iter().map(|it| it.0).collect::<Vec<_>>(), names);
        assert_eq!(Kind::from_fields("pass-completed", &fields), Some(kind));
    }
}

#[test]
fn the_canonical_form_does_not_change() {
    // Stored facts of earlier versions must stay readable: a new form is a new version word.
    let digest = day().last().unwrap().1;
    assert_eq!(
        digest.to_string(),
        "07520a7dffe6893fe07f595573441420ad2e53ad5eb47e5f2423fd49a549b59a"
    );
    let mut other = fact(1, Kind::Placed { rows: 1 }).encode();
    other[9] = b'9';
    assert_eq!(Fact::decode(&other), Err(Unreadable::Version));
}

#[test]
fn a_whole_day_verifies_up_to_its_head() {
    let day = day();
    let head = day.last().unwrap().1;
    assert_eq!(verdict(&day, Some(head)), Ok(()));
    let missing = &day[..day.len() - 1];
    assert_eq!(verdict(missing, None), Ok(()), "a cut end is not seen without its head");
    assert_eq!(verdict(missing, Some(head)), Err((17, BrokenBy::Head)));
    assert_eq!(verdict(&[], Some(start("ledger-1", DAY))), Ok(()));
}

#[test]
fn every_way_to_bend_a_chain_is_found() {
    let whole = day();
    let mut removed = whole.clone();
    removed.remove(4);
    assert_eq!(verdict(&removed, None), Err((5, BrokenBy::Gap)));
    let mut swapped = whole.clone();
    swapped.swap(2, 3);
    assert_eq!(verdict(&swapped, None), Err((3, BrokenBy::Gap)));
    let mut altered = whole.clone();
    altered[5].0.subject.push('x');
    assert_eq!(verdict(&altered, None), Err((6, BrokenBy::Digest)));
    let mut redone = altered;
    redone[5].1 = chain(redone[4].1, &redone[5].0);
    assert_eq!(verdict(&redone, None), Err((7, BrokenBy::Digest)));
    let mut foreign = whole.clone();
    foreign[0].0.id.day = date(2026, 11, 21);
    assert_eq!(verdict(&foreign, None), Err((1, BrokenBy::Stranger)));
    let mut circular = fact(1, Kind::Placed { rows: 1 });
    circular.amends = Some(circular.id.clone());
    let digest = chain(start("ledger-1", DAY), &circular);
    assert_eq!(verdict(&[(circular, digest)], None), Err((1, BrokenBy::Later)));
    assert_ne!(start("ledger-1", DAY), start("ledger-2", DAY));
}

#[test]
fn an_id_has_one_spelling() {
    let id = fact(17, Kind::Placed { rows: 1 }).id;
    assert_eq!(id.to_string(), "ledger-1/2026-11-22/17");
    assert_eq!(FactId::parse("ledger-1/2026-11-22/17"), Some(id));
    for bad in ["", "ledger-1/2026-11-22/017", "/2026-11-22/1", "a/2026-11-22", "a/b/2026-11-22/1"]
    {
        assert_eq!(FactId::parse(bad), None, "{bad}");
    }
}

proptest! {
    #[test]
    fn any_texts_survive_and_any_flipped_bit_is_found(
        subject in "\\PC{0,30}", code in "\\PC{0,30}", rows in any::<u64>(), flip in any::<prop::sample::Index>(),
    ) {
        let mut fact = fact(2, Kind::Rejected { kind: RejectKind::Failed, code, rows });
        fact.subject = subject;
        let mut bytes = fact.encode();
        prop_assert_eq!(Fact::decode(&bytes), Ok(fact.clone()));
        let place = flip.index(bytes.len());
        bytes[place] ^= 1;
        prop_assert_ne!(Fact::decode(&bytes), Ok(fact));
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Fact::decode(&bytes).is_err());
    }
}
