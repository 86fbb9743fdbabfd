//! What holds for every message: who sends it, when, how often, and in which form.

use jiff::SignedDuration;

use super::super::directory::Operation;
use super::client::{Prepared, Turn};
use super::compose::Extent;
use super::exam::{Case, Exam, Expect};
use super::objects::has_body;

impl Exam<'_> {
    /// Proof, time and form, tried with the standard's first message.
    pub(super) async fn line(&mut self) {
        let places = |of: &Operation| of.name.ends_with(".register") || of.name == "rows.upsert";
        let operations = &self.directory.operations;
        let at = operations.iter().position(|of| places(of) && has_body(of));
        let at = at.or_else(|| operations.iter().position(has_body)).unwrap_or(0);
        let Some(of) = operations.get(at) else { return };
        self.proof(at, of).await;
        self.times(at, of).await;
        self.headers(at, of).await;
        self.form(at, of).await;
        self.address(at, of).await;
    }

    fn request(&mut self, at: usize, of: &Operation, turn: &Turn) -> Option<Prepared> {
        let kind = of.name.split_once('.').map_or("", |(kind, _)| kind).to_owned();
        let subject = match kind.as_str() {
            "rows" => self.bundle("upsert", 1),
            _ => self.fresh(&kind),
        };
        let draft = self.draft(at, subject, Extent::Full);
        match self.prepared(&draft, turn) {
            Ok(request) => Some(request),
            Err(problem) => {
                let case = Case::new("line", "报文", "a message", String::new(), Expect::Accepted);
                self.unsent(of, case, &problem);
                None
            }
        }
    }

    async fn proof(&mut self, at: usize, of: &Operation) {
        let Some(sign) = self.directory.sign.clone().filter(|it| it.into != "body") else { return };
        let rule = |key: &str| format!("standard.toml [sign] {key}");
        let (place, name) = sign.into.split_once(':').unwrap_or(("header", &sign.into));
        let usual = Turn::default();
        if place == "header" {
            let Some(request) = self.request(at, of, &usual) else { return };
            let right = request.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
            let wrong = right.map(|(_, text)| spoiled(text)).unwrap_or_default();
            let case = Case::new(
                "signature/wrong",
                "签名错误",
                "a wrong signature",
                rule("algorithm"),
                Expect::Doubted,
            );
            self.test_request(of, case, &request.header(name, &wrong)).await;
            let Some(request) = self.request(at, of, &usual) else { return };
            let case = Case::new(
                "signature/missing",
                "缺少签名",
                "no signature",
                rule("into"),
                Expect::Doubted,
            );
            self.test_request(of, case, &request.without(name)).await;
        } else {
            for (slug, zh, en) in [
                ("wrong", "签名错误", "a wrong signature"),
                ("missing", "缺少签名", "no signature"),
            ] {
                let Some(mut request) = self.request(at, of, &usual) else { return };
                for (_, text) in request.query.iter_mut().filter(|(known, _)| known == name) {
                    *text = if slug == "wrong" { spoiled(text) } else { String::new() };
                }
                let case =
                    Case::new(&format!("signature/{slug}"), zh, en, rule("into"), Expect::Doubted);
                self.test_request(of, case, &request).await;
            }
        }
        if sign.over.iter().any(|part| part.contains("body")) {
            let pair = (self.request(at, of, &usual), self.request(at, of, &usual));
            let (Some(mut request), Some(other)) = pair else { return };
            (request.body, request.plain) = (other.body, other.plain);
            let case = Case::new(
                "signature/body",
                "签名后改动报文",
                "a body that was changed after it was signed",
                rule("over"),
                Expect::Doubted,
            );
            self.test_request(of, case, &request).await;
        }
    }

    async fn times(&mut self, at: usize, of: &Operation) {
        let Some(sign) = self.directory.sign.clone() else { return };
        let over = || self.directory.headers.values().chain(&sign.over);
        let tolerance = SignedDuration::try_from(sign.tolerance()).unwrap_or_default();
        let beyond = tolerance.saturating_add(SignedDuration::from_secs(60));
        let shows_time = self.directory.headers.values().any(|it| it.contains("{attempt.time"));
        let shows_nonce = over().any(|it| it.contains("{attempt.nonce"));
        let rule = "standard.toml [sign] tolerance".to_owned();
        if shows_time {
            for (slug, zh, en, late) in [
                ("stale", "时间过早", "a clock that is behind", -beyond),
                ("ahead", "时间过晚", "a clock that is ahead", beyond),
            ] {
                let turn = Turn { late, ..Turn::default() };
                let Some(request) = self.request(at, of, &turn) else { return };
                let case =
                    Case::new(&format!("time/{slug}"), zh, en, rule.clone(), Expect::Doubted);
                self.test_request(of, case, &request).await;
            }
        }
        if shows_nonce {
            let Some(request) = self.request(at, of, &Turn::default()) else { return };
            let first = self.client.send(of, self.directory, &request).await;
            let rule = "standard.toml attempt.nonce".to_owned();
            let case = Case::new(
                "nonce/again",
                "随机数重复使用",
                "a number that was used before",
                rule,
                Expect::Doubted,
            );
            if first.class.as_deref() == Some("accepted") {
                self.test_request(of, case, &request).await;
            } else {
                self.unsent(of, case, "the message before it was not accepted");
            }
        }
    }

    /// Each header of `[http]`.
    async fn headers(&mut self, at: usize, of: &Operation) {
        let auth = self.directory.auth.iter().flat_map(|auth| auth.headers.iter());
        for (name, template) in self.directory.headers.iter().chain(auth) {
            let is_bound = template.contains('{') && !template.contains("{batch.id}");
            if !is_bound {
                continue;
            }
            let rule = format!("standard.toml [http.headers] {name}");
            let Some(request) = self.request(at, of, &Turn::default()) else { return };
            let (zh, en) = (format!("缺少请求头 {name}"), format!("without the header {name}"));
            let case = Case::new(
                &format!("header/missing/{name}"),
                &zh,
                &en,
                rule.clone(),
                Expect::Doubted,
            );
            self.test_request(of, case, &request.without(name)).await;
            if template.contains("{credential.") || template.contains("{token") {
                let Some(request) = self.request(at, of, &Turn::default()) else { return };
                let before = template.split('{').next().unwrap_or_default();
                let (zh, en) = (
                    format!("请求头 {name} 的凭证错误"),
                    format!("a wrong credential in the header {name}"),
                );
                let case =
                    Case::new(&format!("header/wrong/{name}"), &zh, &en, rule, Expect::Doubted);
                self.test_request(of, case, &request.header(name, &format!("{before}nobody")))
                    .await;
            }
        }
    }

    /// Bodies that are none.
    async fn form(&mut self, at: usize, of: &Operation) {
        if !has_body(of) {
            return;
        }
        let rule = || "standard.toml [http] media".to_owned();
        let Some(usual) = self.request(at, of, &Turn::default()) else { return };
        let half = usual.plain.get(..usual.plain.len() / 2).unwrap_or_default().to_vec();
        let mut foreign = usual.plain.clone();
        let middle = foreign.len() / 2;
        foreign.splice(middle..middle, [0xff, 0xfe]);
        for (slug, zh, en, body) in [
            ("cut", "报文残缺", "a body that ends in its middle", half),
            ("encoding", "字符编码无效", "a body that is in no encoding", foreign),
            ("empty", "空报文", "an empty body", Vec::new()),
        ] {
            let turn = Turn { body: Some(body), ..Turn::default() };
            let Some(request) = self.request(at, of, &turn) else { return };
            let case = Case::new(&format!("body/{slug}"), zh, en, rule(), Expect::Refused);
            self.test_request(of, case, &request).await;
        }
        let Some(request) = self.request(at, of, &Turn::default()) else { return };
        let case =
            Case::new("body/media", "媒体类型错误", "a wrong media type", rule(), Expect::Refused);
        self.test_request(of, case, &request.header("Content-Type", "text/plain")).await;
    }

    async fn address(&mut self, at: usize, of: &Operation) {
        let rule = |key: &str| format!("standard.toml [[operation]] {} {key}", of.name);
        let Some(request) = self.request(at, of, &Turn::default()) else { return };
        let request = Prepared { path: format!("{}/nowhere", request.path), ..request };
        let case = Case::new(
            "address/path",
            "未定义的路径",
            "a path of no operation",
            rule("path"),
            Expect::Anything,
        );
        self.test_request(of, case, &request).await;
        let Some(request) = self.request(at, of, &Turn::default()) else { return };
        let request = Prepared { method: "PATCH".to_owned(), ..request };
        let case = Case::new(
            "address/method",
            "请求方法错误",
            "another method",
            rule("method"),
            Expect::Anything,
        );
        self.test_request(of, case, &request).await;
    }
}

/// A proof of the same length that proves nothing.
fn spoiled(right: &str) -> String {
    // Hexadecimal digits of either case are the same.
    let other = |letter: char| if letter.eq_ignore_ascii_case(&'a') { 'b' } else { 'a' };
    let mut letters = right.chars();
    letters.next().map(other).into_iter().chain(letters).collect()
}
