//! The table: twelve realistic columns, the same rows for a number at any size.

use std::fmt::Write as _;

use tokio_postgres::Client;

/// Name in the table, what the city declares it as.
pub(crate) const COLUMNS: &[(&str, &str)] = &[
    ("id", "integer"),
    ("full_name", "text"),
    ("cert_type", "text"),
    ("cert_no", "text"),
    ("employer_code", "text"),
    ("division", "text"),
    ("address", "text"),
    ("phone", "text"),
    ("born_on", "date"),
    ("amount", "decimal"),
    ("valid", "boolean"),
    ("updated_at", "time"),
];

/// The rules of a register of persons, as its department writes them.
pub(crate) const RULES: &str = r#"
[[dataset.rule]]
rule = "required"
columns = ["id", "full_name", "cert_type", "cert_no", "division"]

[[dataset.rule]]
rule = "length"
column = "full_name"
min = 1
max = 50

[[dataset.rule]]
rule = "placeholder"
column = "full_name"

[[dataset.rule]]
rule = "code-list"
column = "cert_type"
codes = ["111", "414", "511"]

[[dataset.rule]]
rule = "id-card"
column = "cert_no"
when_column = "cert_type"
when_in = ["111"]

[[dataset.rule]]
rule = "credit-code"
column = "employer_code"

[[dataset.rule]]
rule = "length"
column = "address"
max = 200

[[dataset.rule]]
rule = "range"
column = "born_on"
min = "1900-01-01"
not_future = true

[[dataset.rule]]
rule = "range"
column = "amount"
min = "0"
max = 100000000
"#;

const CREATE: &str = "CREATE TABLE person (
    id bigint PRIMARY KEY, full_name text NOT NULL, cert_type char(3) NOT NULL,
    cert_no varchar(18) NOT NULL, employer_code char(18), division char(6) NOT NULL,
    address text, phone text, born_on date NOT NULL, amount numeric(14,2),
    valid boolean NOT NULL, updated_at timestamp NOT NULL)";

const SURNAMES: [&str; 16] = [
    "王", "李", "张", "刘", "陈", "杨", "赵", "黄", "周", "吴", "欧阳", "司马", "龚", "𠮷", "郝",
    "彭",
];
const GIVEN: [&str; 16] = [
    "伟", "芳", "娜", "秀英", "敏", "静", "丽", "强", "磊", "军", "洋", "勇", "艳", "杰", "建国",
    "㛃",
];
const STREETS: [&str; 8] = [
    "人民路",
    "建设北路二段",
    "解放街",
    "滨江东路",
    "红星路",
    "学府大道",
    "工业园区三号路",
    "幸福巷",
];

/// Numbers that look drawn and are the same in every run.
struct Drawn(u64);

impl Drawn {
    fn below(&mut self, end: u64) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % end
    }

    fn of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        let at = self.below(u64::try_from(words.len()).unwrap());
        words[usize::try_from(at).unwrap()]
    }
}

/// The 18th character of an identity number (GB 11643).
fn card_check(digits: &str) -> char {
    let weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let sum: u32 = digits.bytes().zip(weights).map(|(it, w)| u32::from(it - b'0') * w).sum();
    char::from(b"10X98765432"[usize::try_from(sum % 11).unwrap()])
}

/// A credit code with both its check characters (GB 11714, GB 32100).
fn credit_code(number: u64) -> String {
    let organisation = format!("{:08}", number % 100_000_000);
    let weights = [3, 7, 9, 10, 5, 8, 4, 2];
    let sum: u32 = organisation.bytes().zip(weights).map(|(it, w)| u32::from(it - b'0') * w).sum();
    let check = match 11 - sum % 11 {
        10 => 'X',
        11 => '0',
        digit => char::from_digit(digit, 10).unwrap(),
    };
    let code = format!("91510100{organisation}{check}");
    let alphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY";
    let mut weight = 1;
    let mut sum = 0;
    for letter in code.chars() {
        sum += u32::try_from(alphabet.find(letter).unwrap()).unwrap() * weight;
        weight = weight * 3 % 31;
    }
    let last = usize::try_from((31 - sum % 31) % 31).unwrap();
    format!("{code}{}", &alphabet[last..=last])
}

/// Appends row `number` as text of `COPY`. One of 2,000 breaks a rule.
fn append(number: u64, into: &mut String) {
    let mut drawn = Drawn(number);
    let (year, month, day) = (1940 + drawn.below(85), 1 + drawn.below(12), 1 + drawn.below(28));
    let division = 510_100 + drawn.below(20);
    let (cert_type, cert_no) = if drawn.below(50) == 0 {
        ("414", format!("E{:08}", drawn.below(100_000_000)))
    } else {
        let digits = format!("{division}{year}{month:02}{day:02}{:03}", drawn.below(1000));
        let check = card_check(&digits);
        let check =
            if number % 2000 == 1999 { if check == '0' { '1' } else { '0' } } else { check };
        ("111", format!("{digits}{check}"))
    };
    let name = format!("{}{}", drawn.of(&SURNAMES), drawn.of(&GIVEN));
    let employer = match drawn.below(3) {
        0 => "\\N".to_owned(),
        _ => credit_code(drawn.below(10_000_000)),
    };
    let address = match drawn.below(10) {
        0 => "\\N".to_owned(),
        _ => format!(
            "示例市东城区{}{}号{}栋{}单元",
            drawn.of(&STREETS),
            1 + drawn.below(400),
            1 + drawn.below(30),
            1 + drawn.below(6),
        ),
    };
    let phone = match drawn.below(5) {
        0 => "\\N".to_owned(),
        _ => format!("13{:09}", drawn.below(1_000_000_000)),
    };
    let amount = format!("{}.{:02}", drawn.below(2_000_000), drawn.below(100));
    let valid = if drawn.below(20) == 0 { 'f' } else { 't' };
    let second = drawn.below(86_400);
    let changed = format!(
        "2026-{:02}-{:02} {:02}:{:02}:{:02}",
        1 + drawn.below(10),
        1 + drawn.below(28),
        second / 3600,
        second / 60 % 60,
        second % 60,
    );
    writeln!(
        into,
        "{number}\t{name}\t{cert_type}\t{cert_no}\t{employer}\t{division}\t{address}\t{phone}\t\
         {year}-{month:02}-{day:02}\t{amount}\t{valid}\t{changed}",
    )
    .unwrap();
}

/// Makes `person` with so many rows, and the view `due`, empty at first.
pub(crate) async fn make(client: &Client, rows: u64) -> Result<(), tokio_postgres::Error> {
    client.batch_execute(CREATE).await?;
    fill(client, 0..rows).await?;
    show(client, 0).await
}

/// Appends the rows with these numbers to `person`.
pub(crate) async fn fill(
    client: &Client,
    numbers: std::ops::Range<u64>,
) -> Result<(), tokio_postgres::Error> {
    use futures_util::SinkExt as _;
    let sink = client.copy_in("COPY person FROM STDIN").await?;
    let mut sink = std::pin::pin!(sink);
    let mut text = String::new();
    for number in numbers.clone() {
        append(number, &mut text);
        if text.len() > 1 << 20 || number + 1 == numbers.end {
            sink.send(bytes::Bytes::from(std::mem::take(&mut text))).await?;
        }
    }
    sink.finish().await?;
    client.batch_execute("VACUUM ANALYZE person").await
}

/// `due` shows the first `rows` rows.
pub(crate) async fn show(client: &Client, rows: u64) -> Result<(), tokio_postgres::Error> {
    client
        .batch_execute(&format!(
            "CREATE OR REPLACE VIEW due AS SELECT * FROM person WHERE id < {rows}"
        ))
        .await
}
