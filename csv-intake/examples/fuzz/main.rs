//! Reads made-up files for as long as it is told, and checks what must hold for any:
//!
//! ```text
//! cargo run -p csv-intake --profile fuzz --example fuzz -- --seconds 600 --seed 1
//! ```
//!
//! It runs on stable Rust and needs nothing else. What it keeps to go on from are the inputs whose outcome is of a new kind.
//! A failure is printed as bytes, with the seed that leads there. `fuzz/` checks the same with libFuzzer.

mod check;
mod mutate;

use std::collections::HashSet;
use std::panic::catch_unwind;
use std::time::{Duration, Instant};

fn main() -> Result<(), String> {
    let seconds = option("--seconds", 60)?;
    let seed = option("--seed", 1)?;
    let mut dice = mutate::Dice::new(seed);
    let mut corpus = mutate::seeds();
    let seeds = corpus.len() as u64;
    let mut kinds = HashSet::new();
    let (began, mut executions) = (Instant::now(), 0_u64);
    while began.elapsed() < Duration::from_secs(seconds) {
        let input = match corpus.get(executions as usize).filter(|_| executions < seeds) {
            Some(seed) => seed.clone(),
            None => mutate::mutate(&mut dice, &corpus),
        };
        executions += 1;
        let Ok(outcome) = catch_unwind(|| check::check(&input)) else {
            let bytes = input.escape_ascii();
            return Err(format!("execution {executions} of seed {seed} failed: b\"{bytes}\""));
        };
        if kinds.len() < 50_000 && kinds.insert(outcome.kind()) {
            corpus.push(input);
        }
    }
    println!("{executions} executions in {seconds} s, seed {seed}, corpus of {}: all held", corpus.len());
    Ok(())
}

fn option(name: &str, otherwise: u64) -> Result<u64, String> {
    let mut said = std::env::args().skip_while(|word| word != name).skip(1);
    said.next().map_or(Ok(otherwise), |value| value.parse().map_err(|_| format!("{name} is a number")))
}
