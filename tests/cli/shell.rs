//! What a shell and its user get: charts, completions, the manual, the settings.

use super::{Place, run};

#[test]
fn a_chart_draws_groups_and_time_and_refuses_records() {
    let place = Place::new();
    for (hour, model, tokens) in [("10", "phi-4", 40), ("11", "llama3.2", 20), ("13", "phi-4", 10)] {
        let time = format!("time=2025-03-01T{hour}:00:00Z");
        place.run(["append", &time, &format!("model={model}"), &format!("prompt_tokens={tokens}")]).good();
    }
    let bars = place.run(["-o", "chart", "tokens by model"]).good().out;
    let [heading, phi, llama] = bars.lines().collect::<Vec<_>>()[..] else { panic!("{bars}") };
    assert!(heading.contains("total_tokens") && phi.starts_with("phi-4") && llama.starts_with("llama3.2"));
    let blocks = |line: &str| line.matches('\u{2588}').count();
    assert!(2 * blocks(llama) <= blocks(phi) && blocks(phi) <= 3 * blocks(llama), "50 and 20:\n{bars}");
    let series = place.run(["-o", "chart", "tokens per 1h"]).good().out;
    assert!(series.contains("2025-03-01 10:00") && series.contains("2025-03-01 13:00"), "{series}");
    let refused = place.run(["-o", "chart", "events"]);
    assert_eq!((refused.code, refused.out.as_str()), (Some(2), ""));
    assert!(refused.err.contains("grouped") && refused.err.contains("help:"), "{}", refused.err);
}

#[test]
fn completions_of_every_shell_know_the_verbs() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = place.run(["completions", shell]).good().out;
        for word in ["import", "maintain", "durability"] {
            assert!(script.contains(word), "{shell} does not know {word}");
        }
    }
    assert_eq!(place.run(["completions", "tcl"]).code, Some(2));
}

#[test]
fn the_manual_has_a_section_for_every_verb() {
    let page = Place::new().run(["man"]).good().out;
    assert!(page.contains(".TH logq 1"), "{page}");
    for verb in ["QUERY", "IMPORT", "APPEND", "SEAL", "CHECK", "DUMP", "CONFIG"] {
        assert!(page.contains(&format!("LOGQ {verb}")), "{verb}");
    }
}

#[test]
fn each_setting_says_where_it_comes_from() {
    let place = Place::new();
    let from = |setting: &str, json: &str| {
        let lines = json.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let found = lines.into_iter().find(|line| line["name"] == setting).unwrap();
        found["from"].as_str().unwrap().to_owned()
    };
    let typed = place.run(["config", "show", "-o", "json", "--tz", "Asia/Tokyo"]).good().out;
    assert_eq!(from("tz", &typed), "the command line");
    assert_eq!(from("now", &typed), "the default");
    let mut command = place.command(["config", "-o", "json"]);
    let named = run(command.env("LOGQ_NOW", "2025-03-01"), b"").good().out;
    assert_eq!(from("now", &named), "LOGQ_NOW");
    let table = place.run(["config"]).good().out;
    assert!(table.starts_with("setting"), "{table}");
    assert_eq!(place.run(["config", "--tz", "Mars/Olympus"]).code, Some(2));
}

#[test]
fn a_query_is_completed_from_the_language_and_the_store() {
    let place = Place::new();
    assert_eq!(place.run(["query", "--complete", "tok"]).good().out, "tokens\n");
    place.run(["append", "model=phi-4", "prompt_tokens=1"]).good();
    assert_eq!(place.run(["query", "--complete", "tokens by mo"]).good().out, "model\n");
    assert_eq!(place.run(["query", "--complete", "tokens where model="]).good().out, "phi-4\n");
    assert_eq!(place.run(["query", "--complete", "-o", "json", "tokens by mo"]).good().out, "[\"model\"]\n");
    assert!(place.run(["query", "--complete"]).good().out.contains("events\n"));
    assert_eq!(place.run(["query"]).code, Some(2));
}
