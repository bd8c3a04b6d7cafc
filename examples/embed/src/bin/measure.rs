//! What a piece of work costs: time, CPU time and memory in one line; and with a source of energy, the energy of the machine.
//!
//! `cargo run -p example-embed --bin measure`

#![expect(clippy::print_stdout, reason = "the example prints its result")]

use std::error::Error;
use std::time::Duration;

use alumet_core::measure;
use alumet_core::output::NullOutput;
use alumet_core::pipeline::PipelineBuilder;
use alumet_plugin_rapl::{Config, RaplPlugin};

fn primes_below(limit: usize) -> usize {
    let is_prime = |n: &usize| (2..).take_while(|d| d * d <= *n).all(|d| !n.is_multiple_of(d));
    (2..limit).filter(is_prime).count()
}

fn main() -> Result<(), Box<dyn Error>> {
    let primes = measure(|| primes_below(200_000));
    println!("{} primes: {:?}", primes.value, primes.usage);

    let mut builder = PipelineBuilder::new();
    if let Err(error) = builder.plugin::<RaplPlugin>(Config::default()) {
        println!("no energy: {error}");
    }
    // Whatever else shall have the samples, such as a file.
    builder.output("null", NullOutput);
    let pipeline = builder.start()?;
    let primes = pipeline.measure(|| primes_below(200_000));
    println!("{} primes: {:?}", primes.value, primes.usage);
    for (energy, joules) in primes.energy() {
        println!("{joules:.3} J of {}", energy.series);
    }
    if primes.energy().next().is_none() {
        println!("no energy: no sensor of this machine tells it");
    }
    if let Some(problem) = primes.problem {
        println!("not everything was measured: {problem}");
    }
    pipeline.stop(Duration::from_secs(5));
    Ok(())
}
