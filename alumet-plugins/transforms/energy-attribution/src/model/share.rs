//! Shares in proportion to use.

/// The energy of one unit of use: what one CPU second costs, for example.
///
/// Energy is divided by what was used on the whole machine (`busy`), so that a consumer pays for itself only; or by the sum over the
/// consumers (`used`) where that is larger, because the kernel counts the time of the machine in ticks and that of consumers in nanoseconds.
pub(crate) fn energy_per_use(energy: f64, busy: f64, used: f64) -> f64 {
    let used = used.max(busy);
    if used > 0.0 { energy / used } else { 0.0 }
}
