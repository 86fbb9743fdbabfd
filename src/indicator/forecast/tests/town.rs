//! A made city, day by day: datasets that are late, skip and change their habits, outages of the
//! channel (most of them after day 20), rows, cases and links. It writes facts and nothing else,
//! and shares no code with what forecasts them: not its generator of numbers either.

use jiff::{SignedDuration, Timestamp};

use crate::delivery::{ChannelId, Evidence, Lane, LinkState};
use crate::fact::{Fact, FactId, Kind};
use crate::indicator::field::Field;
use crate::indicator::lists::{self, Lists};
use crate::indicator::scheme::Month;

const HOUR: i64 = 3600;
const DAY: i64 = 86_400;
/// Days before the month that is forecast, and days of that month.
pub(super) const BEFORE: i64 = 90;
pub(super) const MONTH: i64 = 30;
const OFFICES: [&str; 5] = ["公安局", "人社局", "住建局", "自规局", "市监局"];

/// A multiplicative generator (Lehmer, 2^61 − 1).
struct Chance(u128);

impl Chance {
    fn up_to(&mut self, most: i64) -> i64 {
        self.0 = self.0 * 437_799_614_237_992_725 % ((1 << 61) - 1);
        i64::try_from((self.0 >> 20) % u128::try_from(most.max(1)).unwrap()).unwrap()
    }

    fn percent(&mut self, of: i64) -> bool {
        self.up_to(100) < of
    }
}

/// A city and everything that happens to it.
pub(super) struct Town {
    pub(super) lists: Lists,
    pub(super) facts: Vec<Fact>,
    pub(super) month: Month,
    /// The other cities, as published by the end, and as known during the month.
    pub(super) all: Field,
    pub(super) known: Field,
    chance: Chance,
    outages: Vec<(i64, i64)>,
    /// By office: in time, of a hundred; from which day on it is as it becomes; skipped, of a
    /// hundred, before and after.
    offices: Vec<(i64, i64, i64, i64)>,
}

/// Midnight of 1 January 2026 in Shanghai; the month that is forecast is April.
fn start() -> i64 {
    "2026-01-01T00:00:00+08:00".parse::<Timestamp>().unwrap().as_second()
}

/// A moment of the month that is forecast: so many days after it began.
pub(super) fn day(of: i64) -> Timestamp {
    Timestamp::from_second(start() + (BEFORE + of) * DAY).unwrap()
}

impl Town {
    pub(super) fn new(seed: u64) -> Self {
        let mut table =
            "entry,resources,dataset,title,department,region,cycle,shared,open,key\n".to_owned();
        for at in 0..20_usize {
            let cycle = ["每日", "每日", "每日", "每周", "每月"][at % 5];
            let (open, key) = (["yes", "no"][at % 2], ["yes", "no", "no"][at % 3]);
            let office = OFFICES[at / 4];
            table += &format!("e{at},r{at},d{at},数据{at},{office},,{cycle},yes,{open},{key}\n");
        }
        let mut chance = Chance(u128::from(seed) * 7_919 + 12_345);
        for _ in 0..9 {
            chance.up_to(2);
        }
        let cities = cities(&mut chance);
        let mut town = Self {
            lists: Lists {
                obligations: lists::obligations("o.csv", &table).unwrap(),
                cases: lists::kept(
                    "k.csv",
                    "list,since\nfeedback,2026-01\nrequests,2026-01\nobjections,2026-01\n",
                )
                .unwrap(),
                ..Lists::default()
            },
            facts: Vec::new(),
            month: Month::parse("2026-04").unwrap(),
            all: Field::parse("c.csv", &cities).unwrap(),
            known: Field::parse("c.csv", &without_april(&cities)).unwrap(),
            chance,
            outages: Vec::new(),
            offices: Vec::new(),
        };
        town.happen();
        town
    }

    fn happen(&mut self) {
        for _ in OFFICES {
            let timely = 40 + self.chance.up_to(56);
            let changes = if self.chance.percent(50) { 40 + self.chance.up_to(70) } else { 999 };
            let skips = [1, 2, 4, 10][usize::try_from(self.chance.up_to(4)).unwrap()];
            let then = [1, 8, 18, 30][usize::try_from(self.chance.up_to(4)).unwrap()];
            self.offices.push((timely, changes, skips, then));
        }
        self.break_down();
        for at in 0..20 {
            self.dataset(at);
            self.rows(at);
            self.object(&format!("entry:e{at}"));
            self.object(&format!("resource:r{at}"));
        }
        self.deal_with_cases();
    }

    fn put(&mut self, subject: &str, second: i64, kind: Kind) {
        if second >= (BEFORE + MONTH + 2) * DAY {
            return;
        }
        let occurred = Timestamp::from_second(start() + second).unwrap();
        let number = u64::try_from(self.facts.len() + 1).unwrap();
        let day = jiff::tz::TimeZone::UTC.to_datetime(occurred).date();
        self.facts.push(Fact {
            id: FactId { writer: "town".into(), day, number },
            channel: Some(ChannelId::from("province")),
            kind,
            subject: subject.to_owned(),
            occurred,
            recorded: occurred + SignedDuration::from_secs(1),
            cause: None,
            amends: None,
        });
    }

    /// Outages now and then, and in half of the months one more after day 20.
    fn break_down(&mut self) {
        let mut at = 0;
        while at < (BEFORE + MONTH) * DAY {
            at += (5 + self.chance.up_to(60)) * DAY + self.chance.up_to(DAY);
            let ends = at + 12 * HOUR + self.chance.up_to(4 * DAY);
            self.outages.push((at, ends));
            at = ends;
        }
        for month in 0..=BEFORE / MONTH {
            if self.chance.percent(50) {
                let at = (month * MONTH + 20) * DAY + self.chance.up_to(8 * DAY);
                self.outages.push((at, at + 12 * HOUR + self.chance.up_to(4 * DAY)));
            }
        }
    }

    fn dataset(&mut self, at: usize) {
        let (length, grace) =
            [(DAY, DAY), (7 * DAY, DAY), (30 * DAY, 3 * DAY)][[0, 0, 0, 1, 2][at % 5]];
        let (_, changes, skips, then) = self.offices[at / 4];
        let name = format!("d{at}");
        let mut wanted = self.chance.up_to(length);
        let mut before: Option<i64> = None;
        while wanted < (BEFORE + MONTH + 2) * DAY {
            let skipped = if wanted / DAY >= changes { then } else { skips };
            // Who skips once, skips again: people are away for days.
            while self.chance.percent(skipped) {
                wanted += if length == DAY { DAY } else { 2 * DAY };
                if self.chance.percent(40) {
                    wanted += DAY;
                }
            }
            let mut arrives = wanted + self.chance.up_to(10 * HOUR);
            while let Some(outage) =
                self.outages.iter().find(|it| it.0 <= arrives && arrives < it.1)
            {
                arrives = outage.1 + self.chance.up_to(3 * HOUR);
            }
            let deadline = before.map(|it| it + length + grace);
            if let Some(deadline) = deadline.filter(|it| *it < arrives) {
                let at = Timestamp::from_second(start() + deadline).unwrap();
                self.put(&name, deadline, Kind::OverdueFrom { deadline: at });
                self.put(&name, arrives, Kind::OverdueUntil { deadline: at });
            }
            self.put(&name, arrives, Kind::Confirmed { rows: 5, evidence: Evidence::Receipt });
            before = Some(arrives);
            wanted = (wanted + length).max(arrives - 5 * HOUR);
        }
    }

    fn rows(&mut self, at: usize) {
        let name = format!("d{at}");
        let bad = 2 + self.chance.up_to(40);
        for day in 0..BEFORE + MONTH {
            let second = day * DAY + 20 * HOUR;
            if self.outages.iter().any(|it| it.0 <= second && second < it.1) {
                continue;
            }
            let seen = 100 + self.chance.up_to(300);
            let spike = if self.chance.percent(2) { 8 } else { 1 };
            let rejected = (seen * bad * spike / 1000 + self.chance.up_to(3)).min(seen);
            let failed = self.chance.up_to(1 + seen * bad / 1500);
            let count = |rows: i64| u64::try_from(rows).unwrap();
            let (seen, rejected) = (count(seen), count(rejected));
            let (lane, resent, is_part) = (Lane::Live, 0, true);
            let kind = Kind::PassCompleted { lane, seen, changed: seen, rejected, resent, is_part };
            self.put(&name, second, kind);
            let verdict = Kind::Verdict { passed: seen - rejected, failed: count(failed) };
            self.put(&name, second + HOUR, verdict);
            let failed = u64::from(self.chance.percent(4));
            let probed = Kind::Probed { succeeded: 24 - failed, failed };
            self.put(&format!("resource:r{at}"), second, probed);
        }
    }

    /// Stands above, and falls behind for some days now and then.
    fn object(&mut self, subject: &str) {
        let link = |from, to| Kind::Link { from, to, code: None };
        let mut at = self.chance.up_to(2 * DAY);
        self.put(subject, at, link(LinkState::Sent, LinkState::Accepted));
        loop {
            at += 5 * DAY;
            while at <= (BEFORE + MONTH) * DAY && !self.chance.percent(1) {
                at += DAY;
            }
            if at > (BEFORE + MONTH) * DAY {
                return;
            }
            self.put(subject, at, link(LinkState::Accepted, LinkState::Stale));
            at += DAY + self.chance.up_to(9 * DAY);
            self.put(subject, at, link(LinkState::Sent, LinkState::Accepted));
        }
    }

    fn deal_with_cases(&mut self) {
        for (list, each, most) in [("requests", 3, 2), ("objections", 5, 2), ("feedback", 30, 13)] {
            let mut number = 0;
            let mut at = self.chance.up_to(each * DAY);
            while at < (BEFORE + MONTH) * DAY {
                for _ in 0..=self.chance.up_to(most) {
                    number += 1;
                    let office = usize::try_from(self.chance.up_to(5)).unwrap();
                    let lead = (4 + self.chance.up_to(7)) * DAY;
                    self.case(list, &format!("{list}-{number}"), office, (at, lead));
                }
                at += each * DAY / 2 + self.chance.up_to(each * DAY);
            }
        }
    }

    fn case(&mut self, list: &str, subject: &str, office: usize, (at, lead): (i64, i64)) {
        let deadline = Timestamp::from_second(start() + at + lead).unwrap();
        let owner = OFFICES[office].to_owned();
        let opened = Kind::CaseOpened { list: list.to_owned(), owner, deadline };
        self.put(subject, at, opened);
        let is_timely = self.chance.percent(self.offices[office].0);
        let closed = if is_timely {
            at + lead / 3 + self.chance.up_to(lead * 2 / 3)
        } else {
            at + lead + HOUR + self.chance.up_to(20 * DAY)
        };
        let kind = Kind::CaseClosed { list: list.to_owned(), proof: "p".to_owned() };
        self.put(subject, closed, kind);
    }
}

/// How often the interfaces of five other cities answered, month by month.
fn cities(chance: &mut Chance) -> String {
    let mut table = "month,what,city,points,source\n".to_owned();
    for month in ["2026-01", "2026-02", "2026-03", "2026-04"] {
        for city in 0..5 {
            let points = 970 + chance.up_to(30);
            table += &format!("{month},interface.available,c{city},0.{points},made\n");
        }
    }
    table
}

fn without_april(table: &str) -> String {
    table.lines().filter(|line| !line.starts_with("2026-04")).map(|it| format!("{it}\n")).collect()
}
