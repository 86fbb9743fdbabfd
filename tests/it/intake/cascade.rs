//! What counties have reaches the province, once and under the county's name.

use std::collections::BTreeMap;

use cascaded::catalogue::Kind;
use cascaded::clock::Clock;
use cascaded::delivery::{LinkState, RejectKind};
use cascaded::ledger::LinkFilter;

use super::place::{County, FIVE, Middle, NANJIANG, Name, TONGJIANG};
use crate::support::daemon::run;

/// Five counties, each with its own rows in a dataset that they all call the same.
#[test]
fn rows_of_five_counties_reach_the_province_once_and_changes_follow() {
    run(async {
        let clock = Clock::system();
        let middle = Middle::new(&FIVE, &clock, "", |_| {}).await;
        let (city, address) = middle.start().await;
        let sized = FIVE.iter().zip([60, 40, 30, 20, 10]);
        let counties: Vec<County> =
            sized.map(|(name, rows)| County::new(&middle, *name, rows, address)).collect();
        let mut below = Vec::new();
        for county in &counties {
            below.push(county.start().await);
        }
        for (county, daemon) in counties.iter().zip(&below) {
            daemon.settled().await;
            arrived(&middle, &city, county).await;
        }
        // An update, a new row and a delete travel through both levels.
        counties[0].write(0..5, "again");
        counties[0].write(60..62, "new");
        counties[1].table.execute("DELETE FROM visits WHERE id = 'nanjiang|00003'", []).unwrap();
        for county in &counties {
            arrived(&middle, &city, county).await;
        }
        // Every object stands above under its county's region, and each once.
        let province = city.channel("province").id.clone();
        let filter = LinkFilter { kind: Some(Kind::Entry), state: None };
        let links = city.ledger().links(province, filter).await.unwrap();
        let regions: BTreeMap<_, _> =
            links.iter().map(|link| (link.key.id.clone(), link.region.clone())).collect();
        let expected = FIVE.map(|it| (format!("{}-e-visits", it.region), it.region.to_owned()));
        assert_eq!((links.len(), regions), (5, expected.into()));
        assert!(links.iter().all(|link| link.state == LinkState::Published), "{links:?}");
        for (batch, payloads) in middle.city.platform.payloads().unwrap() {
            assert_eq!(payloads.len(), 1, "batch {batch} carried several payloads");
        }
        for daemon in below {
            daemon.stop().await;
        }
        city.stop().await;
        middle.city.close().await;
    });
}

/// A row that the city's rules turn away is told to the county with its rule, and goes nowhere.
#[test]
fn a_row_that_the_citys_rules_turn_away_is_told_to_its_county() {
    run(async {
        let clock = Clock::system();
        let middle = Middle::new(&[TONGJIANG], &clock, "", |_| {}).await;
        let (city, address) = middle.start().await;
        let county = County::new(&middle, TONGJIANG, 10, address);
        county.table.execute("UPDATE visits SET grade = 'z' WHERE id LIKE '%4'", []).unwrap();
        let below = county.start().await;
        let sight = below.settled().await;
        assert_eq!((sight.rows.due, sight.rows.confirmed), (10, 9));
        let rejects = below.rejects().await;
        assert_eq!(rejects.len(), 1, "{rejects:?}");
        assert_eq!(rejects[0].kind, RejectKind::Failed);
        assert_eq!(rejects[0].findings[0].rule, "code-list", "the rule that it breaks here");
        arrived(&middle, &city, &county).await;
        // Mended below, it goes through.
        county.write(4..5, "mended");
        arrived(&middle, &city, &county).await;
        below.stop().await;
        city.stop().await;
        middle.city.close().await;
    });
}

/// What the province turns away of a county's rows stands in the city's lists under the county, and
/// the county's own figures say what the city found, which is another thing.
#[test]
fn what_the_province_turns_away_bears_the_name_of_its_county() {
    run(async {
        let clock = Clock::system();
        let middle = Middle::new(&[TONGJIANG, NANJIANG], &clock, "", |settings| {
            let rules = settings.rules.entry(TONGJIANG.dataset()).or_default();
            rules.fail_keys.insert("tongjiang\\|00002".to_owned());
        })
        .await;
        let (city, address) = middle.start().await;
        let counties = [
            County::new(&middle, TONGJIANG, 8, address),
            County::new(&middle, NANJIANG, 8, address),
        ];
        let below = [counties[0].start().await, counties[1].start().await];
        arrived(&middle, &city, &counties[1]).await;
        let rejected = || async { !city.rejects().await.is_empty() };
        city.wait_until("the province turned a row away", rejected).await;
        let rejects = city.rejects().await;
        let found: Vec<_> = rejects
            .iter()
            .map(|it| (it.region.as_str(), it.department.as_str(), it.kind))
            .collect();
        assert_eq!(found, [("515121", "515121-o1", RejectKind::Failed)]);
        for (county, daemon) in counties.iter().zip(&below) {
            let sight = daemon.settled().await;
            assert_eq!(sight.rows.confirmed, 8, "{}", county.name.id);
        }
        city.settled().await;
        let flows = city.ledger().flows().await.unwrap();
        let of = |name: Name| flows.iter().find(|it| it.flow.dataset == name.dataset()).unwrap();
        assert_eq!(of(TONGJIANG).counts.rejected_failed, 1);
        assert_eq!((of(NANJIANG).counts.rejected(), of(NANJIANG).counts.confirmed), (0, 8));
        for daemon in below {
            daemon.stop().await;
        }
        city.stop().await;
        middle.city.close().await;
    });
}

pub(super) async fn arrived(
    middle: &Middle,
    city: &crate::support::daemon::TestDaemon,
    county: &County,
) {
    let what = format!("the province holds what {} has", county.name.id);
    city.wait_until(&what, || async { middle.above(county.name) == county.expected() }).await;
}
