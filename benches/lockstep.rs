//! Times an operation whenever it is told to, so that a binding can measure itself in turn with Rust.
//!
//! `cargo bench --bench lockstep -- FILE` reads lines `PORT TIMES` and answers each with the nanoseconds that
//! so many calls of `check` took.

use std::{
    env,
    hint::black_box,
    io::{self, BufRead, Write},
    time::Instant,
};

use portkeeper_core::Keeper;

fn main() {
    // Cargo adds `--bench`.
    let file = env::args().skip(1).find(|argument| argument != "--bench");
    let keeper = Keeper::open_at(file.expect("a file")).expect("a registry");
    for line in io::stdin().lock().lines() {
        let line = line.expect("a line");
        let mut words = line.split(' ').map(|word| word.parse::<i64>());
        let (Some(Ok(port)), Some(Ok(times))) = (words.next(), words.next()) else {
            break;
        };
        let begin = Instant::now();
        for _ in 0..times {
            black_box(keeper.check(black_box(port)).expect("a state"));
        }
        println!("{}", begin.elapsed().as_nanos());
        io::stdout().flush().expect("the caller reads");
    }
}
