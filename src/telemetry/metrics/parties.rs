//! Series of those beside us: counties, the other sides of ferries, and what tools before us left above.

use super::gauges::{Fold, Values};
use super::{CountySnapshot, FerrySnapshot, Metrics, TakeoverSnapshot, approximate, seconds};

impl Metrics {
    pub(super) fn show_ferries(&self, ferries: &[FerrySnapshot]) {
        let [mut missing, mut waiting, mut unanswered, mut aside] =
            [(); 4].map(|()| Values::new(Fold::Sum));
        let mut silent = Values::new(Fold::Max);
        for it in ferries {
            let label = || vec![it.ferry.clone()];
            missing.add(label(), approximate(it.missing));
            waiting.add(label(), approximate(it.waiting));
            unanswered.add(label(), approximate(it.unanswered));
            aside.add(label(), approximate(it.aside));
            silent.add(label(), it.silent.as_secs_f64());
        }
        self.families.ferry_missing.show_only(missing);
        self.families.ferry_waiting.show_only(waiting);
        self.families.ferry_unanswered.show_only(unanswered);
        self.families.ferry_aside.show_only(aside);
        self.families.ferry_silent.show_only(silent);
    }

    pub(super) fn show_counties(&self, counties: &[CountySnapshot]) {
        let [mut waiting, mut batch, mut refused, mut busy] =
            [Fold::Sum, Fold::Max, Fold::Sum, Fold::Sum].map(Values::new);
        for it in counties {
            let label = || vec![it.county.clone()];
            waiting.add(label(), approximate(it.waiting));
            refused.add(label(), approximate(it.refused));
            busy.add(label(), approximate(it.busy));
            if let Some(at) = it.last_batch {
                batch.add(label(), seconds(at));
            }
        }
        self.families.county_waiting.show_only(waiting);
        self.families.county_batch.show_only(batch);
        self.families.county_refused.show_only(refused);
        self.families.county_busy.show_only(busy);
    }

    pub(super) fn show_takeovers(&self, takeovers: &[TakeoverSnapshot]) {
        let mut objects = Values::new(Fold::Sum);
        for it in takeovers {
            for (fate, count) in &it.objects {
                let labels = vec![self.channel(&it.channel), (*fate).to_owned()];
                objects.add(labels, approximate(*count));
            }
        }
        self.families.takeover_objects.show_only(objects);
    }
}
