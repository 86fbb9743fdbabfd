//! The status page as a browser shows it: against the running daemon, and for cities in every
//! state.
//!
//! `CASCADED_PICTURES=FOLDER` keeps pictures of every state in a folder, for eyes.

pub(crate) mod browser;
mod sample;

use std::net::SocketAddr;
use std::path::Path;

use cascaded::cli::arguments::Arguments;
use cascaded::clock::Clock;
use cascaded::control::page::{MOST, page};
use cascaded::control::protocol::Status;
use cascaded::demo::Scale;
use cascaded::language::Language;
use clap::Parser as _;

use self::browser::{Look, load, measure, picture, sheets};
use crate::support::daemon::{TestCity, run};
use crate::support::operator::{Service, get, wait_for};

/// A phone held upright.
const PHONE: Look = Look { dark: false, language: "zh-CN", width: 390 };

/// A count as the page writes it.
fn apart(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// No complaint of the browser's is about our page: its policy refused nothing of it.
fn no_refusals(complaints: &str) {
    let about_us: Vec<&str> = complaints.lines().filter(|line| line.contains("CONSOLE")).collect();
    assert!(about_us.is_empty(), "{about_us:?}");
}

#[test]
fn a_browser_reads_the_running_daemon_in_both_languages_and_no_row_shows() {
    run(async {
        let city = TestCity::demo(Scale::SMALL, &Clock::system(), |plan| {
            plan.listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
        })
        .await;
        let mut service = Service::start(&city, &[]);
        let address = service.http();
        let Status { summary, .. } = service.settled();
        let confirmed = apart(summary.rows.confirmed);
        // The page is of the last look, which is a moment older than an answer.
        wait_for(
            "the page shows what is confirmed",
            || get(address, "/").filter(|(_, body)| body.contains(&confirmed)),
            || format!("{confirmed}: {:?}", get(address, "/")),
        );
        let chinese = load(address, "/", Look::DESK);
        let english = load(address, "/", Look { language: "en-US", ..Look::DESK });
        let asked = load(address, "/?lang=en", Look::DESK);
        for (loaded, words) in [
            (&chinese, ["逐行校验", "需要处理", "通道与标准", "未配置考核办法"]),
            (&english, ["row verdict", "needs attention", "channels and standards", "No scoring"]),
            (&asked, ["row verdict", "needs attention", "channels and standards", "No scoring"]),
        ] {
            no_refusals(&loaded.complaints);
            for word in words {
                assert!(loaded.document.contains(word), "{word}: {}", loaded.document);
            }
            assert!(loaded.document.contains(&confirmed), "{}", loaded.document);
            assert!(loaded.document.contains("reference-xml/1.0"), "{}", loaded.document);
        }
        // What the province must not see is not on the wall either.
        let (_, page) = get(address, "/").unwrap();
        let defects = &city.made.as_ref().unwrap().defects;
        assert!(defects.len() > 10);
        for defect in defects {
            assert!(!page.contains(&defect.key), "a key is shown: {}", defect.key);
        }
        if let Ok(folder) = std::env::var("CASCADED_PICTURES") {
            let into = Path::new(&folder).join("live.png");
            picture(&format!("http://{address}/"), Look::DESK, 2400, &into);
        }
        service.stop();
        city.close().await;
    });
}

#[test]
fn it_fits_a_phone_and_a_desk_in_light_and_dark_and_both_languages() {
    for (sample, language) in [
        (Some(sample::in_trouble(40)), Language::Chinese),
        (Some(sample::at_rest()), Language::English),
        (None, Language::Chinese),
    ] {
        let text = page(sample.as_ref(), language);
        let phone = measure(&text, PHONE);
        assert!(phone.content_width <= PHONE.width, "{phone:?}");
        let desk = measure(&text, Look::DESK);
        assert!(desk.content_width <= Look::DESK.width, "{desk:?}");
        let dark = measure(&text, Look { dark: true, ..Look::DESK });
        assert_eq!(desk.background, "rgb(244, 246, 249)");
        assert_eq!(dark.background, "rgb(16, 21, 27)");
    }
    if let Ok(folder) = std::env::var("CASCADED_PICTURES") {
        keep_pictures(Path::new(&folder));
    }
}

#[test]
fn a_number_stands_under_the_grade_that_proves_it_and_placed_never_under_another() {
    let text = page(Some(&sample::in_trouble(40)), Language::English);
    let table = text.split("rows by grade of evidence").nth(1).unwrap();
    let table = table.split("</table>").next().unwrap();
    let row = |channel: &str| {
        let row = table.split("<tr>").find(|row| row.contains(channel)).unwrap();
        ["row verdict", "receipt", "count, read back", "exported log", "placed only"].map(|grade| {
            let cell = row.split(&format!("data-h=\"{grade}\">")).nth(1).unwrap();
            let cell = cell.split("</td>").next().unwrap();
            cell.replace("<span class=\"calm\">–</span>", "–")
        })
    };
    assert_eq!(row("省数据共享交换平台"), ["18,176,000", "–", "–", "–", "0"]);
    assert_eq!(row("前置库"), ["–", "–", "–", "–", "42,000"]);
    assert_eq!(row("一体化政务平台"), ["–", "1,000", "–", "–", "0"]);
    assert_eq!(row(">total<"), ["18,176,000", "1,000", "0", "0", "42,000"]);
}

#[test]
fn on_paper_it_keeps_its_tables_and_is_a_few_sheets() {
    let rest = sheets(&page(Some(&sample::at_rest()), Language::Chinese));
    let trouble = sheets(&page(Some(&sample::in_trouble(10_000)), Language::Chinese));
    // As the narrow screen's cards it was more than twenty.
    assert!((1..=3).contains(&rest) && (2..=8).contains(&trouble), "{rest} and {trouble}");
}

#[test]
fn ten_thousand_datasets_make_no_longer_page_than_a_few_hundred() {
    for language in Language::ALL {
        let few = page(Some(&sample::in_trouble(400)), language);
        let many = page(Some(&sample::in_trouble(10_000)), language);
        assert!(many.len() < 64 << 10, "{} bytes", many.len());
        assert!(many.len() < few.len() + 200, "{} and {}", few.len(), many.len());
        assert_eq!(few.matches("<tr>").count(), many.matches("<tr>").count());
        // Nothing is dropped in silence: 10,000 troubles, and 1,000 in each other list.
        for rest in [10_000 - MOST, 1_000 - MOST] {
            let rest = apart(u64::try_from(rest).unwrap());
            assert!(many.contains(&rest), "{rest}");
        }
    }
}

#[test]
fn every_command_that_the_page_tells_exists() {
    let text = page(Some(&sample::in_trouble(40)), Language::English);
    let told: Vec<&str> = (text.split(['>', '<']))
        .flat_map(|piece| piece.split(": "))
        .filter(|piece| piece.starts_with("cascaded ") && !piece.contains(','))
        .collect();
    assert!(told.len() >= 12, "{told:?}");
    for command in told {
        let parsed = Arguments::try_parse_from(command.split_whitespace());
        assert!(parsed.is_ok(), "{command}: {:?}", parsed.err());
    }
}

#[test]
fn a_title_that_is_markup_is_read_and_does_nothing() {
    let evil = "\"><script>document.title='x'</script><img src=x onerror=alert(1)>'";
    let tame = "数据";
    for language in Language::ALL {
        let with_evil = page(Some(&sample::hostile(evil)), language);
        let with_tame = page(Some(&sample::hostile(tame)), language);
        let [evil, tame] = [with_evil, with_tame].map(|text| measure(&text, Look::DESK));
        assert_eq!(evil.scripts, 0);
        assert_eq!(evil.elements, tame.elements, "a text became an element");
    }
}

/// Keeps pictures of every state in a folder.
fn keep_pictures(folder: &Path) {
    let states = [
        ("rest", Some(sample::at_rest())),
        ("trouble", Some(sample::in_trouble(40))),
        ("many", Some(sample::in_trouble(10_000))),
        ("nothing", None),
    ];
    let dark = Look { dark: true, ..Look::DESK };
    for (name, sample) in &states {
        for (tongue, language) in [("zh", Language::Chinese), ("en", Language::English)] {
            let file = folder.join(format!("{name}-{tongue}.html"));
            std::fs::write(&file, page(sample.as_ref(), language)).unwrap();
            let address = format!("file://{}", file.display());
            for (look, height, kind) in
                [(Look::DESK, 2400, "light"), (dark, 2400, "dark"), (PHONE, 3600, "phone")]
            {
                let into = folder.join(format!("{name}-{tongue}-{kind}.png"));
                picture(&address, look, height, &into);
            }
        }
    }
}
