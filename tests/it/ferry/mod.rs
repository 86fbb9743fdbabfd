//! Two instances and a gap between them: what the inner one has reaches the province through the
//! outer one, once, whatever the gap does with files and whoever is killed when.

pub(crate) mod gap;
#[cfg(feature = "sabotage")]
mod kills;
mod one_way;
mod restore;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use cascaded::clock::Clock;
use cascaded::demo::look;
use cascaded::province::{Ferry, FerryStanding, Side};

use self::gap::{Fault, Gap};
use crate::intake::place::{County, Middle, TONGJIANG};
use crate::support::daemon::{TestDaemon, run};

/// The outer instance, the inner one, and the gap.
struct Scene {
    outer: Middle,
    inner: County,
    gap: Gap,
}

pub(crate) fn key(path: &std::path::Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, "5e".repeat(32)).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

impl Scene {
    async fn new(rows: u32, faults: &'static [Fault]) -> Self {
        let outer = Middle::new(&[TONGJIANG], &Clock::system(), "", |_| {}).await;
        let inner = County::new(&outer, TONGJIANG, rows, "127.0.0.1:9".parse().unwrap());
        let (above, below) = (outer.city.path().join("ferry"), inner.path("ferry"));
        for folder in [&above, &below] {
            for way in ["in", "out"] {
                fs::create_dir_all(folder.join(way)).unwrap();
            }
            key(&folder.with_file_name("keys").join("ferry.key"));
        }
        outer.edit(
            "\n[intake.county.credentials]",
            "\n[intake.county.ferry]\nname = \"gap\"\nfolder = \"ferry\"\n\
             key_file = \"keys/ferry.key\"\n\n[intake.county.credentials]",
        );
        let file = inner.path("cascaded.toml");
        let text = fs::read_to_string(&file).unwrap();
        let text = text.replace(
            "url = \"https://127.0.0.1:9\"\nca_file = \"keys/authority.pem\"\n",
            &format!("url = \"ferry://{}\"\n", below.display()),
        );
        let text = text.replace(
            "[channel.province.credentials]",
            "[channel.province.ferry]\nname = \"gap\"\nkey_file = \"keys/ferry.key\"\n\n\
             [channel.province.credentials]",
        );
        fs::write(file, text).unwrap();
        let gap = Gap::new(&below, &above, faults);
        Self { outer, inner, gap }
    }

    async fn start(&self) -> (TestDaemon, TestDaemon) {
        let (outer, _) = self.outer.start().await;
        (outer, self.inner.start().await)
    }

    fn has_arrived(&self) -> bool {
        self.outer.above(TONGJIANG) == self.inner.expected()
    }

    /// Lets the gap carry until the province holds what the inner instance has, which knows it.
    async fn arrived(&self, inner: &TestDaemon) {
        inner
            .wait_until("what the inner side has is above", || async {
                self.gap.carry();
                self.has_arrived() && look(&inner.app).await.unwrap().is_complete()
            })
            .await;
    }

    fn assert_once(&self) {
        for (batch, payloads) in self.outer.city.platform.payloads().unwrap() {
            assert_eq!(payloads.len(), 1, "batch {batch} carried several payloads");
        }
    }

    async fn end(self, outer: TestDaemon, inner: TestDaemon) {
        inner.stop().await;
        outer.stop().await;
        self.outer.city.close().await;
    }
}

fn ferry(of: &TestDaemon) -> Arc<Ferry> {
    of.app.works().ferries().remove(0)
}

async fn standing(of: &TestDaemon) -> FerryStanding {
    ferry(of).run(Ferry::standing).await.unwrap()
}

/// Late, in another order, twice, half at first, under another name: everything arrives once.
#[test]
fn rows_and_objects_cross_a_gap_that_delays_reorders_doubles_and_halves() {
    run(async {
        let faults = &[Fault::Twice, Fault::Late, Fault::None, Fault::Half, Fault::Renamed];
        let scene = Scene::new(60, faults).await;
        let (outer, inner) = scene.start().await;
        assert_eq!(ferry(&outer).side(), Side::Above);
        scene.arrived(&inner).await;
        scene.inner.write(0..5, "again");
        scene.inner.write(60..62, "new");
        let gone = "DELETE FROM visits WHERE id = 'tongjiang|00007'";
        scene.inner.table.execute(gone, []).unwrap();
        // What is not ours, and what somebody changed.
        let came = scene.gap.above.join("in");
        fs::write(came.join("theirs.ferry"), "not one of ours\n").unwrap();
        let mut changed = scene.gap.last().unwrap();
        *changed.last_mut().unwrap() ^= 1;
        fs::write(came.join("changed.ferry"), changed).unwrap();
        scene.arrived(&inner).await;
        scene.assert_once();
        let is_quiet = || async {
            scene.gap.carry();
            let (below, above) = (standing(&inner).await, standing(&outer).await);
            (above.aside, above.gaps.len(), above.acted) == (2, 0, below.sent)
        };
        outer.wait_until("all that was sent is acted on", is_quiet).await;
        let aside = fs::read_dir(came.join("aside")).unwrap().count();
        assert_eq!(aside, 2);
        let counts = inner.counts_on("city", "visits").await;
        assert_eq!((counts.rejected(), counts.placed), (0, 0), "{counts:?}");
        // Nobody who carries the files, or has the machine's disk, reads a citizen's row.
        for folder in [&scene.gap.below, &scene.gap.above] {
            gap::assert_nothing_in_clear(folder, &["again 3", "first 12", "tongjiang|"]);
        }
        scene.gap.assert_nothing_in_clear(&["again 3", "first 12", "tongjiang|"]);
        scene.end(outer, inner).await;
    });
}

/// A file that never arrives shows on both sides, holds back what comes after it, and is mended by
/// putting it down again.
#[test]
fn a_lost_file_shows_and_is_mended_by_putting_the_same_down_again() {
    run(async {
        let scene = Scene::new(20, &[Fault::None]).await;
        let (outer, inner) = scene.start().await;
        scene.arrived(&inner).await;
        scene.gap.lose_requests(1);
        scene.inner.write(0..3, "lost");
        let is_lost = || async {
            scene.gap.carry();
            scene.gap.has_lost()
        };
        inner.wait_until("a file is lost", is_lost).await;
        scene.inner.write(5..8, "after it");
        let is_missed = || async {
            scene.gap.carry();
            !standing(&outer).await.gaps.is_empty()
        };
        outer.wait_until("the gap shows", is_missed).await;
        let above = standing(&outer).await;
        assert!(above.waiting > 0 && above.gap_since.is_some(), "{above:?}");
        assert!(standing(&inner).await.unanswered > 0);
        assert!(!scene.has_arrived());
        let counts = inner.counts_on("city", "visits").await;
        assert!(counts.queued > 0, "what nobody answered is on its way: {counts:?}");
        let missed = above.gaps[0];
        let again = ferry(&inner).run(move |it| it.again(missed.from, missed.to)).await.unwrap();
        assert_eq!(again, missed.to - missed.from + 1);
        scene.arrived(&inner).await;
        scene.assert_once();
        // An answer that is lost is given again to the same request.
        scene.gap.lose_answers(1);
        scene.inner.write(10..12, "unanswered");
        let is_unheard = || async {
            scene.gap.carry();
            scene.gap.has_lost()
        };
        inner.wait_until("an answer is lost", is_unheard).await;
        let last = standing(&inner).await.sent;
        ferry(&inner).run(move |it| it.again(1, last)).await.unwrap();
        scene.arrived(&inner).await;
        scene.assert_once();
        scene.end(outer, inner).await;
    });
}

/// What will never come is passed over where it is missed; whoever sent it hears so and sends its rows
/// again under another number.
#[test]
fn what_is_passed_over_is_sent_again_under_another_number() {
    run(async {
        let scene = Scene::new(10, &[Fault::None]).await;
        let (outer, inner) = scene.start().await;
        scene.arrived(&inner).await;
        scene.gap.lose_requests(1);
        scene.inner.write(0..3, "lost");
        let is_lost = || async {
            scene.gap.carry();
            scene.gap.has_lost()
        };
        inner.wait_until("a file is lost", is_lost).await;
        scene.inner.write(5..8, "after it");
        let is_missed = || async {
            scene.gap.carry();
            !standing(&outer).await.gaps.is_empty()
        };
        outer.wait_until("the gap shows", is_missed).await;
        let missed = standing(&outer).await.gaps[0];
        let passed = ferry(&outer).run(move |it| it.skip(missed.from, missed.to)).await.unwrap();
        assert_eq!(passed, 1);
        scene.arrived(&inner).await;
        scene.assert_once();
        assert_eq!(standing(&outer).await.gaps, []);
        scene.end(outer, inner).await;
    });
}
