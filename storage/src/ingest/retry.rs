//! Trying refused packets again.

use std::sync::Arc;

use noctuary_packet::blocks::Blocks;
use noctuary_packet::container::MAGIC;

use super::batch::Batch;
use super::examine::{Examined, Verdict, examine};
use super::item::{Item, Payload};
use super::known::KnownAlerts;
use super::pipeline::{Run, decide};
use super::progress::Progress;
use super::resolve::Resolver;
use super::{IngestOptions, Report};
use crate::archive::Archive;
use crate::error::Result;
use crate::log::SourceId;
use crate::quarantine::Quarantined;
use crate::snapshot::Snapshot;

/// Collects what is accepted this time and commits it.
pub(crate) struct Retry {
    run: Run,
    resolver: Resolver,
    known: KnownAlerts,
    batch: Batch,
    number: u64,
    commit_bytes: usize,
    report: Report,
    progress: Progress,
}

impl Retry {
    pub fn new(archive: &Archive, snapshot: &Snapshot, options: &IngestOptions) -> Self {
        Self {
            run: Run::new(archive, snapshot, 1),
            resolver: Resolver::new(snapshot, options.schema.clone()),
            known: KnownAlerts::new(archive),
            batch: Batch::default(),
            number: 0,
            commit_bytes: options.commit_bytes,
            report: Report { version: snapshot.version(), ..Report::default() },
            progress: Progress::default(),
        }
    }

    /// Tries these. Those that are refused again stay where they are.
    pub async fn take(&mut self, waiting: Vec<Quarantined>) -> Result<()> {
        for quarantined in waiting {
            self.report.sources += 1;
            let examined = [self.examine(&quarantined)];
            let [one] = &examined;
            let refused = one.packets.iter().find_map(|p| match &p.verdict {
                Verdict::Refused(broken) => Some(broken.rejection.reason),
                Verdict::Accepted(_) => None,
            });
            if refused.is_some() || one.packets.is_empty() {
                if let Some(reason) = refused {
                    *self.report.reasons.entry(reason).or_default() += 1;
                }
                continue;
            }
            let files = self.run.files_of(&mut self.known, &examined).await?;
            let [one] = examined;
            let (known, number) = (&mut self.known, self.number);
            self.batch.looked.get_or_insert(files.looked);
            self.batch.release(quarantined.id, one, |accepted| decide(known, &files, number, accepted));
            if self.batch.weight() >= self.commit_bytes {
                self.commit().await?;
            }
        }
        Ok(())
    }

    fn examine(&self, quarantined: &Quarantined) -> Examined {
        let source = Arc::new(SourceId { url: quarantined.source.clone(), mark: String::new() });
        let member = quarantined.member.as_deref().map(Arc::from);
        let item = |payload| Item {
            source: Arc::clone(&source),
            piece: 0,
            member: member.clone(),
            offset: quarantined.offset,
            payload,
        };
        let bytes = &quarantined.packet;
        let message = || examine(item(Payload::Message(bytes.clone().into())), &self.resolver);
        if !bytes.starts_with(&MAGIC) {
            return message();
        }
        let Ok(blocks) = Blocks::open(&bytes[..]) else { return message() };
        let header = Arc::clone(blocks.header());
        let mut all: Option<Examined> = None;
        for block in blocks {
            let Ok(block) = block else { return message() };
            let payload =
                Payload::Block { header: Arc::clone(&header), records: block.records, bytes: block.bytes.into() };
            let one = examine(item(payload), &self.resolver);
            match &mut all {
                Some(all) => all.packets.extend(one.packets),
                None => all = Some(one),
            }
        }
        all.unwrap_or_else(message)
    }

    async fn commit(&mut self) -> Result<()> {
        let batch = std::mem::take(&mut self.batch);
        let ready = self.run.build(self.number, batch).await?;
        self.number += 1;
        self.run.commit(ready, &mut self.report, &self.progress).await
    }

    /// Commits the rest.
    pub async fn finish(mut self) -> Result<Report> {
        if !self.batch.is_empty() {
            self.commit().await?;
        }
        self.report.version = self.run.newest().version();
        Ok(self.report)
    }
}
