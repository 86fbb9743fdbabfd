//! A candidate standard: the ways that are prepared for it, and what is not prepared.

use std::sync::Arc;

use super::code::Code;
use super::finding::Found;
use super::way::Spoken;
use crate::app::shadow::test_way;
use crate::clock::Clock;
use crate::config::{Channel, Configuration};
use crate::standard::Standard;

/// The ways on which a candidate would be spoken, and on which it is tried.
pub(super) async fn examine(
    configuration: &Configuration,
    candidate: &str,
    clock: &Clock,
) -> Vec<Found> {
    let mut found = Vec::new();
    let Some(standard) = configuration.standards.get(candidate) else {
        return vec![unknown(configuration, candidate)];
    };
    for channel in &configuration.channels {
        let prepared = channel.settings.candidate.as_ref().filter(|it| it.standard == candidate);
        let Some(prepared) = prepared else { continue };
        let id = &channel.settings.id;
        let real = prepared.province.as_ref().map(|it| (it, "province", "", ""));
        let test = prepared.test.as_ref().map(|it| (it, "test", " (test)", "（测试）"));
        let own = real.is_none().then_some((&channel.settings.province, "", "", ""));
        for (settings, part, mark, mark_zh) in real.into_iter().chain(own).chain(test) {
            let place = match part {
                "" => format!("channel.{id}.province"),
                part => format!("channel.{id}.candidate.{part}"),
            };
            let names = [
                format!("channel {id}, {candidate}{mark}"),
                format!("通道 {id}，{candidate}{mark_zh}"),
            ];
            let spoken = Spoken { names, place, settings, standard };
            found.extend(spoken.examine(clock).await);
        }
        let test = prepared.test.as_ref();
        let wrong = test.and_then(|_| test_way(configuration, id, candidate).err());
        let names = [format!("channel {id}, {candidate}"), format!("通道 {id}，{candidate}")];
        let [name, name_zh] = &names;
        if let Some(why) = wrong {
            let what = format!("{} ({})", why.what, why.code);
            found.push(Found::of(Code::Candidate, [name, name_zh], [&what, &what]).advising([
                "a test platform has an address and secrets of its own",
                "测试平台须用单独的地址与凭据",
            ]));
        }
        if test.is_none() {
            let seen = ["no test endpoint", "没有测试地址"];
            found.push(Found::of(Code::Candidate, [name, name_zh], seen).advising([
                "ask the province for one: [channel.candidate.test]",
                "向省平台申请，写入 [channel.candidate.test]",
            ]));
        }
    }
    if found.is_empty() {
        for channel in &configuration.channels {
            found.extend(unprepared(channel, standard, clock).await);
        }
    }
    found
}

/// There is no such standard to look at.
fn unknown(configuration: &Configuration, candidate: &str) -> Found {
    let known: Vec<&str> = configuration.standards.keys().map(String::as_str).collect();
    let known = known.join(", ");
    let seen = [
        format!("there is no standard of this name; there are: {known}"),
        format!("没有这个标准；已有：{known}"),
    ];
    let [en, zh] = &seen;
    Found::of(Code::Candidate, [candidate, candidate], [en, zh]).advising([
        "put its directory beside the others; `cascaded standard list` lists them",
        "把它的目录放在其他标准旁边；`cascaded standard list` 列出已有标准",
    ])
}

/// A channel that does not name the candidate: it speaks it already, or could only go over by the
/// address and the credentials that it has.
async fn unprepared(channel: &Channel, standard: &Arc<Standard>, clock: &Clock) -> Vec<Found> {
    let (id, name) = (&channel.settings.id, standard.id());
    let spoken = channel.standard.id() == name;
    if !spoken && channel.standard.settings().id != standard.settings().id {
        return Vec::new();
    }
    let names = [format!("channel {id}"), format!("通道 {id}")];
    let first = if spoken {
        let [en, zh] = &names;
        Found::good([format!("{en}: {name} is in force"), format!("{zh}：{name} 已在用")])
    } else {
        let seen = [
            format!("does not name {name} in [channel.candidate]"),
            format!("未在 [channel.candidate] 写明 {name}"),
        ];
        let ([place, place_zh], [en, zh]) = (&names, &seen);
        Found::of(Code::Candidate, [place, place_zh], [en, zh]).advising([
            "name it there: until then it has no test platform, and would go over by the way below",
            "写明以前没有测试平台，切换时沿用下列地址与凭据",
        ])
    };
    let mut found = vec![first];
    let way = Spoken {
        names: [format!("channel {id}, {name}"), format!("通道 {id}，{name}")],
        place: format!("channel.{id}.province"),
        settings: &channel.settings.province,
        standard,
    };
    found.extend(way.examine(clock).await);
    found
}
