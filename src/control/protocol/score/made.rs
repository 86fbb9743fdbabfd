//! How answers about scores are made of what the indicator computed.

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::{
    ActionLine, Both, ClassLine, FigureLine, FindingLine, ItemLine, PlanSheet, Points, RankLine,
    RankSheet, RepairLine, ScoreSheet,
};
use crate::indicator::field::{Field, Standing, TOTAL};
use crate::indicator::measures::{Figure, Finding};
use crate::indicator::recover::{Action, Plan};
use crate::indicator::scheme::Scheme;
use crate::indicator::score::{ItemScore, Lack, Score};
use crate::indicator::tally::{Act, Deed};

impl ScoreSheet {
    /// A score as it is shown.
    pub fn of(scheme: &Scheme, score: &Score) -> Self {
        let class_title = |id: &str| {
            let found = scheme.classes.iter().find(|known| known.id == id);
            found.map_or_else(Both::default, |found| Both::from(&found.title))
        };
        let class = |it: &crate::indicator::score::ClassScore| ClassLine {
            id: it.id.clone(),
            title: class_title(&it.id),
            points: Points(it.points),
            lost: Points(it.lost),
            struck: it.is_struck,
        };
        let by = score.worth_by.iter();
        Self {
            scheme: score.scheme.clone(),
            scheme_title: Both::from(&scheme.title),
            month: score.month.to_string(),
            body: score.body.id().to_owned(),
            known_by: None,
            total: Points(score.total),
            at_cut_off: None,
            lost: Points(score.lost),
            worth: Points(score.worth),
            worth_known: Points(score.worth_known),
            known_share: score.known_share().map(|it| Points(it.round_dp(12))),
            worth_by: by.map(|(known, it)| (known.as_str().to_owned(), Points(*it))).collect(),
            classes: score.classes.iter().map(class).collect(),
            items: score.items.iter().map(|it| ItemLine::of(Some(scheme), it)).collect(),
            bodies: Vec::new(),
            bodies_more: 0,
            closed: None,
            notes: Vec::new(),
        }
    }
}

impl ItemLine {
    /// An item as it is shown; without its scheme it has no title.
    pub fn of(scheme: Option<&Scheme>, item: &ItemScore) -> Self {
        let items = scheme.map(|scheme| scheme.items.as_slice()).unwrap_or_default();
        let found = items.iter().find(|known| known.id == item.id);
        let figures = item.used.iter();
        Self {
            id: item.id.clone(),
            title: found.map_or_else(Both::default, |found| Both::from(&found.title)),
            class: item.class.clone(),
            kind: item.kind.as_str().to_owned(),
            known: item.known.as_str().to_owned(),
            worth: item.worth.map(Points),
            points: item.points.map(Points),
            lost: item.lost.map(Points),
            struck: item.is_struck,
            lack: item.lack.as_ref().map(lack),
            note: found.map_or_else(String::new, |found| found.note.clone()),
            computed_from: figures.map(|(name, figure)| FigureLine::of(name, figure)).collect(),
        }
    }
}

impl FigureLine {
    /// A figure as it is shown.
    pub fn of(name: &str, figure: &Figure) -> Self {
        let finding = |it: &Finding| FindingLine {
            subject: it.subject.clone(),
            owner: it.owner.clone(),
            from: it.from,
            until: it.until,
            evidence: it.evidence.clone(),
            doubt: it.doubt.map_or_else(String::new, |it| it.as_str().to_owned()),
            batches: Vec::new(),
        };
        Self {
            name: name.to_owned(),
            value: figure.value.map(|value| Points(value.round_dp(12))),
            parts: figure.parts.map(|(of, all)| [of, all]),
            exempt: figure.exempt,
            findings: figure.findings.iter().map(finding).collect(),
            more: figure.more,
        }
    }
}

fn lack(lack: &Lack) -> String {
    match lack {
        Lack::Unknown => "unknown".to_owned(),
        Lack::Absent(names) => format!("absent: {}", names.join(", ")),
        Lack::Fault(fault) => fault.to_string(),
    }
}

impl RankSheet {
    /// Where a score stands among the other cities.
    pub fn of(scheme: &Scheme, score: &Score, field: &Field) -> Self {
        let line = |what: &str, title: Both, points: Decimal| {
            let standing = field.standing(score.month, what, points);
            let of = |of: fn(&Standing) -> usize| {
                standing.as_ref().map(|it| u64::try_from(of(it)).unwrap_or(u64::MAX))
            };
            RankLine {
                what: what.to_owned(),
                title,
                points: Points(points),
                rank: of(|it| it.rank),
                cities: of(|it| it.cities),
                up: standing.as_ref().and_then(|it| it.up).map(Points),
                down: standing.as_ref().and_then(|it| it.down).map(Points),
            }
        };
        let classes = score.classes.iter().map(|class| {
            let found = scheme.classes.iter().find(|known| known.id == class.id);
            let title = found.map_or_else(Both::default, |found| Both::from(&found.title));
            line(&class.id, title, class.points)
        });
        Self {
            month: score.month.to_string(),
            known_share: score.known_share().map(|it| Points(it.round_dp(12))),
            total: line(TOTAL, Both::default(), score.total),
            classes: classes.collect(),
            if_repaired: repaired(scheme, score, field),
        }
    }
}

/// Each loss, with the total and the rank that there would be without it; the best first.
fn repaired(scheme: &Scheme, score: &Score, field: &Field) -> Vec<RepairLine> {
    let lost = score.items.iter().filter(|it| it.lost.is_some_and(|lost| !lost.is_zero()));
    let mut found: Vec<RepairLine> = lost
        .filter_map(|item| {
            let total = score.repaired(&item.id)?;
            let rank = field.standing(score.month, TOTAL, total)?.rank;
            let known = scheme.items.iter().find(|known| known.id == item.id)?;
            Some(RepairLine {
                item: item.id.clone(),
                title: Both::from(&known.title),
                total: Points(total),
                rank: u64::try_from(rank).unwrap_or(u64::MAX),
            })
        })
        .collect();
    found.sort_by(|a, b| b.total.cmp(&a.total).then_with(|| a.item.cmp(&b.item)));
    found
}

impl PlanSheet {
    /// A plan as it is shown.
    pub fn of(plan: &Plan) -> Self {
        let line = |it: &Action, begin_by: Option<Timestamp>| ActionLine {
            deed: it.act.deed.as_str().to_owned(),
            list: it.act.list.clone(),
            subject: it.act.subject.clone(),
            owner: it.owner.clone(),
            points: Points(it.points),
            hours: it.hours,
            begin_by,
            until: it.until,
            command: command(&it.act),
        };
        let planned = plan.planned.iter().map(|it| line(&it.action, Some(it.begin_by)));
        Self {
            month: None,
            together: Points(plan.together),
            planned: planned.collect(),
            too_late: plan.too_late.iter().map(|it| line(it, None)).collect(),
        }
    }
}

/// The command that helps, where one does.
fn command(act: &Act) -> String {
    match act.deed {
        Deed::CloseCase => String::new(),
        Deed::CascadeEntry | Deed::MountResource | Deed::CollectTask => {
            "cascaded resync --catalogue".to_owned()
        }
        Deed::DeliverData => format!("cascaded resync {}", act.subject),
        Deed::MendRows => "cascaded rejects list".to_owned(),
        Deed::SwitchStandard => "cascaded standard activate".to_owned(),
    }
}
