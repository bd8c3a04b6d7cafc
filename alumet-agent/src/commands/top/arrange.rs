//! Which rows are shown, and in which order.

use std::cmp::Ordering;
use std::collections::HashMap;

use alumet_core::Consumer;
use clap::ValueEnum;
use regex::Regex;

use super::model::Row;

/// What the first row has most of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sort {
    /// Power
    Power,
    /// CPU time
    Cpu,
    /// Memory
    Memory,
    /// Reads and writes
    Io,
    /// The first in the alphabet
    Name,
}

/// A row with its depth in the tree.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Arranged<'a> {
    pub(super) row: &'a Row,
    pub(super) depth: usize,
}

impl Sort {
    /// The next one.
    pub(super) fn next(self) -> Self {
        let all = Self::value_variants();
        let at = all.iter().position(|sort| *sort == self).unwrap_or(0);
        all[(at + 1) % all.len()]
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Power => "power",
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Io => "io",
            Self::Name => "name",
        }
    }

    /// Ties go by CPU time, which is there when no power is known.
    fn compare(self, a: &Row, b: &Row) -> Ordering {
        let most = |a: Option<f64>, b: Option<f64>| {
            let [a, b] = [a, b].map(|value| value.unwrap_or(f64::NEG_INFINITY));
            b.total_cmp(&a)
        };
        let first = match self {
            Self::Power => most(a.power, b.power),
            Self::Cpu => Ordering::Equal,
            Self::Memory => most(a.memory, b.memory),
            Self::Io => most(a.io, b.io),
            Self::Name => a.text.cmp(&b.text),
        };
        first
            .then_with(|| most(a.cpu, b.cpu))
            .then_with(|| most(a.memory, b.memory))
            .then_with(|| id(a).cmp(&id(b)))
    }
}

fn id(row: &Row) -> (u32, &str) {
    match &row.consumer {
        Consumer::Process { pid } => (*pid, ""),
        _ => (0, &row.text),
    }
}

/// The rows in whose text the filter is found, in order; as a tree, each below its parent, branches by the first of their rows.
pub(super) fn arrange<'a>(
    rows: &'a [Row],
    sort: Sort,
    search: Option<&Regex>,
    is_tree: bool,
) -> Vec<Arranged<'a>> {
    let is_found = |row: &&Row| search.is_none_or(|search| search.is_match(&row.text));
    let mut sorted: Vec<&Row> = rows.iter().filter(is_found).collect();
    sorted.sort_unstable_by(|a, b| sort.compare(a, b));
    match is_tree {
        true => tree(&sorted),
        false => sorted.iter().map(|row| Arranged { row, depth: 0 }).collect(),
    }
}

fn tree<'a>(sorted: &[&'a Row]) -> Vec<Arranged<'a>> {
    let places: HashMap<&Consumer, usize> = sorted
        .iter()
        .enumerate()
        .map(|(at, row)| (&row.consumer, at))
        .collect();
    let parents: Vec<Option<usize>> = sorted
        .iter()
        .enumerate()
        .map(|(at, row)| {
            let parent = places.get(row.parent.as_ref()?).copied();
            parent.filter(|parent| *parent != at)
        })
        .collect();
    // The best rank that a branch has; each row is climbed over once.
    let mut ranks = vec![usize::MAX; sorted.len()];
    for rank in 0..sorted.len() {
        let mut at = Some(rank);
        while let Some(place) = at.filter(|place| ranks[*place] == usize::MAX) {
            ranks[place] = rank;
            at = parents[place];
        }
    }
    let mut by_rank: Vec<usize> = (0..sorted.len()).collect();
    by_rank.sort_by_key(|at| ranks[*at]);
    let mut children = vec![Vec::new(); sorted.len()];
    let mut roots = Vec::new();
    for at in by_rank {
        match parents[at] {
            Some(parent) => children[parent].push(at),
            None => roots.push(at),
        }
    }
    let mut shown = Vec::new();
    let mut is_shown = vec![false; sorted.len()];
    // Parents that were read at different times may form a ring, which has no root: it begins anywhere.
    for root in roots.into_iter().chain(0..sorted.len()) {
        let mut pending = vec![(root, 0)];
        while let Some((at, depth)) = pending.pop() {
            if std::mem::replace(&mut is_shown[at], true) {
                continue;
            }
            let row = sorted[at];
            shown.push(Arranged { row, depth });
            pending.extend(children[at].iter().rev().map(|child| (*child, depth + 1)));
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::model::tests::process;
    use super::*;

    fn pids(rows: &[Arranged<'_>]) -> Vec<(u32, usize)> {
        rows.iter().map(|shown| (id(shown.row).0, shown.depth)).collect()
    }

    /// 1 has 2 and 3, 3 has 4, and 4 draws most.
    fn family() -> Vec<Row> {
        [(1, 0, 1.0), (2, 1, 2.0), (3, 1, 0.0), (4, 3, 9.0)]
            .map(|(pid, parent, watts)| Row {
                power: Some(watts),
                parent: Some(Consumer::Process { pid: parent }),
                ..process(pid, &format!("p{pid}"))
            })
            .to_vec()
    }

    #[test]
    fn the_first_row_has_most_and_what_is_not_known_comes_last() {
        let mut rows = family();
        rows.push(process(5, "p5"));
        let order = |sort| pids(&arrange(&rows, sort, None, false));
        assert_eq!(order(Sort::Power), [(4, 0), (2, 0), (1, 0), (3, 0), (5, 0)]);
        assert_eq!(order(Sort::Name), [(1, 0), (2, 0), (3, 0), (4, 0), (5, 0)]);
    }

    #[test]
    fn without_power_the_order_is_that_of_cpu_time() {
        let rows = [(1, 0.1), (2, 0.7), (3, 0.4)].map(|(pid, cpu)| Row {
            cpu: Some(cpu),
            ..process(pid, "x")
        });
        let order = pids(&arrange(&rows, Sort::Power, None, false));
        assert_eq!(order, [(2, 0), (3, 0), (1, 0)]);
    }

    #[test]
    fn in_the_tree_the_branch_of_the_first_row_comes_first() {
        let rows = family();
        let order = pids(&arrange(&rows, Sort::Power, None, true));
        assert_eq!(order, [(1, 0), (3, 1), (4, 2), (2, 1)]);
    }

    #[test]
    fn rows_whose_parent_is_not_found_are_roots() {
        let rows = family();
        let search = Regex::new("[24]").unwrap();
        let order = pids(&arrange(&rows, Sort::Power, Some(&search), true));
        assert_eq!(order, [(4, 0), (2, 0)]);
    }

    #[test]
    fn the_keys_go_through_all_orders() {
        let all = std::iter::successors(Some(Sort::Power), |sort| {
            Some(sort.next()).filter(|next| *next != Sort::Power)
        });
        assert_eq!(all.count(), Sort::value_variants().len());
        for sort in Sort::value_variants() {
            assert_eq!(Sort::from_str(sort.name(), false), Ok(*sort));
        }
    }

    proptest! {
        #[test]
        fn each_row_is_shown_once_whatever_the_parents_are(parents in proptest::collection::vec(0..12_u32, 0..12)) {
            let rows: Vec<Row> = parents.iter().zip(0..).map(|(parent, pid)| Row {
                parent: Some(Consumer::Process { pid: *parent }),
                ..process(pid, "x")
            }).collect();
            let mut shown: Vec<u32> = pids(&arrange(&rows, Sort::Power, None, true)).iter().map(|(pid, _)| *pid).collect();
            shown.sort_unstable();
            prop_assert_eq!(shown, (0..u32::try_from(rows.len()).unwrap()).collect::<Vec<_>>());
        }
    }
}
