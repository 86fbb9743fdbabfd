//! The made-up city: its divisions, its departments, and who keeps which table.

use super::identity;
use super::tables::TEMPLATES;
use super::template::Template;

/// A division with its code. `5151` was never assigned to anybody.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Region {
    pub(super) code: &'static str,
    pub(super) title: &'static str,
}

pub(super) const CITY: Region = Region { code: "515100", title: "示例市" };
pub(super) const DISTRICT: Region = Region { code: "515102", title: "示例市临江区" };
pub(super) const COUNTY: Region = Region { code: "515121", title: "示例市青山县" };

/// A department.
#[derive(Clone, Debug)]
pub(super) struct Department {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) credit_code: String,
    pub(super) region: Region,
}

const OF_CITY: [&str; 14] = [
    "市公安局",
    "市市场监督管理局",
    "市自然资源和规划局",
    "市住房和城乡建设局",
    "市人力资源和社会保障局",
    "市行政审批局",
    "市综合行政执法局",
    "市生态环境局",
    "市教育和体育局",
    "市民政局",
    "市数据局",
    "市卫生健康委员会",
    "市交通运输局",
    "市农业农村局",
];
const OF_COUNTY: [&str; 3] = ["公安局", "市场监督管理局", "民政局"];

/// The twenty departments: fourteen of the city, three of each of its two counties.
pub(super) fn departments() -> Vec<Department> {
    let of_city = OF_CITY.iter().map(|title| (CITY, format!("示例{title}")));
    let of_counties = [DISTRICT, COUNTY].into_iter().flat_map(|region| {
        OF_COUNTY.iter().map(move |title| (region, format!("{}{title}", region.title)))
    });
    of_city
        .chain(of_counties)
        .zip(1_u64..)
        .map(|((region, title), number)| {
            let mut credit_code = String::new();
            identity::credit_code("11", region.code, 515_000 + number * 37, &mut credit_code);
            Department { id: format!("org-{number:02}"), title, credit_code, region }
        })
        .collect()
}

/// Where a dataset lies.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Store {
    /// A table of `city.sqlite`.
    Table,
    /// CSV files in UTF-8.
    Csv,
    /// CSV files in UTF-8 with a byte order mark, as spreadsheets write them.
    CsvWithMark,
    /// CSV files in GB18030, as older programs write them.
    CsvInGb18030,
}

/// A dataset to make.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) id: String,
    pub(super) title: String,
    /// The table's name; for files the start of theirs.
    pub(super) table: String,
    pub(super) template: &'static Template,
    pub(super) department: Department,
    pub(super) store: Store,
    pub(super) rows: usize,
    /// Nothing changed in it for longer than its cycle allows.
    pub(super) stale: bool,
}

/// Cuts the city's rows into datasets: every kind once for the city, then for the two counties,
/// then the city's archives.
pub(super) fn plans(datasets: usize, rows: usize) -> Vec<Plan> {
    let departments = departments();
    let mut plans: Vec<Plan> = (0..4)
        .flat_map(|round| {
            TEMPLATES.iter().zip(1_usize..).map(move |(kind, number)| (round, kind, number))
        })
        .take(datasets)
        .filter_map(|(round, template, number)| {
            let owner = match round {
                0 | 3 => template.department,
                _ => OF_CITY.len() + (round - 1) * OF_COUNTY.len() + number % OF_COUNTY.len(),
            };
            let department = departments.get(owner)?.clone();
            let region = department.region;
            let (suffix, archive) =
                if round == 3 { ("_archive", "（历史库）") } else { ("", "") };
            Some(Plan {
                id: format!("5151-{number:02}{:02}", round + 1),
                title: format!("{}{}{archive}", region.title, template.title),
                table: format!("{}_{}{suffix}", template.table, region.code),
                template,
                store: store(round, template.table),
                rows: 0,
                stale: (round * 10 + number) % 9 == 4,
                department,
            })
        })
        .collect();
    let weights: u64 = plans.iter().map(|plan| plan.template.weight).sum();
    let mut rest = rows;
    for plan in &mut plans {
        let share = (rows as u64 * plan.template.weight).checked_div(weights).unwrap_or(0);
        plan.rows = usize::try_from(share).unwrap_or(0).min(rest);
        rest -= plan.rows;
    }
    if let Some(first) = plans.first_mut() {
        first.rows += rest;
    }
    plans
}

/// Tables without a change time are those that come as files, and one that does not.
fn store(round: usize, table: &str) -> Store {
    match (table, round) {
        ("student", _) => Store::CsvInGb18030,
        ("subsistence", 3) => Store::Csv,
        ("subsistence", _) => Store::CsvWithMark,
        _ => Store::Table,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_falls_to_a_dataset_and_every_id_is_its_own() {
        for (datasets, rows) in [(40, 200_000), (10, 2_000), (4, 333)] {
            let plans = plans(datasets, rows);
            assert_eq!(plans.len(), datasets);
            assert_eq!(plans.iter().map(|plan| plan.rows).sum::<usize>(), rows);
            let mut names: Vec<&str> = plans.iter().map(|plan| plan.id.as_str()).collect();
            names.extend(plans.iter().map(|plan| plan.table.as_str()));
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), 2 * datasets);
        }
    }

    #[test]
    fn there_are_twenty_departments_with_codes_of_their_own() {
        let mut codes: Vec<String> = departments().into_iter().map(|it| it.credit_code).collect();
        codes.sort();
        codes.dedup();
        assert_eq!(codes.len(), 20);
    }
}
