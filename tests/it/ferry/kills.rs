//! The real program, killed at every named point of a ferry on either side.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::gap::Fault;
use super::{Scene, run};
use crate::support::daemon::TestDaemon;
use crate::support::process::PROGRAM;

fn program(configuration: &Path, point: &str) -> Child {
    Command::new(PROGRAM)
        .args(["run", "--config"])
        .arg(configuration)
        .env("CASCADED_CRASH_AT", format!("{point}:1"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Something to carry until the child has died there.
async fn dies(scene: &Scene, other: &TestDaemon, mut child: Child, point: &str) {
    let mut number = 0;
    let has_ended = || {
        number += 1;
        scene.inner.write(number % 20..number % 20 + 1, point);
        scene.gap.carry();
        let ended = child.try_wait().unwrap().is_some();
        async move { ended }
    };
    other.wait_until(point, has_ended).await;
    assert!(!child.wait().unwrap().success());
}

#[test]
fn killed_on_either_side_of_the_gap_it_loses_nothing_and_doubles_nothing() {
    run(async {
        let scene = Scene::new(20, &[Fault::None, Fault::Twice]).await;
        let (outer, inner) = scene.start().await;
        scene.arrived(&inner).await;
        let [numbered, put, taken, acted, answered] = cascaded::crash::FERRY_POINTS;
        inner.stop().await;
        for point in [numbered, put, taken] {
            let child = program(&scene.inner.path("cascaded.toml"), point);
            dies(&scene, &outer, child, point).await;
        }
        let inner = scene.inner.start().await;
        outer.stop().await;
        for point in [taken, acted, answered, put] {
            let child = program(scene.outer.city.configuration_file(), point);
            dies(&scene, &inner, child, point).await;
        }
        let (outer, _) = scene.outer.start().await;
        scene.arrived(&inner).await;
        scene.assert_once();
        assert_eq!(scene.outer.above(crate::intake::place::TONGJIANG).len(), 20);
        scene.end(outer, inner).await;
    });
}
