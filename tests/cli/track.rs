//! `logq track`: token usage from the shell.

use super::Place;

#[test]
fn tracked_usage_is_in_tokens_and_cost() {
    let place = Place::new();
    place
        .run([
            "track",
            "--operation",
            "puzzle_analysis",
            "--model",
            "llama3.2",
            "--prompt-tokens",
            "150",
            "--response-tokens",
            "250",
        ])
        .good();
    let id = place
        .run([
            "track",
            "--operation",
            "chat",
            "--model",
            "gpt-4o",
            "--prompt-tokens",
            "1000",
            "--response-tokens",
            "200",
            "--cached-tokens",
            "400",
            "--reasoning-tokens",
            "50",
            "--session",
            "s1",
            "--latency",
            "1.5s",
            "--ack",
        ])
        .good();
    assert!(id.out.trim_end().split_once('-').is_some(), "{}", id.out);
    let sums = place.json("tokens by model sort model");
    assert_eq!(sums["rows"][0]["total_tokens"], 1200);
    assert_eq!(sums["rows"][0]["cached_tokens"], 400);
    assert_eq!(sums["rows"][1]["total_tokens"], 400);
    let cost = place.json("cost by model sort model");
    // 600 at 2.50, 400 at 1.25 and 200 at 10.00 dollars a million.
    assert_eq!(cost["rows"][0]["cost_usd"], 0.004);
    assert_eq!(cost["rows"][1]["cost_usd"], serde_json::Value::Null);
    assert_eq!(cost["rows"][1]["unpriced_calls"], 1);
    let said = [
        "track",
        "--operation",
        "x",
        "--model",
        "m",
        "--prompt-tokens",
        "1",
        "--response-tokens",
        "1",
        "--cost",
        "$0.5",
    ];
    place.run(said).good();
    assert_eq!(place.json("cost where model=m")["rows"][0]["cost_usd"], 0.5);
    assert_eq!(place.json("events where session=s1 | keep latency")["rows"][0]["latency"], 1500);
}

#[test]
fn usage_that_cannot_be_is_refused_and_writes_nothing() {
    let place = Place::new();
    let base =
        ["track", "--operation", "x", "--model", "m", "--prompt-tokens", "10", "--response-tokens", "5"];
    for (extra, said) in [
        (["--cached-tokens", "11"], "--cached-tokens is more than --prompt-tokens: 11 of 10"),
        (["--reasoning-tokens", "6"], "--reasoning-tokens is more than --response-tokens: 6 of 5"),
        (["--cost", "much"], "--cost is no amount: `much`"),
        (["--cost", "-1"], "--cost is no amount: `-1`"),
        (["--latency", "soon"], "--latency is no length of time: `soon`"),
        (["--mode", "fastest"], "no way of billing has the name `fastest`"),
        (["--cached-tokens", "few"], "invalid value"),
    ] {
        let words: Vec<&str> = base.iter().chain(&extra).copied().collect();
        place.run(words).ends(2, said);
    }
    assert!(!place.store().join("MANIFEST").exists());
    place.run(["track", "--model", "m"]).ends(2, "--operation");
}
