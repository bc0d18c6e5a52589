//! `portkeeper-peers COUNT SECONDS PATH`: so many processes reserve ports at once for that long. Prints the
//! reservations of all together and the longest that one of them took, in nanoseconds.

use std::{
    env,
    io::{BufRead, BufReader, Read, Write},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use portkeeper_core::ReserveRequest;

use crate::{Failure, writer};

pub fn run(first: &str) -> Result<(), Failure> {
    let argument = |position| env::args().nth(position).ok_or("an argument is missing");
    let (seconds, path): (u64, String) = (argument(2)?.parse()?, argument(3)?);
    match first.strip_prefix("writer-") {
        Some(index) => write(index.parse()?, seconds, &path),
        None => start(first.parse()?, seconds, &path),
    }
}

fn start(count: u16, seconds: u64, path: &str) -> Result<(), Failure> {
    drop(writer(path)?);
    let mut writers = Vec::new();
    for index in 0..count {
        let writer = Command::new(env::current_exe()?)
            .args([&format!("writer-{index}"), &seconds.to_string(), path])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        writers.push(writer);
    }
    let mut outputs = Vec::new();
    for writer in &mut writers {
        let mut output = BufReader::new(writer.stdout.take().ok_or("no output")?);
        output.read_line(&mut String::new())?;
        outputs.push(output);
    }
    for writer in &mut writers {
        writer.stdin.take().ok_or("no input")?.write_all(b"go\n")?;
    }
    let (mut total, mut longest) = (0_u64, 0_u128);
    for (writer, mut output) in writers.iter_mut().zip(outputs) {
        let mut text = String::new();
        output.read_to_string(&mut text)?;
        if !writer.wait()?.success() {
            return Err("a writer failed".into());
        }
        let (done, worst) = text.trim().split_once(' ').ok_or("no answer")?;
        total += done.parse::<u64>()?;
        longest = longest.max(worst.parse()?);
    }
    println!("{total} {longest}");
    Ok(())
}

/// Each writer has 900 ports of its own, and reserves one after the other with another description.
fn write(index: u16, seconds: u64, path: &str) -> Result<(), Failure> {
    let keeper = writer(path)?;
    println!("ready");
    std::io::stdin().read_line(&mut String::new())?;
    let begin = Instant::now();
    let (mut done, mut worst) = (0_u64, Duration::ZERO);
    while begin.elapsed() < Duration::from_secs(seconds) {
        let port = 1_024 + index * 900 + u16::try_from(done % 900)?;
        let request = ReserveRequest::new(format!("writer {index}"));
        let one = Instant::now();
        // The machine is not asked: the processors are to be busy with the registry.
        keeper.reserve(port, request.description(done.to_string()).adopt(true))?;
        worst = worst.max(one.elapsed());
        done += 1;
    }
    println!("{done} {}", worst.as_nanos());
    Ok(())
}
