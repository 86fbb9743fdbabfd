//! Pages to look at: a city in trouble, a city at rest, and titles that would like to act.

use cascaded::control::page::{
    Awaited, Dated, Foretold, Health, Page, Rejected, Score, Tally, Waiting, Worst,
};
use cascaded::control::protocol::{
    Attention, Channel, Entries, Mismatches, Rows, Status, Summary, Trouble, Urgency,
};
use cascaded::delivery::{BatchState, Evidence, LinkState};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

const TITLES: [(&str, &str); 6] = [
    ("不动产登记信息", "市自然资源和规划局"),
    ("商品房网签备案信息", "市住房和城乡建设局"),
    ("城乡居民基本养老保险参保信息", "市人力资源和社会保障局"),
    ("空气质量自动监测小时数据", "市生态环境局"),
    ("企业年度报告公示信息", "市市场监督管理局"),
    ("机动车驾驶证信息", "市公安局交通警察支队"),
];

pub(crate) fn now() -> Timestamp {
    "2026-11-22T15:06:07Z".parse().unwrap()
}

fn earlier(hours: i64) -> Timestamp {
    now() - SignedDuration::from_hours(hours)
}

fn title(at: u64) -> (String, String, String) {
    let (title, department) = TITLES.iter().cycle().nth(usize::try_from(at % 6).unwrap()).unwrap();
    (format!("5151-{at:04}"), (*title).to_owned(), (*department).to_owned())
}

fn dated(at: u64, deadline: Timestamp) -> Dated {
    let (dataset, title, department) = title(at);
    let last_confirmed = Some(deadline - SignedDuration::from_hours(25));
    Dated { dataset, title, department, cycle: "每日".to_owned(), deadline, last_confirmed }
}

fn channel(name: &str, standard: &str, rows: Rows) -> Channel {
    Channel {
        channel: name.to_owned(),
        title: name.to_owned(),
        standard: standard.to_owned(),
        ahead: Vec::new(),
        written: None,
        digest: String::new(),
        edited: false,
        since: Some(earlier(24 * 213)),
        evidence: "row-verdict".to_owned(),
        rows,
        in_flight: 2,
        oldest_unacknowledged: Some(earlier(3)),
        last_confirmed: Some(earlier(0)),
        held: None,
    }
}

fn status(rows: Rows, channels: Vec<Channel>) -> Status {
    Status {
        city: "示例市".to_owned(),
        version: "0.1.0".to_owned(),
        started: earlier(24 * 41),
        now: now(),
        incarnation: 1,
        watching: None,
        summary: Summary {
            rows,
            entries: Entries { due: 300, accepted: 295, rejected: 5 },
            reconcile: Mismatches { mismatched: 0, at: Some(earlier(7)) },
        },
        rejected_local: rows.rejected / 3,
        rejected_above: rows.rejected - rows.rejected / 3,
        complete_pass: true,
        channels,
        attention: Vec::new(),
        spool_bytes: 31 << 20,
        spool_limit_bytes: 2 << 30,
        paused: None,
        http: None,
    }
}

/// Nothing to complain of.
pub(crate) fn at_rest() -> Page {
    let rows = Rows { due: 199_176, confirmed: 199_176, placed: 0, rejected: 0, queued: 0 };
    let mut only = channel("province", "reference-xml/1.0", rows);
    (only.in_flight, only.oldest_unacknowledged) = (0, None);
    let health = Health {
        grade: Some(Evidence::RowVerdict),
        answered: Some(earlier(0)),
        certificate_ends: Some(earlier(-24 * 300)),
        ..Health::default()
    };
    let soon = |at: u64| dated(at, earlier(-5 - i64::try_from(at).unwrap() * 7));
    let mut status = status(rows, vec![only]);
    status.summary.entries = Entries { due: 300, accepted: 300, rejected: 0 };
    Page {
        status,
        zone: TimeZone::get("Asia/Shanghai").unwrap(),
        not_ready: Vec::new(),
        attention: Worst::default(),
        to_act: 0,
        channels: vec![health],
        freshness: Tally { fresh: 40, ..Tally::default() },
        overdue: Worst::default(),
        next: Worst::of((0..4).map(soon)),
        rejected: Worst::default(),
        awaited: Vec::new(),
        score: None,
    }
}

fn attention(at: u64) -> Attention {
    let (subject, title, department) = title(at);
    let of = |trouble, urgency, count, since, detail: &str| Attention {
        urgency,
        trouble,
        subject: subject.clone(),
        title: format!("{title} {department}"),
        count,
        since,
        detail: detail.to_owned(),
    };
    match at % 4 {
        0 => of(Trouble::Overdue, Urgency::Error, 1, Some(earlier(26)), "每日"),
        1 => of(Trouble::RejectedLocal, Urgency::Warning, 214, None, "id_number.check_digit"),
        2 => of(Trouble::Drift, Urgency::Error, 18, Some(earlier(4)), "reply-code C-47"),
        _ => of(Trouble::Held, Urgency::Error, 18, Some(earlier(4)), "reply-code"),
    }
}

/// So many datasets, and everything that can be wrong.
pub(crate) fn in_trouble(datasets: u64) -> Page {
    let of = |due, confirmed, placed, rejected, queued| Rows {
        due,
        confirmed,
        placed,
        rejected,
        queued,
    };
    let first = of(18_201_441, 18_176_000, 0, 5_441, 20_000);
    let second = of(42_084, 0, 42_000, 84, 0);
    let third = of(1_120, 1_000, 0, 120, 0);
    let mut xml = channel("省数据共享交换平台", "reference-xml/1.0", first);
    xml.written = Some("reference-xml/2.0".to_owned());
    let mut rest = channel("一体化政务平台", "cascadeguid/2023", third);
    rest.held = Some("entry.modify: reply-code".to_owned());
    let channels = vec![xml, channel("前置库", "front-tables/3.0", second), rest];
    let health = |grade, silent, drift, days: i64| Health {
        grade: Some(grade),
        answered: Some(earlier(1)),
        silent,
        drift,
        candidate: (drift > 0).then(|| "reference-xml/2.0".to_owned()),
        certificate_ends: Some(earlier(-24 * days)),
    };
    let tenth = datasets / 10;
    let rejected = |at: u64| {
        let (dataset, title, department) = title(at);
        let due = 40_000;
        Rejected { dataset, title, department, due, local: 214 - at % 200, refused: 12, failed: 3 }
    };
    let awaited =
        |what, count, late| Awaited {
            channel: "省数据共享交换平台".to_owned(), what, count, late
        };
    let mut status = status(of(18_244_645, 18_177_000, 42_000, 5_645, 20_000), channels);
    (status.complete_pass, status.paused) = (false, Some("spool-full".to_owned()));
    let ago = |at: u64| earlier(26 + i64::try_from(datasets - at).unwrap());
    Page {
        status,
        not_ready: vec![
            "channel-unreached: channel 前置库 does not answer since 2026-11-22T12:00:00Z"
                .to_owned(),
        ],
        attention: Worst::of((0..datasets).map(attention)),
        to_act: datasets * 3 / 4,
        channels: vec![
            health(Evidence::RowVerdict, None, 0, 300),
            health(Evidence::Placed, Some(earlier(3)), 0, 21),
            health(Evidence::Receipt, None, 18, -2),
        ],
        freshness: Tally {
            fresh: datasets - 4 * tenth,
            soon: tenth,
            overdue: tenth,
            never: tenth,
            not_computable: tenth,
        },
        overdue: Worst::of((0..tenth).map(|at| dated(at, ago(at)))),
        next: Worst::of((0..tenth).map(|at| dated(at, earlier(-1 - i64::try_from(at).unwrap())))),
        rejected: Worst::of((0..tenth).map(rejected)),
        awaited: vec![
            awaited(Waiting::Batch(BatchState::Taken), 31, 2),
            awaited(Waiting::Batch(BatchState::Unknown), 1, 0),
            awaited(Waiting::Link(LinkState::InReview), 6, 0),
        ],
        ..at_rest()
    }
}

/// Every text that comes from outside would like to be markup.
pub(crate) fn hostile(text: &str) -> Page {
    let own = || text.to_owned();
    let mut page = in_trouble(40);
    page.status.city = own();
    page.status.paused = Some(own());
    for channel in &mut page.status.channels {
        (channel.title, channel.standard) = (own(), own());
        (channel.written, channel.held) = (Some(own()), Some(own()));
    }
    page.channels.iter_mut().for_each(|it| it.candidate = Some(own()));
    for it in &mut page.attention.list {
        (it.subject, it.title, it.detail) = (own(), format!("{text} "), own());
    }
    for it in page.overdue.list.iter_mut().chain(&mut page.next.list) {
        (it.dataset, it.title, it.department, it.cycle) = (own(), own(), own(), own());
    }
    for it in &mut page.rejected.list {
        (it.dataset, it.title, it.department) = (own(), own(), own());
    }
    page.awaited.iter_mut().for_each(|it| it.channel = own());
    page.not_ready = vec![own()];
    page.score = Some(Score {
        scheme: own(),
        today: own(),
        at_cut_off: own(),
        forecast: Some(Foretold {
            expected: own(),
            low: own(),
            high: own(),
            promised: own(),
            at: page.status.now,
        }),
        at_risk: own(),
        known: own(),
    });
    page
}
