//! Real input through the sources, each test with a generated twin.

use std::path::Path;

use cascaded::city::Scan;

use super::{Row, all, dataset, folder_settings, pages, run, since, sorted, source, write};
use crate::support::postgres::Server;
use crate::support::shared_data;

const DIVISIONS: &str = "key = ['ext_id']\nchange = { kind = 'full' }\ncolumns = [
  { name = 'id' }, { name = 'pid' }, { name = 'deep', type = 'integer' }, { name = 'name' },
  { name = 'pinyin_prefix' }, { name = 'pinyin' }, { name = 'ext_id' }, { name = 'ext_name' }]\n";

/// A file goes through PostgreSQL and through the folder source: the same rows, key by key.
fn travels_both_ways(folder: &Path, file: &str) -> Vec<Row> {
    let server = Server::start();
    server.sql(&format!(
        "CREATE TABLE division (id text, pid text, deep int, name text, pinyin_prefix text, \
         pinyin text, ext_id text, ext_name text);\n\
         \\copy division from '{}' with (format csv, header)\n",
        folder.join(file).display()
    ));
    let from = folder_settings(folder, "");
    let of_files = format!("{DIVISIONS}files = '{file}'");
    let to = format!("id = 'p'\nkind = 'postgres'\nurl = '{}'", server.url());
    let of_table = format!("{DIVISIONS}table = 'division'");
    run(async {
        let files = all(&source(&from), &dataset(&from, &of_files), Scan::Full).await;
        let table = all(&source(&to), &dataset(&to, &of_table), Scan::Full).await;
        assert!(table.is_sorted_by_key(|row| row[6].clone().unwrap_or_default()));
        assert_eq!(sorted(files), sorted(table.clone()));
        table
    })
}

/// Rows that share their key with another.
fn repeated(rows: &[Row], key: impl Fn(&Row) -> Vec<Option<String>>) -> usize {
    let mut keys = std::collections::BTreeMap::new();
    for row in rows {
        *keys.entry(key(row)).or_insert(0) += 1;
    }
    keys.into_values().filter(|count| *count > 1).sum()
}

#[test]
fn real_divisions_travel_through_both_sources() {
    let Some(folder) = shared_data("divisions") else { return };
    let rows = travels_both_ways(&folder, "areacity_level4.csv");
    assert_eq!(rows.len(), 43_118);
    assert_eq!(repeated(&rows, |row| row[6..7].to_vec()), 806);
}

#[test]
fn generated_divisions_travel_through_both_sources() {
    let folder = tempfile::tempdir().unwrap();
    let mut text = "\u{feff}id,pid,deep,name,pinyin_prefix,pinyin,ext_id,ext_name\n".to_owned();
    for number in 0..3000 {
        let key = number - number % 50 % 2;
        text.push_str(&format!(
            "{number},{},3,\"街道 \"\"{number}\"\"\",\"j\",\"jie dao\",\"{key:012}\",\n",
            number / 9
        ));
    }
    write(folder.path(), "level4.csv", text.as_bytes(), 1);
    let rows = travels_both_ways(folder.path(), "level4.csv");
    assert_eq!(rows.len(), 3000);
    assert_eq!(repeated(&rows, |row| row[6..7].to_vec()), 3000);
}

#[test]
fn real_daily_cases_are_picked_up_day_by_day() {
    let Some(from) = shared_data("daily-cases") else { return };
    let folder = tempfile::tempdir().unwrap();
    let settings = folder_settings(folder.path(), "");
    let toml = "files = '2020-*.csv'\nkey = ['date', 'countryCode', 'provinceCode', 'cityCode']\n\
        change = { kind = 'files' }\ncolumns = [{ name = 'date', type = 'date' }, \
        { name = 'countryCode' }, { name = 'provinceCode' }, { name = 'cityCode' }, \
        { name = 'confirmed', type = 'integer' }, { name = 'day', type = 'date', from = 'file-date' }]";
    let (source, dataset) = (source(&settings), dataset(&settings, toml));
    let mut position = None;
    let mut rows = Vec::new();
    for day in 1..=31 {
        let name = format!("2020-03-{day:02}.csv");
        write(folder.path(), &name, &std::fs::read(from.join(&name)).unwrap(), day);
        let pages = run(pages(&source, &dataset, since(position.as_ref()), 500));
        position = pages.last().unwrap().1.clone().or(position);
        rows.extend(pages.into_iter().flat_map(|(rows, _)| rows));
    }
    assert_eq!(rows.len(), 20_636);
    assert!(rows.iter().all(|row| row[0] == row[5]), "the date in the row is the file's");
    assert_eq!(repeated(&rows, |row| row[..4].to_vec()), 366);
}
