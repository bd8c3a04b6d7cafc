//! `cargo xtask chaos`: what the tests disturb at random, for longer.

use anyhow::Result;

use crate::shell;
use crate::workspace::Workspace;

/// What `cargo xtask chaos` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How many disturbances each test of agent and server makes; the usual tests make 25.
    #[arg(long, default_value_t = 200)]
    rounds: u64,
    /// How many agents there are in the last test, in which one server has many.
    #[arg(long, default_value_t = 50)]
    agents: u64,
    /// How many minutes that test takes.
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// Repeats the disturbances of a run, which printed this number.
    #[arg(long)]
    seed: Option<u64>,
}

/// Kills agent and server, cuts the network, fills disks; then damages and crashes the files of the spool and of the store, and has
/// the sessions of a server go on in many orders.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    for line in lines(options) {
        println!("== {line}");
        shell::run(&line, &workspace.root)?;
    }
    Ok(())
}

fn lines(options: &Options) -> [String; 5] {
    let Options {
        rounds,
        agents,
        minutes,
        seed,
    } = options;
    let seed = seed.map(|seed| format!("ALUMET_CHAOS_SEED={seed} "));
    // Each of the rounds of the spool, and each order in a server, takes milliseconds.
    let many = rounds * 1000;
    [
        format!(
            "ALUMET_CHAOS_ROUNDS={rounds} {}cargo test -p alumet-server --test chaos -- --test-threads 1 --nocapture",
            seed.unwrap_or_default()
        ),
        format!(
            "ALUMET_DAMAGE_ROUNDS={many} ALUMET_CRASH_POINTS={many} \
             cargo test --release -p alumet-shared-spool --test behaviour --test crash"
        ),
        format!("ALUMET_CRASH_POINTS={many} cargo test --release -p alumet-shared-series-store --lib power"),
        format!(
            "ALUMET_SCHEDULES={many} cargo test --release -p alumet-plugin-relay-server --lib in_random_orders"
        ),
        format!(
            "ALUMET_CHAOS_AGENTS={agents} ALUMET_CHAOS_SECONDS={} \
             cargo test --release -p alumet-server --test chaos -- many_agents --nocapture",
            minutes * 60
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_handed_on() {
        let options = Options {
            rounds: 7,
            agents: 50,
            minutes: 10,
            seed: Some(42),
        };
        let [text, ..] = lines(&options);
        assert!(
            text.starts_with("ALUMET_CHAOS_ROUNDS=7 ALUMET_CHAOS_SEED=42 cargo test"),
            "{text}"
        );
    }
}
