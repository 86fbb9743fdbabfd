//! A promise that is loosened in a file counts as it was until somebody approves.

use super::*;
use crate::app::declare::Declared;
use crate::app::works::Plan;
use crate::control::protocol::Attention;
use crate::fact::Kind;

const OBLIGATIONS: &str = "\
entry,resources,dataset,title,department,region,cycle,shared,open,key
e,r,d-one,Housing contracts,dep,515100,每日,yes,no,no
";
const APPROVALS: &str = "\
subject,what,from,to,reason,approved_by,date
e,cycle,每日,每年,源系统改造,市府办〔2026〕9 号,2026-11-24
";

pub(super) fn indicator() -> String {
    let schemes = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/schemes");
    let schemes = schemes.display();
    format!(
        "{CONFIGURATION}\n[indicator]\nscheme = \"model-2026\"\nschemes = \"{schemes}\"\n\
         lists = \"lists\"\n"
    )
}

impl Bench {
    /// The files as they are by now, put to work.
    pub(super) async fn reload(&self) {
        let configuration = Configuration::load(&self._folder.path().join("cascaded.toml"));
        let plan = Plan::draw(Arc::new(configuration.unwrap()), &self.app.crew).unwrap();
        let works = plan.open(Some(&self.app.works()), self.app.catalogue.clone()).await.unwrap();
        self.app.current.exchange(works, |_| {});
    }

    pub(super) fn rewrite(&self, file: &str, from: &str, to: &str) {
        let path = self._folder.path().join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file}");
        std::fs::write(path, text.replacen(from, to, 1)).unwrap();
    }

    /// What was declared and approved, as `subject kind`.
    pub(super) async fn terms(&self) -> Vec<String> {
        let facts = self.ledger().facts(0, 1_000).await.unwrap();
        let told = |fact: &crate::fact::Fact| {
            if let Kind::Declared { list, terms } = &fact.kind {
                let says = if terms.is_empty() { " left" } else { "" };
                return Some(format!("{}{says} {list}", fact.subject));
            }
            let Kind::Approved { what, .. } = &fact.kind else { return None };
            Some(format!("{} may {what}", fact.subject))
        };
        facts.iter().filter_map(|(_, fact)| told(fact)).collect()
    }

    /// What `status` says is promised less of without an approval, and the gauges of each list.
    async fn unapproved(&self) -> (Vec<String>, [String; 4]) {
        let Response::Status(status) = self.ask(Request::Status {}).await else { panic!() };
        let is_so = |it: &&Attention| it.trouble == Trouble::Unapproved;
        let mut told: Vec<String> = (status.attention.iter().filter(is_so))
            .map(|it| format!("{} {}", it.subject, it.detail))
            .collect();
        told.sort_by(|a, b| b.cmp(a));
        self.office.refresh().await;
        let metrics = self.office.metrics();
        let gauge = |list: &str| {
            let series = format!("cascade_unapproved_changes{{list=\"{list}\"}} ");
            let line = metrics.lines().find_map(|line| line.strip_prefix(series.as_str()));
            line.unwrap_or("none").to_owned()
        };
        (told, ["obligations", "catalogue", "datasets", "tasks"].map(gauge))
    }

    /// Lets deadlines be looked at, and says since when `d-one` is overdue.
    async fn overdue(&self) -> Option<Timestamp> {
        let (crew, current) = (&self.app.crew, &self.app.current);
        crate::app::overdue::once(crew, current).await.unwrap();
        let flows = self.ledger().flows().await.unwrap();
        flows.iter().find(|it| it.flow.dataset == "d-one").and_then(|it| it.overdue_since)
    }
}

#[tokio::test]
async fn a_cycle_that_is_lengthened_in_a_file_counts_as_it_was_until_it_is_approved() {
    let files = |folder: &Path| {
        std::fs::create_dir(folder.join("lists")).unwrap();
        std::fs::write(folder.join("lists/obligations.csv"), OBLIGATIONS).unwrap();
    };
    let bench = Bench::start_beside(&indicator(), files).await;
    let batch = bench.observe("d-one", 3).await;
    bench.take(&batch, taken()).await;
    let (crew, current) = (&bench.app.crew, &bench.app.current);
    // Two that look at once declare once.
    let look = || crate::app::overdue::once(crew, current);
    let (one, other) = tokio::join!(look(), look());
    one.and(other).unwrap();
    assert_eq!(bench.overdue().await, None);
    let first = ["entry:e obligations", "d-one datasets", "d-two datasets"];
    assert_eq!(bench.terms().await, first);
    // Nothing changed, nothing is declared: neither by the next look nor by the next start.
    current.declarations().look(crew, current).await.unwrap();
    Declared::default().look(crew, current).await.unwrap();
    assert_eq!(bench.terms().await, first);
    // Somebody makes a year of a day, in both files, and drops the other dataset.
    bench.clock.advance(Duration::from_hours(24 * 3));
    bench.rewrite("cascaded.toml", "cycle = \"每日\"", "cycle = \"每年\"");
    bench.rewrite("lists/obligations.csv", "每日", "每年");
    bench.reload().await;
    let before = bench.overdue().await;
    assert!(before.is_some(), "the shorter cycle counts");
    assert_eq!(bench.terms().await[3..], ["entry:e obligations", "d-one datasets"]);
    let look = bench.office.look_at(&bench.app.works()).await.unwrap();
    let shown = look.datasets.iter().find(|it| it.flow.dataset == "d-one").unwrap();
    assert!(matches!(shown.freshness.state, crate::indicator::freshness::State::Overdue { .. }));
    assert_eq!(shown.dataset.cycle, "每年", "what is declared is shown as declared");
    let both = [
        "entry:e obligations cycle: 每日 → 每年".to_owned(),
        "d-one datasets cycle: 每日 → 每年".to_owned(),
    ];
    assert_eq!(bench.unapproved().await, (both.to_vec(), ["1", "0", "1", "0"].map(str::to_owned)));
    // Approved from tomorrow on: until then nothing changes.
    std::fs::write(bench._folder.path().join("lists/approvals.csv"), APPROVALS).unwrap();
    bench.reload().await;
    assert_eq!(bench.overdue().await, before);
    bench.clock.advance(Duration::from_hours(24));
    assert_eq!(bench.overdue().await, None, "it is approved");
    assert_eq!(bench.unapproved().await, (vec![], ["0"; 4].map(str::to_owned)));
    assert_eq!(bench.terms().await[5..], ["e may cycle"]);
}

#[tokio::test]
async fn who_leaves_the_lists_is_told_of_and_counts_on() {
    let files = |folder: &Path| {
        std::fs::create_dir(folder.join("lists")).unwrap();
        let second = "f,,d-two,Pensions,other,515100,每月,yes,no,no\n";
        let text = format!("{OBLIGATIONS}{second}");
        std::fs::write(folder.join("lists/obligations.csv"), text).unwrap();
    };
    let bench = Bench::start_beside(&indicator(), files).await;
    let (crew, current) = (&bench.app.crew, &bench.app.current);
    current.declarations().look(crew, current).await.unwrap();
    std::fs::write(bench._folder.path().join("lists/obligations.csv"), OBLIGATIONS).unwrap();
    bench.clock.advance(Duration::from_secs(60));
    bench.reload().await;
    current.declarations().look(crew, current).await.unwrap();
    assert_eq!(bench.terms().await.last().unwrap(), "entry:f left obligations");
    let by = current.load().configuration.indicator.clone().unwrap();
    assert_eq!(by.lists.obligations.len(), 1);
    let judge = crate::app::Judge::new(bench.ledger().clone(), by);
    let month = judge.running(bench.clock.now()).unwrap();
    let tally = judge.tally(month, Timestamp::MAX).await.unwrap();
    let counted: Vec<&str> = tally.lists().obligations.iter().map(|it| it.entry.as_str()).collect();
    assert_eq!(counted, ["e", "f"]);
}

#[tokio::test]
async fn a_dataset_that_is_taken_out_of_the_configuration_becomes_overdue_all_the_same() {
    let files = |folder: &Path| {
        std::fs::create_dir(folder.join("lists")).unwrap();
        std::fs::write(folder.join("lists/obligations.csv"), OBLIGATIONS).unwrap();
    };
    let bench = Bench::start_beside(&indicator(), files).await;
    let batch = bench.observe("d-one", 3).await;
    bench.take(&batch, taken()).await;
    assert_eq!(bench.overdue().await, None);
    let text = std::fs::read_to_string(bench._folder.path().join("cascaded.toml")).unwrap();
    let (head, rest) = text.split_once("[[dataset]]\nid = \"d-one\"").unwrap();
    let (_, tail) = rest.split_once("[[dataset]]").unwrap();
    let without = format!("{head}[[dataset]]{tail}");
    std::fs::write(bench._folder.path().join("cascaded.toml"), without).unwrap();
    bench.clock.advance(Duration::from_hours(1));
    bench.reload().await;
    assert_eq!(bench.overdue().await, None, "not yet");
    assert_eq!(bench.terms().await.last().unwrap(), "d-one left datasets");
    bench.clock.advance(Duration::from_hours(24 * 3));
    assert!(bench.overdue().await.is_some());
}

#[tokio::test]
async fn how_many_rows_are_not_mended_is_told_where_it_changes_and_once_a_day() {
    let bench = Bench::start_beside(&indicator(), |folder| {
        std::fs::create_dir(folder.join("lists")).unwrap();
        std::fs::write(folder.join("lists/obligations.csv"), OBLIGATIONS).unwrap();
    })
    .await;
    bench.observe("d-one", 3).await;
    let (crew, current) = (&bench.app.crew, &bench.app.current);
    let mut left = BTreeMap::new();
    let told = async || {
        let facts = bench.ledger().facts(0, 1_000).await.unwrap();
        let count = |(_, fact): &(u64, crate::fact::Fact)| {
            let Kind::Unmended { here, above } = &fact.kind else { return None };
            Some((*here, *above))
        };
        facts.iter().filter_map(count).collect::<Vec<_>>()
    };
    for _ in 0..3 {
        crate::app::overdue::leftover(&mut left, crew, current).await.unwrap();
        assert_eq!(told().await, [(1, 0)], "once");
    }
    bench.clock.advance(Duration::from_hours(23));
    crate::app::overdue::leftover(&mut left, crew, current).await.unwrap();
    assert_eq!(told().await.len(), 1);
    bench.clock.advance(Duration::from_hours(1));
    crate::app::overdue::leftover(&mut left, crew, current).await.unwrap();
    assert_eq!(told().await, [(1, 0), (1, 0)]);
}
