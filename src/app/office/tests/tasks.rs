//! The province's tasks, from the file to the figures of each body.

use super::*;
use crate::control::protocol::{By, ScoreQuery, ScoreSheet};

const OBLIGATIONS: &str = "\
entry,resources,dataset,title,department,region,cycle,shared,open,key
e,r,d-one,Housing contracts,dep,515100,每日,yes,no,no
";
const TASKS: &str = "\
task,title,entry,department,region,due,source
T-1,Housing contracts,e,dep,515100,2026-11-10,the province's list of November
T-2,Gas connections,,gas company,515101,2026-11-12,the province's list of November
T-3,Later,,gas company,515101,2026-12-12,the province's list of November
";

impl Bench {
    /// The rate of tasks of each body, in the order of their names.
    async fn collected(&self, by: By) -> Vec<String> {
        let query = ScoreQuery { by: Some(by), ..ScoreQuery::default() };
        let sheet: ScoreSheet = self.sheet(query).await;
        let rate = |name: &str, it: &crate::control::protocol::BodyLine| {
            it.measures.get(name).map_or("-".to_owned(), ToString::to_string)
        };
        let told = |it| {
            let both = (rate("collection.rate", it), rate("collection.due_rate", it));
            format!("{} {} {}", it.id, both.0, both.1)
        };
        let mut told: Vec<String> = sheet.bodies.iter().map(told).collect();
        told.sort();
        told
    }
}

#[tokio::test]
async fn tasks_are_counted_for_each_body_and_one_that_is_struck_off_counts_on() {
    let files = |folder: &Path| {
        std::fs::create_dir(folder.join("lists")).unwrap();
        std::fs::write(folder.join("lists/obligations.csv"), OBLIGATIONS).unwrap();
        std::fs::write(folder.join("lists/tasks.csv"), TASKS).unwrap();
    };
    let bench = Bench::start_beside(&terms::indicator(), files).await;
    let (crew, current) = (&bench.app.crew, &bench.app.current);
    current.declarations().look(crew, current).await.unwrap();
    // Neither has anybody published anything; who has no obligation at all is there, too.
    let none = ["dep 0 0", "gas company 0 0"];
    assert_eq!(bench.collected(By::Department).await, none);
    assert_eq!(bench.collected(By::Region).await, ["515100 0 0", "515101 0 0"]);
    assert_eq!(bench.collected(By::Dataset).await, ["d-one 0 0"]);
    assert!(bench.terms().await.contains(&"task:T-2 tasks".to_owned()));
    // The inconvenient one goes from the file.
    bench.clock.advance(Duration::from_secs(60));
    bench.rewrite("lists/tasks.csv", "T-2,Gas connections,,gas company,515101,2026-11-12,", "# ");
    bench.reload().await;
    current.declarations().look(crew, current).await.unwrap();
    assert_eq!(bench.terms().await.last().unwrap(), "task:T-2 left tasks");
    assert_eq!(bench.collected(By::Department).await, none);
}
