//! `check` and `run` with files of the indicator that are wrong: every mistake at once, with its
//! file and line, and an end with 78.

use std::path::Path;

use cascaded::clock::Clock;
use cascaded::demo::Scale;

use crate::support::daemon::{TestCity, run};
use crate::support::operator::{Speech, command};

/// A file, what stands in it, and what is told of it: the line (and column or key), and words.
type Mistakes = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const MISTAKES: [Mistakes; 10] = [
    (
        "lists/obligations.csv",
        "entry,resources,dataset,title,department,region,cycle,shared,open,key\n\
         e1,r1,d1,登记,自规局,,每日,yes,maybe,no\n\
         e1,r2,d2,网签,,,每日,yes,no,no\n",
        &[
            (":2 (open)", "`maybe` is neither `yes` nor `no`"),
            (":3 (department)", "is empty"),
            (":3 (entry)", "`e1` stands twice"),
        ],
    ),
    (
        "lists/exemptions.csv",
        "entry,measure,from,until,reason,approval\ne1,data.timly_rate,2026-13-01,,,\n",
        &[
            (":2 (measure)", "there is no measure `data.timly_rate`"),
            (":2 (from)", "is no date"),
            (":2 (reason)", "is empty"),
            (":2 (approval)", "is empty"),
        ],
    ),
    (
        "lists/approvals.csv",
        "subject,what,from,to,reason,approved_by,date\ne1,cycle,每月,每日,改,批,2026-11-01\n",
        &[(":2 (to)", "promises no less")],
    ),
    (
        "lists/tasks.csv",
        "task,department,due,source\nT-1,,2026-11-31,s\nT-1,a,2026-11-30,\n",
        &[
            (":2 (department)", "is empty"),
            (":2 (due)", "is no date"),
            (":3 (task)", "stands twice"),
            (":3 (source)", "is empty"),
        ],
    ),
    ("lists/bodies.csv", "body,class\n住建局,\n", &[(":2 (class)", "is empty")]),
    ("lists/kept.csv", "list,since\nrequests,last year\n", &[(":2 (since)", "is no month")]),
    (
        "lists/leads.csv",
        "deed,hours\nexempt,1\nmend-rows,many\n",
        &[(":2 (deed)", "`exempt` is none of"), (":3 (hours)", "is no number of hours")],
    ),
    (
        "cities.csv",
        "month,what,city,points,source\n2026-1x,total,甲市,3,网站\n2026-10,total,甲市,three,网站\n",
        &[(":2 (month)", "is no month"), (":3 (points)", "is no decimal number")],
    ),
    (
        "values/10.csv",
        "name,month,body,value,source,datum\nx,2026-10,city,1,通报,2026-11-08\n",
        &[(":1 (date)", "this column is missing"), (":1 (datum)", "nobody knows this column")],
    ),
    (
        "schemes/model.toml",
        "",
        &[("item[timely].points", "did you mean `data.timely_rate`?"), ("(period.from)", "month")],
    ),
];

/// A scheme of one item, with a month that is none and an expression that names nothing.
const SCHEME: &str = r#"
id = "model"
title = { zh = "模型", en = "model" }
modelled_on = "a test"

[period]
from = "2026-13"
cut_off = "last day"
publication = "+5 working days"
appeal = "+5 working days"

[[class]]
id = "data"
title = { zh = "数据", en = "data" }

[[item]]
id = "timely"
class = "data"
title = { zh = "及时", en = "timely" }
kind = "award"
known = "estimated"
weight = 5
points = "data.timly_rate * weight"
"#;

fn write(folder: &Path) {
    for (name, text, _) in MISTAKES {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, if name.ends_with(".toml") { SCHEME } else { text }).unwrap();
    }
}

#[test]
fn every_mistake_in_the_indicators_files_is_told_at_once_with_its_line_and_ends_in_78() {
    run(async {
        let home = tempfile::tempdir().unwrap();
        let of = |name: &str| home.path().join(name).display().to_string();
        write(home.path());
        let city = TestCity::demo(Scale::SMALL, &Clock::system(), |_| {}).await;
        let path = city.configuration_file();
        let mut text = std::fs::read_to_string(path).unwrap();
        text.push_str(&format!(
            "\n[indicator]\nscheme = \"model\"\nschemes = \"{}\"\nlists = \"{}\"\ncities = \"{}\"\n\
             values = \"{}\"\n",
            of("schemes"),
            of("lists"),
            of("cities.csv"),
            of("values")
        ));
        let spoilt = city.path().join("spoilt.toml");
        std::fs::write(&spoilt, &text).unwrap();
        let spoilt = spoilt.display().to_string();
        let said = command(Speech::English, &["check", "--config", &spoilt]);
        assert_eq!((said.code, said.out.as_str()), (Some(78), ""), "{said:?}");
        let problems: Vec<&str> = said.err.split("error: ").skip(1).collect();
        let mut wanted = 0;
        for (name, _, mistakes) in MISTAKES {
            let file = of(name);
            for (place, what) in mistakes {
                wanted += 1;
                let told =
                    |it: &&&str| it.contains(&file) && it.contains(place) && it.contains(what);
                assert!(problems.iter().any(|it| told(&it)), "{name}{place} {what}:\n{}", said.err);
            }
        }
        assert_eq!(problems.len(), wanted, "nothing else is wrong:\n{}", said.err);
        assert_eq!(said.err.matches("\n  [E-").count(), wanted, "each has its code");
        let started = command(Speech::English, &["run", "--config", &spoilt]);
        assert_eq!((started.code, &started.err), (Some(78), &said.err));
        // In Chinese it is the same number of mistakes.
        let zh = command(Speech::Chinese, &["check", "--config", &spoilt]);
        assert_eq!((zh.code, zh.err.matches("\n  [E-").count()), (Some(78), wanted), "{zh:?}");
        // What is not there at all is told with its place in the configuration.
        let gone = text.replace(&of("lists"), &of("no-lists")).replace(&of("schemes"), &of("none"));
        let path = city.path().join("gone.toml");
        std::fs::write(&path, gone).unwrap();
        let said = command(Speech::English, &["check", "--config", &path.display().to_string()]);
        assert_eq!(said.code, Some(78));
        for place in ["indicator.lists", "indicator.schemes"] {
            assert!(said.err.contains(place), "{place}: {}", said.err);
        }
        city.close().await;
    });
}
