/// The metrics that the samples of one batch have, in the order in which they come first.
#[derive(Debug, Default)]
pub(super) struct Groups {
    groups: Vec<Group>,
    /// The group of each metric, by its place among the metrics of the dictionary; `NONE` for one without samples.
    of_metric: Vec<u32>,
}

/// The samples of one metric.
#[derive(Debug)]
pub(super) struct Group {
    /// The place of the metric among the metrics of the dictionary.
    pub(super) metric: u32,
    /// How many samples there are.
    pub(super) count: usize,
    /// After how many samples of this metric the series of the first one came again.
    pub(super) period: Option<usize>,
    first_series: u32,
}

const NONE: u32 = u32::MAX;

impl Groups {
    /// Counts one sample of a metric and gives the number of its group.
    #[inline]
    pub(super) fn add(&mut self, metric: u32, series: u32) -> u32 {
        if let Some(&group) = self.of_metric.get(metric as usize)
            && let Some(found) = self.groups.get_mut(group as usize)
        {
            if series == found.first_series && found.period.is_none() {
                found.period = Some(found.count);
            }
            found.count += 1;
            return group;
        }
        self.begin(metric, series)
    }

    #[cold]
    fn begin(&mut self, metric: u32, series: u32) -> u32 {
        if self.of_metric.len() <= metric as usize {
            self.of_metric.resize(metric as usize + 1, NONE);
        }
        // There are no more groups than metrics, whose places fit.
        let group = self.groups.len() as u32;
        self.of_metric[metric as usize] = group;
        self.groups.push(Group {
            metric,
            count: 1,
            period: None,
            first_series: series,
        });
        group
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Group> {
        self.groups.iter()
    }

    /// Where each group begins when the samples stand group by group.
    pub(super) fn starts(&self) -> Vec<usize> {
        let mut next = 0;
        let start = |group: &Group| {
            let start = next;
            next += group.count;
            start
        };
        self.groups.iter().map(start).collect()
    }

    pub(super) fn clear(&mut self) {
        for group in self.groups.drain(..) {
            self.of_metric[group.metric as usize] = NONE;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_of_one_metric_are_one_group() {
        let mut groups = Groups::default();
        let found: Vec<u32> = [(5, 10), (2, 11), (5, 12), (5, 10), (5, 10)]
            .map(|(m, s)| groups.add(m, s))
            .into();
        assert_eq!(found, [0, 1, 0, 0, 0]);
        assert_eq!(groups.starts(), [0, 4]);
        let periods: Vec<_> = groups.iter().map(|group| (group.metric, group.period)).collect();
        assert_eq!(periods, [(5, Some(2)), (2, None)]);
        groups.clear();
        assert_eq!(groups.add(2, 0), 0);
        assert_eq!(groups.add(5, 0), 1);
    }
}
