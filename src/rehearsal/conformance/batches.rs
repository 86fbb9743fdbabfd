//! Rows and what is asked about them: batches, receipts, verdicts, inventories; and the heartbeat.

use std::collections::{BTreeMap, BTreeSet};

use super::super::directory::Operation;
use super::client::{Answer, Prepared, Turn};
use super::compose::Extent;
use super::exam::{Case, Exam, Expect, basis};
use super::fields::{About, NOBODY};
use super::words::Subject;

/// The most pages of one inventory.
const MAX_PAGES: usize = 500;

/// Rows that the platform took: key and text.
type Cells = Vec<(String, String)>;

impl Exam<'_> {
    /// Everything about rows, in the order in which a city does it.
    pub(super) async fn batches(&mut self) {
        let cells: Cells = (0..3).map(|at| (self.local(), format!("第 {at} 行"))).collect();
        let taken = self.upserted(&cells).await;
        self.deleted().await;
        self.queries(taken.as_ref()).await;
        self.inventories(taken.is_some().then_some(cells)).await;
        if let Some((at, of)) = self.operation("heartbeat") {
            let subject = self.fresh("");
            let draft = self.draft(at, subject.clone(), Extent::Full);
            let case = Case::new("valid", "心跳", "a heartbeat", table(of), Expect::Accepted);
            self.test(of, case, &draft).await;
            self.fields(at, of, &About::Same(Box::new(subject))).await;
        }
    }

    /// New rows; gives the batch that was taken and its receipt.
    async fn upserted(&mut self, cells: &Cells) -> Option<(Subject, Option<String>)> {
        let (at, of) = self.operation("rows.upsert")?;
        let subject = self.bundle_of("upsert", cells);
        let draft = self.draft(at, subject.clone(), Extent::Full);
        let case = Case::new("valid", "上报数据行", "a batch of rows", table(of), Expect::Accepted);
        let answer = self.test(of, case, &draft).await;
        let receipt = answer.value(of, self.directory, "receipt.id");
        if self.has_batch_id(of) {
            let rule = || "standard.toml batch.id".to_owned();
            let draft = self.draft(at, subject.clone(), Extent::Full);
            let case = Case::new(
                "repeat",
                "同一批次号、同样内容重发：回执相同",
                "the same batch once more: the same receipt",
                rule(),
                Expect::Accepted,
            );
            self.same(of, case, draft, ("receipt.id", receipt.as_ref())).await;
            let other = Subject { batch: subject.batch.clone(), ..self.bundle("upsert", 1) };
            let draft = self.draft(at, other, Extent::Full);
            let case = Case::new(
                "reused",
                "同一批次号、另一内容",
                "the same batch id with other rows",
                rule(),
                Expect::Refused,
            );
            self.test(of, case, &draft).await;
        }
        self.fields(at, of, &About::Rows("upsert".to_owned())).await;
        self.untrue(at, of, "upsert").await;
        self.limits(at, of).await;
        (answer.class.as_deref() == Some("accepted")).then_some((subject, receipt))
    }

    /// Batches that are not what they say.
    async fn untrue(&mut self, at: usize, of: &Operation, action: &str) {
        for (word, slug, zh, en, wrong) in [
            (
                "batch.rows",
                "count",
                "行数不符",
                "another number of rows than it says",
                "7".to_owned(),
            ),
            (
                "batch.digest",
                "digest",
                "摘要不符",
                "another digest than its rows have",
                "0".repeat(64),
            ),
            (
                "link.upper_id",
                "resource",
                "资源编号不存在",
                "a resource that is not there",
                NOBODY.to_owned(),
            ),
            (
                "dataset.id",
                "dataset",
                "数据集未挂接",
                "a dataset that no resource announced",
                NOBODY.to_owned(),
            ),
        ] {
            let Some(number) = of.fields.iter().position(|field| field.value == word) else {
                continue;
            };
            let Some(field) = of.fields.get(number) else { continue };
            let subject = self.bundle(action, 1);
            let draft = self.draft(at, subject, Extent::Full);
            if draft.leaf(number).is_some() {
                let case = Case::new(slug, zh, en, basis(of, field), Expect::Absent);
                self.test(of, case, &draft.with(of, number, &wrong)).await;
            }
        }
        let style = self.directory.rows.as_ref().map(|rows| rows.upsert.key.clone());
        let has_key = style.is_some_and(|key| !key.is_empty());
        let one = |key: &str| (key.to_owned(), "值".to_owned());
        let key = self.local();
        let mut cases = vec![("none", "没有数据行", "no rows", Cells::new())];
        if has_key {
            cases.push((
                "twice",
                "同批主键重复",
                "a key twice in one batch",
                vec![one(&key), one(&key)],
            ));
            cases.push(("keyless", "数据行无主键", "a row without a key", vec![one("")]));
        }
        for (slug, zh, en, cells) in cases {
            let subject = self.bundle_of(action, &cells);
            let draft = self.draft(at, subject, Extent::Full);
            let rule = "standard.toml [rows]".to_owned();
            let case = Case::new(&format!("rows/{slug}"), zh, en, rule, Expect::Refused);
            self.test(of, case, &draft).await;
        }
    }

    async fn limits(&mut self, at: usize, of: &Operation) {
        let limits = self.directory.limits;
        if let Some(most) = limits.rows.filter(|most| *most <= 100_000) {
            let subject = self.bundle("upsert", most + 1);
            let draft = self.draft(at, subject, Extent::Full);
            let rule = "standard.toml [limits] rows".to_owned();
            let case = Case::new(
                "limit/rows",
                "行数超限",
                "one row more than allowed",
                rule,
                Expect::Refused,
            );
            self.test(of, case, &draft).await;
        }
        if let Some(most) = limits.bytes.filter(|most| *most <= 32 << 20) {
            let cells = [(self.local(), "X".repeat(most))];
            let subject = self.bundle_of("upsert", &cells);
            let draft = self.draft(at, subject, Extent::Full);
            let rule = "standard.toml [limits] bytes".to_owned();
            let case = Case::new(
                "limit/bytes",
                "字节数超限",
                "a body larger than allowed",
                rule,
                Expect::Refused,
            );
            self.test(of, case, &draft).await;
        }
    }

    async fn deleted(&mut self) {
        let Some((at, of)) = self.operation("rows.delete") else { return };
        let cells = [(self.local(), "将撤销".to_owned())];
        if let Some((at, of)) = self.operation("rows.upsert") {
            let subject = self.bundle_of("upsert", &cells);
            let draft = self.draft(at, subject, Extent::Full);
            if let Ok(request) = self.prepared(&draft, &Turn::default()) {
                self.client.send(of, self.directory, &request).await;
            }
        }
        let subject = self.bundle_of("delete", &cells);
        let draft = self.draft(at, subject, Extent::Full);
        let case =
            Case::new("valid", "撤销数据行", "rows are taken back", table(of), Expect::Accepted);
        self.test(of, case, &draft).await;
        let subject = self.bundle("delete", 1);
        let draft = self.draft(at, subject, Extent::Full);
        let case = Case::new(
            "nobody",
            "撤销未上报的数据行",
            "rows that were never sent are taken back",
            table(of),
            Expect::Classed,
        );
        self.test(of, case, &draft).await;
        self.fields(at, of, &About::Rows("delete".to_owned())).await;
        self.untrue(at, of, "delete").await;
    }

    /// What became of a batch.
    async fn queries(&mut self, taken: Option<&(Subject, Option<String>)>) {
        for name in ["batch.receipt", "rows.verdict"] {
            let Some((at, of)) = self.operation(name) else { continue };
            let Some((subject, receipt)) = taken else { continue };
            let draft = self.draft(at, subject.clone(), Extent::Full);
            let case = Case::new(
                "valid",
                "查询已受理的批次",
                "a batch that was taken",
                table(of),
                Expect::Accepted,
            );
            let answer = self.same(of, case, draft, ("receipt.id", receipt.as_ref())).await;
            self.judged(of, subject, &answer);
            self.fields(at, of, &About::Taken(Box::new(subject.clone()))).await;
            if of.field("batch.id").is_some() {
                let subject = Subject { batch: self.batch(), ..subject.clone() };
                let draft = self.draft(at, subject, Extent::Full);
                let case = Case::new(
                    "nobody",
                    "查询未知批次",
                    "a batch that was never sent",
                    table(of),
                    Expect::Absent,
                );
                self.test(of, case, &draft).await;
            }
        }
    }

    /// Verdicts name rows of the batch, each once.
    fn judged(&mut self, of: &Operation, subject: &Subject, answer: &Answer) {
        let keys = answer.values(of, self.directory, "row.key");
        if keys.is_empty() || of.field("batch.id").is_none() {
            return;
        }
        let once: BTreeSet<&String> = keys.iter().collect();
        let few = keys.len() <= subject.rows.len() && once.len() == keys.len();
        let fault = (!few).then(|| "verdicts name other rows, or one twice".to_owned());
        let case = Case::new(
            "keys",
            "逐行结果与所报行一致",
            "verdicts are about the rows that were sent",
            "replies: row.key".to_owned(),
            Expect::Accepted,
        );
        self.note(of, case, &Prepared::default(), answer, fault);
    }

    async fn inventories(&mut self, cells: Option<Cells>) {
        for name in ["inventory.datasets", "inventory.keys"] {
            let Some((at, of)) = self.operation(name) else { continue };
            let subject = Subject { size: 2, ..self.standing("resource") };
            let mut wanted: BTreeMap<String, Option<String>> = BTreeMap::new();
            if let Some(cells) = &cells {
                if name == "inventory.datasets" {
                    wanted.insert(subject.dataset.clone(), None);
                } else {
                    wanted.extend(
                        cells.iter().map(|(key, text)| (key.clone(), self.digest(key, text))),
                    );
                }
            }
            self.walk(at, of, &subject, &wanted).await;
            self.fields(at, of, &About::Same(Box::new(subject))).await;
        }
        let Some((at, of)) = self.operation("inventory.objects") else { return };
        for (kind, (local, _)) in self.held.clone() {
            let subject = Subject { kind: kind.clone(), size: 20, ..self.fresh(&kind) };
            self.walk(at, of, &subject, &BTreeMap::from([(local, None)])).await;
        }
        let subject = self.fresh("entry");
        self.fields(at, of, &About::Same(Box::new(subject))).await;
    }

    /// The digest of a row as inventories say it, where the standard has one.
    fn digest(&self, key: &str, text: &str) -> Option<String> {
        let rows = self.directory.rows.as_ref().filter(|rows| rows.digest == "lines")?;
        let columns = [(0, key), (1, text)];
        let lines = columns.map(|(item, text)| {
            format!("{}{}={text}\n", rows.upsert.prefix, super::words::column(item))
        });
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, lines.concat().as_bytes());
        Some(super::super::judge::hex(hash.as_ref()))
    }

    /// Goes through an inventory page by page.
    async fn walk(
        &mut self,
        at: usize,
        of: &Operation,
        subject: &Subject,
        wanted: &BTreeMap<String, Option<String>>,
    ) {
        let slug =
            format!("pages{}{}", if subject.kind.is_empty() { "" } else { "/" }, subject.kind);
        let case = Case::new(
            &slug,
            "逐页读完存量",
            "the inventory is read page by page",
            table(of),
            Expect::Accepted,
        );
        let mut found: BTreeMap<String, Option<String>> = BTreeMap::new();
        let mut turn = subject.clone();
        let mut shown = None;
        let mut fault = None;
        for _ in 0..MAX_PAGES {
            turn.batch = self.batch();
            let draft = self.draft(at, turn.clone(), Extent::Full);
            let request = match self.prepared(&draft, &Turn::default()) {
                Ok(request) => request,
                Err(problem) => return self.unsent(of, case, &problem),
            };
            let answer = self.client.send(of, self.directory, &request).await;
            fault = self.fault(of, &answer, Expect::Accepted);
            let keys = answer.values(of, self.directory, "inventory.key");
            let digests = answer.values(of, self.directory, "inventory.digest");
            let next = answer.value(of, self.directory, "page.next");
            let is_long = of.field("page.size").is_some() && keys.len() > turn.size;
            if is_long {
                fault = Some("a page has more elements than asked for".to_owned());
            }
            for (at, key) in keys.into_iter().enumerate() {
                if found.insert(key, digests.get(at).cloned()).is_some() {
                    fault = Some("an element stands on two pages".to_owned());
                }
            }
            shown = Some((request, answer));
            match next.filter(|_| fault.is_none()) {
                Some(next) => {
                    turn.page = next.parse().unwrap_or(turn.page + 1);
                    turn.cursor = next;
                }
                None => break,
            }
        }
        let missing = |(key, digest): (&String, &Option<String>)| match found.get(key) {
            None => Some("what was taken is not in the inventory"),
            Some(Some(said))
                if digest.as_ref().is_some_and(|it| !it.eq_ignore_ascii_case(said)) =>
            {
                Some("the digest of a row is not that of what was sent")
            }
            Some(_) => None,
        };
        let fault = fault.or_else(|| wanted.iter().find_map(missing).map(str::to_owned));
        if let Some((request, answer)) = shown {
            self.note(of, case, &request, &answer, fault);
        }
    }
}

fn table(of: &Operation) -> String {
    format!("messages/{}.csv", of.table)
}
