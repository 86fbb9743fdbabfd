//! The daemon's configuration for a made city: where its data lies, its datasets and their rules.

use std::fmt::Write;

use super::department::{Plan, Store};
use super::template::{Column, Fill, IDENTITY_CARD, Type};

/// `[[source]]`, `[catalogue]` and `[[dataset]]` with their rules, as TOML. Paths are relative to
/// the folder of the configuration, which is the city's.
pub(super) fn city(plans: &[Plan]) -> String {
    let mut toml = String::from(SOURCES);
    for plan in plans {
        dataset(&mut toml, plan).expect("writing into a string cannot fail");
    }
    toml
}

const SOURCES: &str = r#"# Where the city's data lies.
[[source]]
kind = "sqlite"
id = "city"
path = "city.sqlite"

[[source]]
kind = "csv-folder"
id = "files"
path = "files"
"#;

fn dataset(toml: &mut String, plan: &Plan) -> std::fmt::Result {
    let template = plan.template;
    writeln!(toml, "\n[[dataset]]\nid = \"{}\"\ntitle = \"{}\"", plan.id, plan.title)?;
    writeln!(toml, "department = \"{}\"", plan.department.id)?;
    writeln!(toml, "region = \"{}\"", plan.department.region.code)?;
    match plan.store {
        Store::Table => writeln!(toml, "source = \"city\"\ntable = \"{}\"", plan.table)?,
        Store::Csv | Store::CsvWithMark => {
            writeln!(toml, "source = \"files\"\nfiles = \"{}/*.csv\"", plan.id)?;
        }
        Store::CsvInGb18030 => writeln!(
            toml,
            "source = \"files\"\nfiles = \"{}/*.csv\"\nencoding = \"gb18030\"",
            plan.id
        )?,
    }
    let key: Vec<String> = template.key.iter().map(|name| format!("\"{name}\"")).collect();
    writeln!(toml, "key = [{}]\ncycle = \"{}\"", key.join(", "), template.cycle)?;
    match template.changed() {
        Some(changed) => {
            writeln!(toml, "change = {{ kind = \"time-column\", column = \"{changed}\" }}")?;
        }
        None => writeln!(toml, "change = {{ kind = \"full\" }}")?,
    }
    if let Some(business) = template.business {
        writeln!(toml, "business_time = \"{business}\"")?;
    }
    writeln!(toml, "columns = [")?;
    for column in template.columns {
        writeln!(
            toml,
            "  {{ name = \"{}\", type = \"{}\" }},",
            column.name,
            column.kind().as_str()
        )?;
    }
    writeln!(toml, "]")?;
    rules(toml, plan)
}

fn rules(toml: &mut String, plan: &Plan) -> std::fmt::Result {
    let template = plan.template;
    let named = |wanted: &dyn Fn(&Column) -> bool| -> Vec<&str> {
        template.columns.iter().filter(|column| wanted(column)).map(|it| it.name).collect()
    };
    over(toml, "required", &named(&|column| column.required), "")?;
    over(
        toml,
        "placeholder",
        &named(&|column| matches!(column.fill, Fill::Person | Fill::Company | Fill::Address)),
        "",
    )?;
    over(
        toml,
        "range",
        &named(&|column| matches!(column.fill, Fill::DaysAgo(..))),
        "min = \"1900-01-01\"\nnot_future = true\n",
    )?;
    if let Some(changed) = template.changed() {
        write!(toml, "\n[[dataset.rule]]\nrule = \"change-time\"\ncolumn = \"{changed}\"\n")?;
    } else {
        over(toml, "unique", template.key, "")?;
    }
    if let Some(across) = template.across {
        writeln!(
            toml,
            "\n[[dataset.rule]]\nrule = \"cross-field\"\nname = \"{}\"\nexpression = \"{}\"",
            across.name, across.holds
        )?;
    }
    let mut before = "";
    for column in template.columns {
        of_column(toml, column, before)?;
        before = column.name;
    }
    Ok(())
}

/// The rules of one column; `before` is the column before it.
fn of_column(toml: &mut String, column: &Column, before: &str) -> std::fmt::Result {
    let name = &[column.name];
    if column.kind() == Type::Text {
        over(toml, "length", name, &format!("max = {}\n", column.length))?;
    }
    match column.fill {
        Fill::Code(codes) => {
            let codes: Vec<String> = codes.iter().map(|code| format!("\"{code}\"")).collect();
            over(toml, "code-list", name, &format!("codes = [{}]\n", codes.join(", ")))
        }
        Fill::CertificateType => over(toml, "code-list", name, "codes = [\"111\", \"414\"]\n"),
        Fill::CertificateNumber => {
            let applies = format!("when_column = \"{before}\"\nwhen_in = [\"{IDENTITY_CARD}\"]\n");
            over(toml, "id-card", name, &applies)
        }
        Fill::OwnCreditCode | Fill::CreditCode => over(toml, "credit-code", name, ""),
        Fill::Phone => over(toml, "pattern", name, "pattern = '1[0-9]{10}'\n"),
        Fill::Hundredths(_, most) => {
            let bounds = format!("min = 0\nmax = \"{}.{:02}\"\n", most / 100, most % 100);
            over(toml, "range", name, &bounds)
        }
        Fill::Whole(..) => over(toml, "range", name, "min = 0\nmax = 500\n"),
        Fill::Serial(_)
        | Fill::Group { .. }
        | Fill::Member(_)
        | Fill::MemberDay(_)
        | Fill::MemberMonth(_)
        | Fill::Person
        | Fill::Company
        | Fill::Address
        | Fill::DaysAgo(..)
        | Fill::DaysAfter(_)
        | Fill::AtMostBefore
        | Fill::Remark(_)
        | Fill::Changed => Ok(()),
    }
}

/// One rule over some columns, left out where there are none.
fn over(toml: &mut String, rule: &str, columns: &[&str], more: &str) -> std::fmt::Result {
    if columns.is_empty() {
        return Ok(());
    }
    let columns: Vec<String> = columns.iter().map(|name| format!("\"{name}\"")).collect();
    write!(
        toml,
        "\n[[dataset.rule]]\nrule = \"{rule}\"\ncolumns = [{}]\n{more}",
        columns.join(", ")
    )
}
