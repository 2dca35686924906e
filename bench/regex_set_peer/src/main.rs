//! Finds all patterns of a set in each reply, as Rust's RegexSet does it. Driven by bench/run.
//!
//!     regex_set_peer PATTERNS REPLIES SECONDS [CACHE_BYTES]
//!
//! PATTERNS has one a line; REPLIES lines of "number of the pattern that must be found (-1: none must) TAB text". Without CACHE_BYTES the
//! limits are the crate's own, raised only where the set could not be built else. Prints one JSON object.

use regex::bytes::{RegexSet, RegexSetBuilder};
use std::time::{Duration, Instant};

fn lines(path: &str) -> Vec<Vec<u8>> {
    let text = std::fs::read(path).unwrap_or_else(|why| panic!("{path}: {why}"));
    text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).map(|line| line.to_vec()).collect()
}

/// Returns the set, and the bytes that building it was allowed (0: the default).
fn build(patterns: &[String], cache_bytes: Option<usize>) -> (RegexSet, usize) {
    let mut builder = RegexSetBuilder::new(patterns);
    if let Some(bytes) = cache_bytes {
        builder.size_limit(bytes).dfa_size_limit(bytes);
        return (builder.build().expect("patterns compile"), bytes);
    }
    for allowed in [0, 64 << 20, 1 << 30] {
        if allowed > 0 {
            builder.size_limit(allowed);
        }
        if let Ok(set) = builder.build() {
            return (set, allowed);
        }
    }
    panic!("patterns do not compile");
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let patterns: Vec<String> = lines(&arguments[1]).into_iter().map(|line| String::from_utf8(line).expect("UTF-8")).collect();
    let replies: Vec<(i64, Vec<u8>)> = lines(&arguments[2])
        .into_iter()
        .map(|line| {
            let tab = line.iter().position(|&byte| byte == b'\t').expect("a tab");
            (std::str::from_utf8(&line[..tab]).unwrap().parse().expect("a number"), line[tab + 1..].to_vec())
        })
        .collect();
    let limit = Duration::from_secs_f64(arguments[3].parse().expect("seconds"));
    let begun = Instant::now();
    let (set, allowed) = build(&patterns, arguments.get(4).map(|text| text.parse().expect("bytes")));
    let built = begun.elapsed();
    // One pass, so that the lazy automaton has its states; given up where that takes too long.
    let begun = Instant::now();
    for (_, text) in &replies {
        set.matches(text);
        if begun.elapsed() > 3 * limit {
            break;
        }
    }
    let (mut count, mut found, mut missed, begun) = (0usize, 0usize, 0usize, Instant::now());
    while begun.elapsed() < limit {
        for _ in 0..16 {
            let (wanted, text) = &replies[count % replies.len()];
            let matches = set.matches(text);
            found += matches.iter().count();
            missed += usize::from(*wanted >= 0 && !matches.matched(*wanted as usize));
            count += 1;
        }
    }
    let ns = begun.elapsed().as_nanos() as f64 / count as f64;
    println!("{{\"ns_per_reply\": {ns:.1}, \"build_s\": {:.2}, \"size_limit\": {allowed}, \"found_per_reply\": {:.2}, \"missed\": {missed}}}",
             built.as_secs_f64(), found as f64 / count as f64);
}
