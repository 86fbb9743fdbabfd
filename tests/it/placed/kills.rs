//! The real program, killed at every named point of a file's life, and the file fetched before it
//! is back: nothing is lost, nothing comes twice.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cascaded::crash::FILE_POINTS;
use cascaded::rehearsal::RowRules;
use cascaded::supervisor::sleep;

use super::{FILES, Scene};
use crate::support::daemon::{TestDaemon, run};
use crate::support::process::PROGRAM;

/// The points of any batch that a file passes too.
const BETWEEN: [&str; 4] =
    ["attempt-committed", "answer-received", "answer-recorded", "verdicts-recorded"];

fn program(scene: &Scene, point: &str) -> Child {
    Command::new(PROGRAM)
        .args(["run", "--config"])
        .arg(scene.city.configuration_file())
        .env("RUST_LOG", "error")
        .env("CASCADED_CRASH_AT", format!("{point}:1"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn a_file_is_placed_once_and_heard_once_wherever_the_daemon_is_killed() {
    run(async {
        let mut scene = Scene::new(FILES, RowRules::default(), |_| {}).await;
        scene.carried().await;
        scene.daemon.take().unwrap().stop().await;
        // Looks by itself, for nobody else does.
        let file = scene.city.configuration_file();
        let text = std::fs::read_to_string(file).unwrap();
        std::fs::write(file, text.replace("poll = \"1h\"", "poll = \"1s\"")).unwrap();
        for (round, point) in FILE_POINTS.into_iter().chain(BETWEEN).enumerate() {
            scene.sql(&format!(
                "UPDATE people SET name = '改{round}' WHERE id LIKE 'p%{}';
                 DELETE FROM people WHERE id = 'p0013{}'",
                round % 10,
                round % 10
            ));
            let mut child = program(&scene, point);
            let mut looks = 0;
            while child.try_wait().unwrap().is_none() {
                looks += 1;
                assert!(looks < 6_000, "{point} is never passed");
                scene.fetcher.fetch().unwrap();
                scene.fetcher.judge().unwrap();
                sleep(&scene.clock, Duration::from_millis(10)).await;
            }
            // While it is away everything is fetched and judged.
            scene.fetcher.fetch().unwrap();
            scene.fetcher.judge().unwrap();
        }
        let daemon = TestDaemon::start(scene.city.configuration(), &scene.clock).await;
        scene.daemon = Some(daemon);
        scene.carried().await;
        scene.compared().await;
        scene.assert_equal(&[]).await;
        scene.assert_nothing_twice();
        let people = scene.daemon().counts_on("files", "people").await;
        assert_eq!((people.queued, people.rejected(), people.placed), (0, 0, 0));
        scene.end().await;
    });
}
