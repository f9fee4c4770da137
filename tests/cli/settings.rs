//! `logq.toml`: what it says is heeded, what it cannot say is an error, and alerts reach the command that it names.

use std::fs;

use serde_json::Value;

use super::{Place, Ran};

/// A store whose settings file says this.
fn settled(text: &str) -> Place {
    let place = Place::new();
    fs::create_dir_all(place.store()).unwrap();
    fs::write(place.store().join("logq.toml"), text).unwrap();
    place
}

fn track(place: &Place, tokens: u64) -> Ran {
    let tokens = tokens.to_string();
    let call =
        ["track", "--operation", "chat", "--model", "gpt-4o", "--response-tokens", "0", "--prompt-tokens"];
    place.run(call.into_iter().chain([tokens.as_str()]))
}

/// A script that appends what it reads to a file, or fails while another file is there.
fn receiver(place: &Place) -> String {
    let (script, out, stop) = (place.path("receive"), place.path("received"), place.path("stop"));
    let text = format!(
        "#!/bin/sh\nif [ -e {stop} ]; then echo 'no route to anybody' >&2; exit 7; fi\nprintf '%s ' \"$1\" >> {out}\ncat >> {out}\n",
        stop = stop.display(),
        out = out.display()
    );
    place.write("receive", text);
    let mut allowed = fs::metadata(&script).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut allowed, 0o755);
    fs::set_permissions(&script, allowed).unwrap();
    format!("[alerts]\nexec = [\"{}\", \"$(whoami); `id`\"]\n", script.display())
}

fn received(place: &Place) -> Vec<Value> {
    let text = fs::read_to_string(place.path("received")).unwrap_or_default();
    // The argument is what was written, and no shell has read it.
    let json = |line: &str| serde_json::from_str(line.strip_prefix("$(whoami); `id` ").unwrap()).unwrap();
    text.lines().map(json).collect()
}

#[test]
fn an_alert_reaches_the_command_once_and_again_when_it_failed() {
    let place = Place::new();
    let alerts = receiver(&place);
    fs::create_dir_all(place.store()).unwrap();
    fs::write(place.store().join("logq.toml"), alerts).unwrap();
    assert!(track(&place, 10).good().err.is_empty());
    track(&place, 45_000).good();
    let [first] = &received(&place)[..] else { panic!("{:?}", received(&place)) };
    assert_eq!((&first["budget"], &first["threshold"]), (&"hourly".into(), &0.8.into()), "{first}");
    assert_eq!((&first["used"], &first["limit"]), (&45_010.into(), &50_000.into()));
    assert!(first["dedupe_key"].as_str().unwrap().starts_with("hourly//"));
    place.write("stop", "");
    let failed = track(&place, 10_000).good();
    assert!(
        failed.err.contains("was not delivered, attempt 1") && failed.err.contains("no route to anybody"),
        "{}",
        failed.err
    );
    fs::remove_file(place.path("stop")).unwrap();
    // The next try is due a second later.
    let delivered = || place.run(["budget", "deliver", "-o", "json"]).good().json()["delivered"] == 1;
    while !delivered() {
        std::thread::yield_now();
    }
    let thresholds: Vec<_> = received(&place).iter().map(|alert| alert["threshold"].clone()).collect();
    assert_eq!(thresholds, [Value::from(0.8), Value::from(1)]);
    assert_eq!(place.run(["budget", "deliver"]).good().out, "delivered 0 alerts; 0 wait\n");
}

#[test]
fn a_command_that_is_not_there_is_named_and_costs_nothing_but_the_alert() {
    let place = settled("[alerts]\nexec = [\"/nowhere/notify\"]\ntimeout = \"1s\"\n");
    let ran = track(&place, 60_000).good();
    assert!(ran.err.contains("`/nowhere/notify` cannot be run"), "{}", ran.err);
    assert_eq!(place.json("tokens")["rows"][0]["total_tokens"], 60_000);
    let place = Place::new();
    track(&place, 1).good();
    place.run(["budget", "deliver"]).ends(2, "no command takes alerts\nhelp: ");
}

#[test]
fn the_limits_of_the_replaced_system_are_heeded_under_its_names() {
    let place = settled("max_tokens_per_hour = 1000\ntoken_warning_threshold = 0.5\n");
    assert!(track(&place, 499).good().err.is_empty());
    assert!(track(&place, 1).good().err.contains("budget hourly: 500 of 1000"));
    let rows = place.run(["budget", "-o", "json"]).good().json();
    let limits: Vec<_> = rows.as_array().unwrap().iter().map(|row| row["limit"].as_i64().unwrap()).collect();
    assert_eq!(limits, [1000, 500_000]);
    place
        .run(["budget", "set", "hourly", "--limit", "5"])
        .ends(2, "stands in logq.toml, as `tokens_per_hour`");
    place.run(["budget", "set", "daily", "--limit", "5"]).good();
    fs::write(place.store().join("logq.toml"), "token_monitoring_enabled = false").unwrap();
    assert_eq!(place.run(["budget", "check", "--tokens", "1"]).good().out, "", "no budget is left");
}

#[test]
fn what_the_file_says_is_what_a_command_does() {
    let place =
        settled("output = \"json\"\ntz = \"Asia/Tokyo\"\nretain_for = \"1d\"\narchive_after = \"never\"\n");
    place.run(["append", "message=hello"]).good();
    assert_eq!(place.run(["events | keep message"]).good().json()["rows"][0]["message"], "hello");
    assert!(
        place.run(["-o", "csv", "events | keep message"]).good().out.starts_with("message\n"),
        "what is typed wins"
    );
    place.run(["seal"]).good();
    let plan = place.run(["--now", "2100-01-01", "maintain", "--dry-run"]).good().json();
    assert_eq!(plan["steps"][0]["step"], "expire", "{plan}");
    let shown = place.run(["config"]).good().out;
    let line = |name: &str| -> Value {
        let lines = shown.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.into_iter().find(|line| line["name"] == name).unwrap()
    };
    assert!(line("retain_for")["from"].as_str().unwrap().ends_with("store/logq.toml"), "{shown}");
    assert_eq!(
        (&line("archive_after")["value"], &line("seal_after")["from"]),
        (&"\"never\"".into(), &"the default".into())
    );
    assert_eq!(line("tz")["value"], "Asia/Tokyo");
}

#[test]
fn reports_have_the_names_of_their_page_and_a_store_may_have_its_own() {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/REPORTS.md")).unwrap();
    let rows =
        page.lines().filter_map(|line| line.strip_prefix("| `@")?.strip_suffix("` |")?.split_once("` | `"));
    let reports: Vec<_> = rows.map(|(name, query)| (name, query.replace("\\|", "|"))).collect();
    assert_eq!(reports.len(), 10);
    let place = settled("[queries]\nmodels = \"tokens by model\"\n");
    place.run(["budget", "set", "block", "--limit", "2000", "--window", "session:5h"]).good();
    track(&place, 500).good();
    for (name, query) in reports {
        let named = place.run(["-o", "json", &format!("@{name}")]).good().json();
        if name == "models" {
            assert_eq!(named["query"], "tokens by model");
            continue;
        }
        assert_eq!(named["query"].as_str(), Some(query.as_str()));
        assert!(!named["rows"].as_array().unwrap().is_empty(), "{name}: {named}");
    }
    let block = &place.json("@block")["rows"][0];
    // The sum of the day, if the pace of the moment goes on, is a multiple of what was used.
    assert!(block["projected"].as_f64().unwrap() > 500.0 && block["used"] == 500, "{block}");
    let cut = place.run(["-o", "json", "@models", "top", "1", "by", "calls"]).good().json();
    assert_eq!(cut["query"], "tokens by model top 1 by calls");
    place.run(["@dayly"]).ends(2, "no query has the name `@dayly`\nhelp: there are @models, @daily");
}

#[test]
fn rules_of_retention_drop_what_they_name_when_it_is_old_enough_and_nothing_else() {
    let rules = "[[retention]]\nwhere = \"level = debug or message contains secret\"\nfor = \"3d\"\n";
    let place = settled(rules);
    for (level, message) in
        [("debug", "one"), ("info", "two"), ("info", "the secret of three"), ("error", "four")]
    {
        place.run(["append", &format!("level={level}"), &format!("message={message}")]).good();
    }
    place.run(["seal"]).good();
    let arrived =
        place.json("events limit 1 | keep _arrived")["rows"][0]["_arrived"].as_str().unwrap().to_owned();
    let days = |days: i64| {
        let arrived: jiff::Timestamp = arrived.parse().unwrap();
        (arrived + jiff::SignedDuration::from_hours(24 * days)).to_string()
    };
    let early = place.run(["--now", &days(2), "maintain"]).good();
    assert_eq!(early.out, "nothing to do; 0 unsealed records\n");
    let plan = place.run(["--now", &days(4), "maintain", "--dry-run", "-o", "json"]).good().json();
    assert_eq!(
        (&plan["steps"][0]["step"], &plan["steps"][0]["records"]),
        (&"drop".into(), &2.into()),
        "{plan}"
    );
    assert!(plan["steps"][0]["why"].as_str().unwrap().contains("level = debug or message contains secret"));
    assert_eq!(place.count(), 4, "a plan removes nothing");
    let done = place.run(["--now", &days(4), "maintain"]).good();
    assert!(done.out.starts_with("drop   2 events, ") && done.out.contains("1 step done"), "{}", done.out);
    let left: Vec<_> = place.json("events | sort message | keep message")["rows"].as_array().unwrap().clone();
    assert_eq!(left.iter().map(|row| &row["message"]).collect::<Vec<_>>(), ["four", "two"]);
    assert!(place.run(["check", "--deep"]).good().out.contains("no damage"));
    assert!(place.run(["--now", &days(4), "maintain"]).good().out.starts_with("nothing to do"));
    // No condition gets around the age, and `retain = false` switches every rule off.
    for rules in [
        "[[retention]]\nwhere = \"(level = info) or (level = error)\"\nfor = \"30d\"\n",
        "retain = false\nretain_for = \"1d\"\n[[retention]]\nwhere = \"level = info\"\nfor = \"1d\"\n",
        "cleanup_enabled = false\nretain_bytes = 1\n[[retention]]\nwhere = \"level = info\"\nfor = \"1d\"\n",
    ] {
        fs::write(place.store().join("logq.toml"), rules).unwrap();
        let kept = place.run(["--now", &days(4), "maintain"]).good();
        assert_eq!(kept.out, "nothing to do; 0 unsealed records\n", "{rules}");
        assert_eq!(place.count(), 2, "{rules}");
    }
    for (text, said) in [
        ("[[retention]]\nfor = \"3d\"", "`where` says which events"),
        ("[[retention]]\nwhere = \"level=debug\"", "`for` is a length of time"),
        ("[[retention]]\nwhere = \"level = info) or (level = error\"\nfor = \"3d\"", "retention: error Q"),
        ("[[retention]]\nwhere = \"level = = debug\"\nfor = \"3d\"", "retention: error Q"),
        (
            "[[retention]]\nwhere = \"level=debug\"\nfor = \"3d\"\nafter = 3",
            "there is no setting `retention.after`",
        ),
        ("retention = 3", "there is no setting `retention`"),
    ] {
        fs::write(place.store().join("logq.toml"), text).unwrap();
        place.run(["maintain"]).ends(2, said);
    }
}

#[test]
fn a_file_that_cannot_be_heeded_stops_what_would_not_heed_it() {
    let place = settled("retain_four = \"1d\"\n");
    for call in [&["append", "message=x"][..], &["events"], &["maintain"], &["config"]] {
        let ran = place
            .run(call)
            .ends(2, "logq.toml: there is no setting `retain_four`\nhelp: did you mean `retain_for`");
        assert_eq!(ran.out, "");
    }
    assert!(!place.store().join("MANIFEST").exists(), "nothing was made");
}

#[test]
fn prompts_and_responses_go_on_a_clock_of_their_own_and_the_events_stay() {
    let place = settled("retain_bodies_for = \"7d\"\n");
    let chat =
        ["append", "kind=ai", "model=llama3.2", "prompt_tokens=12", "prompt=tell me a secret", "response=no"];
    place.run(chat).good();
    place.run(["append", "message=hello"]).good();
    place.run(["seal"]).good();
    let plan = place.run(["--now", "2100-01-01", "maintain", "--dry-run", "-o", "json"]).good().json();
    let step = &plan["steps"][0];
    assert_eq!((&step["step"], &step["records"]), (&"bodies".into(), &1.into()), "{plan}");
    assert!(
        step["why"].as_str().unwrap().starts_with("retain_bodies_for: prompts and responses go"),
        "{plan}"
    );
    assert_eq!(place.json("events where prompt contains secret | stats count")["rows"][0]["count"], 1);
    let done = place.run(["--now", "2100-01-01", "maintain"]).good();
    assert!(done.out.contains("bodies 1 record, "), "{}", done.out);
    let row = place.json("events where kind = ai")["rows"][0].clone();
    assert_eq!(
        (&row["prompt"], &row["response"]),
        (&serde_json::Value::Null, &serde_json::Value::Null),
        "{row}"
    );
    let kept =
        place.json("events where _flags contains body_dropped | keep model, prompt_tokens")["rows"].clone();
    assert_eq!(kept.as_array().map(Vec::len), Some(1), "{kept}");
    assert_eq!((&kept[0]["model"], &kept[0]["prompt_tokens"]), (&"llama3.2".into(), &12.into()), "{kept}");
    assert!(place.run(["check", "--deep"]).good().out.contains("no damage"));
    // `retain = false` switches it off, too.
    let place = settled("retain = false\nretain_bodies_for = \"7d\"\narchive = false\n");
    place.run(chat).good();
    place.run(["seal"]).good();
    assert!(place.run(["--now", "2100-01-01", "maintain"]).good().out.starts_with("nothing to do"));
}
