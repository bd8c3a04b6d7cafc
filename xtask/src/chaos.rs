//! `cargo xtask chaos`: what the tests disturb at random, for longer.

use anyhow::Result;

use crate::step::Step;
use crate::workspace::Workspace;

/// What `cargo xtask chaos` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How many disturbances each test of agent and server makes; the usual tests make 25.
    #[arg(long, default_value_t = 200)]
    rounds: u64,
    /// Repeats the disturbances of a run, which printed this number.
    #[arg(long)]
    seed: Option<u64>,
}

/// Kills agent and server, cuts the network, fills disks; then damages and crashes the file of the spool.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    for step in steps(options) {
        println!("== {step}");
        step.run(&workspace.root)?;
    }
    Ok(())
}

fn steps(options: &Options) -> [Step; 2] {
    let rounds = options.rounds.to_string();
    let mut programs = Step::cargo("test -p alumet-server --test chaos")
        .with(["--", "--test-threads", "1", "--nocapture"])
        .variable("ALUMET_CHAOS_ROUNDS", &rounds);
    if let Some(seed) = options.seed {
        programs = programs.variable("ALUMET_CHAOS_SEED", &seed.to_string());
    }
    // Each of these rounds takes milliseconds.
    let many = (options.rounds * 1000).to_string();
    let spool = Step::cargo("test --release -p alumet-shared-spool --test behaviour")
        .variable("ALUMET_DAMAGE_ROUNDS", &many)
        .variable("ALUMET_CRASH_POINTS", &many);
    [programs, spool]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_handed_on() {
        let options = Options {
            rounds: 7,
            seed: Some(42),
        };
        let [programs, _] = steps(&options);
        let text = programs.to_string();
        assert!(
            text.starts_with("ALUMET_CHAOS_ROUNDS=7 ALUMET_CHAOS_SEED=42 cargo test"),
            "{text}"
        );
    }
}
