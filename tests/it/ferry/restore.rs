//! A side whose disk is gone, put back from a backup.

use std::fs;
use std::sync::Arc;

use cascaded::province::Ferry;

use super::gap::Fault;
use super::{Scene, ferry, run, standing};
use crate::intake::place::TONGJIANG;

/// The copy knows what came; what is sent from now on is of a new incarnation, which the other side
/// hears once an operator there says so, and nothing stands above twice.
#[test]
fn a_restored_side_begins_anew_with_the_journal_of_its_backup_and_doubles_nothing() {
    run(async {
        let scene = Scene::new(20, &[Fault::None, Fault::Twice]).await;
        let (outer, inner) = scene.start().await;
        scene.arrived(&inner).await;
        let (backup, configuration) = (scene.inner.path("backup"), scene.inner.configuration());
        let sealer = Arc::new(configuration.ledger.sealer().unwrap());
        inner.ledger().backup(backup.clone(), sealer).await.unwrap();
        inner.app.works().copy_ferries(&backup).await.unwrap();
        let before = standing(&inner).await;
        scene.inner.write(0..3, "after the copy");
        scene.arrived(&inner).await;
        inner.stop().await;
        fs::remove_dir_all(scene.inner.path("ledger")).unwrap();
        fs::remove_dir_all(scene.inner.path("ferry/state")).unwrap();
        cascaded::app::restore(&configuration, &backup).unwrap();
        let inner = scene.inner.start().await;
        let now = standing(&inner).await;
        assert_ne!(now.incarnation, before.incarnation);
        assert!(now.acted >= before.acted && now.peer == before.peer, "{before:?} {now:?}");
        scene.inner.write(5..8, "after the restore");
        let offered = now.incarnation.clone();
        let is_offered = || async {
            scene.gap.carry();
            standing(&outer).await.offered.contains(&offered)
        };
        outer.wait_until("the new incarnation shows", is_offered).await;
        assert!(!scene.has_arrived(), "nobody listens before it is accepted");
        let accepted = now.incarnation.clone();
        assert!(ferry(&outer).run(move |it| it.accept(&accepted)).await.unwrap());
        scene.arrived(&inner).await;
        scene.assert_once();
        assert_eq!(scene.outer.above(TONGJIANG).len(), 20);
        let is_quiet = || async {
            scene.gap.carry();
            let (below, above) = (standing(&inner).await, standing(&outer).await);
            (above.gaps.len(), above.acted) == (0, below.sent)
        };
        outer.wait_until("all that was sent is acted on", is_quiet).await;
        let unanswered = ferry(&inner).run(Ferry::standing).await.unwrap().unput;
        assert_eq!(unanswered, 0);
        scene.end(outer, inner).await;
    });
}
