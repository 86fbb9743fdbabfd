//! Under which key a run lies, and how it is sealed again under the one in use.

use std::path::Path;

use super::{
    INDEX_ENTRY, KEYS_SUFFIX, RECORD, RUN_SUFFIX, Run, TRAILER, block_context, length,
    parse_trailer, read_at,
};
use crate::ledger::disk::{self, Draft, Error};
use crate::ledger::seal::{Purpose, key_id_of};

impl Run {
    /// The key under which the run lies: that of its sealed file; of a run without one, that which
    /// vouches for its index.
    pub(in crate::ledger::sent) fn key_id(&self) -> Result<[u8; 4], Error> {
        let ids = self.sealer.key_ids();
        let own = self.vouched_by()?.and_then(|at| ids.get(at)).copied().unwrap_or_default();
        let mut first = [0; 9];
        if self.keys_bytes < length(first.len()) || own != self.sealer.key_id() {
            return Ok(own);
        }
        read_at(&self.keys, &format!("{}{KEYS_SUFFIX}", self.name), &mut first, 0)?;
        Ok(first.get(4..).and_then(key_id_of).unwrap_or(own))
    }

    /// Which key vouches for the index, counted from the one in use.
    fn vouched_by(&self) -> Result<Option<usize>, Error> {
        let (index, trailer) = self.end()?;
        let (_, _, tag) = parse_trailer(&trailer)
            .ok_or_else(|| Error::damaged(&format!("{}{RUN_SUFFIX}", self.name), "was cut"))?;
        let vouched = trailer.get(..TRAILER - tag.len()).unwrap_or_default();
        Ok(self.voucher.vouched(&[&index, vouched], &tag))
    }

    /// The index and the trailer as they lie there.
    fn end(&self) -> Result<(Vec<u8>, [u8; TRAILER]), Error> {
        let shown = format!("{}{RUN_SUFFIX}", self.name);
        let mut index = vec![0; self.index.len() * INDEX_ENTRY];
        let start = self.rows * length(RECORD);
        read_at(&self.file, &shown, &mut index, start)?;
        let mut trailer = [0; TRAILER];
        read_at(&self.file, &shown, &mut trailer, start + length(index.len()))?;
        Ok((index, trailer))
    }

    /// Writes both files again under the key in use. Every block keeps its place, for sealing adds
    /// the same number of bytes: so either file is right beside the other's old or new one, and a
    /// crash between the two leaves a whole run.
    pub(in crate::ledger::sent) fn rewrite(&self, folder: &Path) -> Result<(), Error> {
        let keys_name = format!("{}{KEYS_SUFFIX}", self.name);
        let mut keys = Draft::begin(folder, &keys_name)?;
        let mut place = 0;
        while place < self.keys_bytes {
            let (sealed, context) =
                (self.block(place, &keys_name)?, block_context(&self.name, place));
            let failed = |error| Error::seal(&keys_name, error);
            let plain = self.sealer.open(Purpose::SentKeys, &context, &sealed).map_err(failed)?;
            let again = self.sealer.seal(Purpose::SentKeys, &context, &plain).map_err(failed)?;
            let head = u32::try_from(again.len()).unwrap_or_default();
            keys.write(&head.to_be_bytes())?;
            keys.write(&again)?;
            place += 4 + length(sealed.len());
        }
        let mut run = Draft::begin(folder, &format!("{}{RUN_SUFFIX}", self.name))?;
        let (mut page, mut index) = (Vec::new(), Vec::new());
        for (number, (first, _)) in self.index.iter().enumerate() {
            self.page(number, &mut page)?;
            let tag: [u8; 8] = self.voucher.tag(&[&length(number).to_be_bytes(), &page]);
            index.extend_from_slice(&first.0);
            index.extend_from_slice(&tag);
            run.write(&page)?;
        }
        let (_, trailer) = self.end()?;
        let vouched = trailer.get(..TRAILER - 16).unwrap_or_default();
        let tag: [u8; 16] = self.voucher.tag(&[&index, vouched]);
        run.write(&index)?;
        run.write(vouched)?;
        run.write(&tag)?;
        keys.publish()?;
        crate::crash::point("run-resealed");
        run.publish()?;
        disk::sync_folder(folder)
    }
}
