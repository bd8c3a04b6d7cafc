//! User and system time with the resolution of the CPU clock.

/// CPU time since the start of a process, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SplitTime {
    /// In user mode.
    pub user_ns: u64,
    /// In kernel mode.
    pub system_ns: u64,
}

impl SplitTime {
    /// User and system time together.
    pub fn total_ns(&self) -> u64 {
        self.user_ns + self.system_ns
    }

    /// What was used since `earlier`.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self {
            user_ns: self.user_ns.saturating_sub(earlier.user_ns),
            system_ns: self.system_ns.saturating_sub(earlier.system_ns),
        }
    }
}

/// Splits precise CPU time in the proportion of the ticks that the kernel counted in user and in kernel mode.
///
/// This is what the kernel's `cputime_adjust` (`kernel/sched/cputime.c`) does: the two parts add up to the total exactly,
/// and neither ever goes backwards, although the proportion can.
#[derive(Clone, Copy, Debug, Default)]
pub struct CpuSplit {
    last: SplitTime,
}

impl CpuSplit {
    /// The parts of `total_ns`, given the ticks of the whole life of the process. A total that is not above the previous
    /// one leaves the parts as they are.
    pub fn update(&mut self, total_ns: u64, user_ticks: u64, system_ticks: u64) -> SplitTime {
        let last = self.last;
        if total_ns <= last.total_ns() {
            return last;
        }
        let ticks = u128::from(user_ticks) + u128::from(system_ticks);
        let share = (u128::from(total_ns) * u128::from(system_ticks))
            .checked_div(ticks)
            .unwrap_or(0);
        // The share is at most the total, so it fits; the upper bound keeps the user part from going backwards.
        let system_ns = u64::try_from(share)
            .unwrap_or(total_ns)
            .clamp(last.system_ns, total_ns.saturating_sub(last.user_ns));
        self.last = SplitTime {
            user_ns: total_ns - system_ns,
            system_ns,
        };
        self.last
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_total_is_split_in_the_proportion_of_the_ticks() {
        let split = CpuSplit::default().update(1_000, 3, 1);
        assert_eq!(
            split,
            SplitTime {
                user_ns: 750,
                system_ns: 250
            }
        );
    }

    #[test]
    fn before_the_first_tick_all_time_is_user_time() {
        assert_eq!(
            CpuSplit::default().update(1_000, 0, 0),
            SplitTime {
                user_ns: 1_000,
                system_ns: 0
            }
        );
    }

    #[test]
    fn a_changed_proportion_takes_back_no_time() {
        let mut split = CpuSplit::default();
        split.update(1_000, 1, 1);
        assert_eq!(
            split.update(1_100, 9, 1),
            SplitTime {
                user_ns: 600,
                system_ns: 500
            }
        );
        assert_eq!(
            split.update(1_200, 9, 100),
            SplitTime {
                user_ns: 600,
                system_ns: 600
            }
        );
    }

    #[test]
    fn a_total_that_goes_backwards_changes_nothing() {
        let mut split = CpuSplit::default();
        let before = split.update(1_000, 1, 1);
        assert_eq!(split.update(900, 1, 2), before);
    }

    proptest! {
        #[test]
        fn the_parts_add_up_and_never_go_backwards(
            steps in proptest::collection::vec((any::<u64>(), any::<u64>(), any::<u64>()), 1..50)
        ) {
            let mut split = CpuSplit::default();
            let mut last = SplitTime::default();
            for (total, user, system) in steps {
                let now = split.update(total, user, system);
                prop_assert_eq!(now.total_ns(), total.max(last.total_ns()));
                prop_assert!(now.user_ns >= last.user_ns && now.system_ns >= last.system_ns);
                last = now;
            }
        }
    }
}
