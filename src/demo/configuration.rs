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
kind = "folder"
id = "files"
path = "files"

# The catalogue: the city's departments keep theirs on a sheet, the counties in tables.
[catalogue]
region = "515100"

[[catalogue.part]]
kind = "sheet"
file = "catalogue.xlsx"
sheet = "目录"
head_rows = 2

[catalogue.part.columns]
"entry.title" = "信息资源名称"
"entry.code" = "信息资源代码"
"entry.department.title" = "信息资源提供方"
"entry.department.credit_code" = "信息资源提供方代码"
"entry.summary" = "信息资源摘要"
"entry.format" = "信息资源格式"
"item.title" = "信息项信息/信息项名称"
"item.code" = "信息项信息/字段名"
"item.data_type" = "信息项信息/数据类型"
"item.length" = "信息项信息/数据长度"
"item.is_key" = "信息项信息/主键"
"item.share_type" = "信息项信息/共享类型"
"item.not_share_reason" = "信息项信息/不予共享理由"
"entry.share_type" = "共享属性/共享类型"
"entry.share_condition" = "共享属性/共享条件"
"entry.share_ways" = "共享属性/共享方式"
"entry.open_type" = "开放属性/开放类型"
"entry.open_condition" = "开放属性/开放条件"
"entry.update_cycle" = "更新周期"
"entry.published" = "发布日期"
"entry.related_code" = "关联资源代码"

[[catalogue.part]]
kind = "sql"
source = "city"
table = "cat_organisation"

[catalogue.part.columns]
"organisation.id" = "id"
"organisation.title" = "title"
"organisation.credit_code" = "credit_code"
"organisation.region" = "region"
"organisation.parent" = "parent"

[[catalogue.part]]
kind = "sql"
source = "city"
table = "cat_category"

[catalogue.part.columns]
"category.id" = "id"
"category.code" = "code"
"category.title" = "title"
"category.parent" = "parent"

[[catalogue.part]]
kind = "sql"
source = "city"
table = "cat_system"

[catalogue.part.columns]
"system.id" = "id"
"system.title" = "title"
"system.department" = "department"
"system.department.title" = "department_title"
"system.department.credit_code" = "credit_code"
"system.region" = "region"

[[catalogue.part]]
kind = "sql"
source = "city"
table = "cat_entry"

[catalogue.part.columns]
"entry.id" = "id"
"entry.code" = "code"
"entry.title" = "title"
"entry.summary" = "summary"
"entry.category" = "category"
"entry.system" = "system"
"entry.department" = "department"
"entry.department.title" = "department_title"
"entry.department.credit_code" = "credit_code"
"entry.region" = "region"
"entry.format" = "format"
"entry.share_type" = "share_type"
"entry.share_condition" = "share_condition"
"entry.share_ways" = "share_ways"
"entry.open_type" = "open_type"
"entry.update_cycle" = "update_cycle"
"entry.published" = "published"

[[catalogue.part]]
kind = "sql"
source = "city"
query = "SELECT entry, id, code, title, data_type, CAST(length AS TEXT) AS length, CAST(is_key AS TEXT) AS is_key, share_type, not_share_reason FROM cat_item"

[catalogue.part.columns]
"item.entry" = "entry"
"item.id" = "id"
"item.code" = "code"
"item.title" = "title"
"item.data_type" = "data_type"
"item.length" = "length"
"item.is_key" = "is_key"
"item.share_type" = "share_type"
"item.not_share_reason" = "not_share_reason"

[[catalogue.part]]
kind = "sql"
source = "city"
table = "cat_resource"

[catalogue.part.columns]
"resource.id" = "id"
"resource.title" = "title"
"resource.kind" = "kind"
"resource.entry" = "entry"
"resource.dataset" = "dataset"
"resource.table" = "table_name"
"resource.department" = "department"
"resource.department.credit_code" = "credit_code"
"resource.region" = "region"
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
