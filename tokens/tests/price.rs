//! What calls cost: public cases that went wrong elsewhere, the edges of tiers, what has no price.

use std::io::Read as _;
use std::path::PathBuf;

use logq_tokens::{
    Bucket, Call, Cost, Extra, Mode, Money, Prices, Source, State, Unpriced, Usage, read_usage,
};
use serde_json::{Value, json};

const NOW: i64 = 1_795_392_000_000_000_000;

fn call(model: &str) -> Call<'_> {
    Call { model, time_ns: NOW, ..Call::default() }
}

fn usage(buckets: &[(Bucket, u64)]) -> Usage {
    let mut usage = Usage::default();
    buckets.iter().for_each(|(bucket, tokens)| usage.set(*bucket, *tokens, State::Reported));
    usage
}

#[track_caller]
fn costs(cost: &Cost, dollars: &str) {
    assert_eq!(cost.amount(), Money::parse(dollars), "{cost:?}");
}

#[test]
fn a_cached_prompt_of_gemini_is_charged_once() {
    // BerriAI/litellm 14849: charged $0.7642 for $0.1849, at the prices of that day.
    let own = Prices::parse("gemini-2.5-pro,,standard,,1.25,0.625,,,10,,own").unwrap();
    let reported = json!({
        "prompt_tokens": 262_960, "completion_tokens": 1_744, "total_tokens": 264_704,
        "prompt_tokens_details": {"cached_tokens": 257_955},
    });
    let usage = read_usage(Source::OpenAi, &reported).unwrap();
    costs(&Prices::built_in().with(&own).cost(&call("gemini/gemini-2.5-pro"), &usage), "0.184918125");
}

#[test]
fn a_cache_write_of_anthropic_is_charged_once() {
    // BerriAI/litellm 9812: charged $0.0913, on the bill were $0.05439.
    let reported = json!({"input_tokens": 3, "cache_creation_input_tokens": 12_304, "cache_read_input_tokens": 0, "output_tokens": 550});
    let usage = read_usage(Source::Anthropic, &reported).unwrap();
    costs(&Prices::built_in().cost(&call("anthropic/claude-3-7-sonnet-20250219"), &usage), "0.054399");
}

#[test]
fn a_cache_read_of_bedrock_is_no_input_anew() {
    // Arize-ai/phoenix 10036: charged $0.20 for about $0.0048, at the prices of that region.
    let own = Prices::parse("claude-sonnet-4-5,,standard,,3.3,0.33,4.125,,16.5,,own").unwrap();
    let reported = json!({"inputTokens": 3, "outputTokens": 12, "cacheReadInputTokens": 13_216, "cacheWriteInputTokens": 25});
    let usage = read_usage(Source::Bedrock, &reported).unwrap();
    let cost =
        Prices::built_in().with(&own).cost(&call("us.anthropic.claude-sonnet-4-5-20250929-v1:0"), &usage);
    // 3 * 3.3 + 25 * 4.125 + 13,216 * 0.33 + 12 * 16.5 = 4,672.305 a million.
    costs(&cost, "0.004672305");
}

#[test]
fn inclusive_inputs_are_split_before_they_are_priced() {
    // langfuse/langfuse 10592 (OpenRouter) and langfuse/codex-observability-plugin 22 (Codex).
    let openrouter = json!({"prompt_tokens": 17_903, "prompt_tokens_details": {"cached_tokens": 17_817}, "completion_tokens": 0});
    let codex = json!({"input_tokens": 117_231, "cached_input_tokens": 115_584, "output_tokens": 225, "total_tokens": 117_456});
    for (reported, anew, cached) in [(openrouter, 86, 17_817), (codex, 1_647, 115_584)] {
        let usage = read_usage(Source::OpenAi, &reported).unwrap();
        assert_eq!((usage.tokens(Bucket::InUncached), usage.tokens(Bucket::InCacheRead)), (anew, cached));
    }
    // 1,647 * 1.25 + 115,584 * 0.125 + 225 * 10 a million, of gpt-5.
    let usage = usage(&[(Bucket::InUncached, 1_647), (Bucket::InCacheRead, 115_584), (Bucket::OutText, 225)]);
    costs(&Prices::built_in().cost(&call("gpt-5-2025-08-07"), &usage), "0.01875675");
}

#[test]
fn thoughts_and_tools_of_gemini_are_charged_and_the_cached_only_as_such() {
    let reported = json!({
        "promptTokenCount": 11_125, "cachedContentTokenCount": 7_441, "candidatesTokenCount": 20, "thoughtsTokenCount": 409,
        "totalTokenCount": 11_554,
    });
    let usage = read_usage(Source::Gemini, &reported).unwrap();
    // 3,684 * 0.5 + 7,441 * 0.05 + 429 * 3 a million.
    costs(&Prices::built_in().cost(&call("gemini-3-flash-preview"), &usage), "0.00350105");
}

#[test]
fn a_tier_prices_the_whole_request_from_the_token_above_its_bound() {
    let cost = |model, prompt| {
        Prices::built_in()
            .cost(&call(model), &usage(&[(Bucket::InUncached, prompt), (Bucket::OutText, 1_000)]))
    };
    costs(&cost("gemini-2.5-pro", 200_000), "0.26");
    costs(&cost("gemini-2.5-pro", 200_001), "0.5150025");
    costs(&cost("gemini-2.5-pro", 250_000), "0.64");
    // Of xAI the bound belongs to the upper tier.
    costs(&cost("xai/grok-4.20-0309-reasoning", 199_999), "0.25249875");
    costs(&cost("xai/grok-4.20-0309-reasoning", 200_000), "0.505");
    // What came from the cache is part of the prompt's length.
    let cached = usage(&[(Bucket::InUncached, 1), (Bucket::InCacheRead, 200_000)]);
    costs(&Prices::built_in().cost(&call("gemini-2.5-pro"), &cached), "0.0500025");
}

#[test]
fn modes_have_their_own_prices_and_no_tier_they_do_not_name() {
    let small = usage(&[(Bucket::InUncached, 1_000_000), (Bucket::OutText, 0)]);
    let cost = |mode, model, usage: &Usage| Prices::built_in().cost(&Call { mode, ..call(model) }, usage);
    costs(&cost(Mode::Standard, "gpt-4o", &small), "2.5");
    costs(&cost(Mode::Batch, "gpt-4o", &small), "1.25");
    costs(&cost(Mode::Priority, "gpt-4o", &small), "4.25");
    assert_eq!(cost(Mode::Fast, "gpt-4o", &small), Cost::Unpriced(Unpriced::Mode));
    let long = usage(&[(Bucket::InUncached, 250_000)]);
    costs(&cost(Mode::Batch, "gemini-2.5-pro", &long), "0.3125");
    assert_eq!(cost(Mode::Flex, "gemini-2.5-pro", &long), Cost::Unpriced(Unpriced::Tier));
    for (name, mode) in [("", Mode::Standard), ("default", Mode::Standard), ("priority", Mode::Priority)] {
        assert_eq!(Mode::named(name), Some(mode));
    }
    assert_eq!(Mode::named("scale"), None);
}

#[test]
fn cache_writes_cost_by_how_long_they_are_kept() {
    let cost = |bucket| Prices::built_in().cost(&call("claude-opus-4-5"), &usage(&[(bucket, 1_000_000)]));
    costs(&cost(Bucket::InUncached), "5");
    costs(&cost(Bucket::InCacheRead), "0.5");
    costs(&cost(Bucket::InCacheWrite5m), "6.25");
    costs(&cost(Bucket::InCacheWriteOther), "6.25");
    costs(&cost(Bucket::InCacheWrite1h), "10");
}

#[test]
fn what_is_not_known_is_unpriced_and_what_is_local_is_free() {
    let plain = usage(&[(Bucket::InUncached, 10), (Bucket::OutText, 10)]);
    let prices = Prices::built_in();
    for model in ["", "gpt-99", "llama3.2", "ft:gpt-4o:org", "deepseek-chat:free"] {
        let cost = prices.cost(&call(model), &plain);
        assert_eq!(
            (&cost, cost.amount(), cost.state()),
            (&Cost::Unpriced(Unpriced::Model), None, "unpriced")
        );
    }
    let local = prices.cost(&Call { provider: Some("ollama"), ..call("llama3.2") }, &plain);
    assert_eq!((local.state(), local.amount()), ("free", Some(Money::ZERO)));
    let unpriced = |usage: &Usage| match prices.cost(&call("gpt-4-turbo"), usage) {
        Cost::Unpriced(why) => why,
        cost => panic!("{cost:?}"),
    };
    assert_eq!(
        unpriced(&usage(&[(Bucket::InUncached, 1), (Bucket::InCacheRead, 1)])),
        Unpriced::Bucket(Bucket::InCacheRead)
    );
    assert_eq!(
        unpriced(&usage(&[(Bucket::InUncached, 1), (Bucket::Unattributed, 1)])),
        Unpriced::Bucket(Bucket::Unattributed)
    );
    assert_eq!(unpriced(&usage(&[(Bucket::OutText, 1)])), Unpriced::Input);
    let mut spoken = plain.clone();
    spoken.extra.push(Extra { name: "in_audio".into(), tokens: 5, included: true });
    assert_eq!(unpriced(&spoken), Unpriced::Modality("in_audio".into()));
    // Nothing in a bucket without a rate costs nothing.
    costs(
        &prices.cost(&call("gpt-4-turbo"), &usage(&[(Bucket::InUncached, 0), (Bucket::InCacheRead, 0)])),
        "0",
    );
}

#[test]
fn a_price_holds_from_its_day_and_versions_tell_tables_apart() {
    let own = Prices::parse(
        "m,,standard,,4,,,,8,,own\nm,2026-06-01,standard,,2,,,,8,,own\nm,2027-01-01,standard,,1,,,,8,,own",
    )
    .unwrap();
    let at = |day: i64| {
        own.cost(
            &Call { time_ns: day * 86_400_000_000_000, ..call("m") },
            &usage(&[(Bucket::InUncached, 1_000_000)]),
        )
    };
    costs(&at(0), "4");
    costs(&at(20_604), "4");
    costs(&at(20_605), "2");
    costs(&at(20_818), "2");
    costs(&at(20_819), "1");
    let built_in = Prices::built_in();
    let both = built_in.with(&own);
    assert_eq!(both.version().len(), 16);
    assert_ne!(both.version(), built_in.version());
    assert_eq!(both.version(), built_in.with(&own).version());
    let reordered =
        Prices::parse("# again\nm,2027-01-01,,,1,,,,8,,x\nm,2026-06-01,,,2,,,,8,,x\nm,,,,4.00,,,,8,,x")
            .unwrap();
    assert_eq!(reordered.version(), own.version());
}

#[test]
fn a_cost_is_rounded_once_and_never_overflows() {
    let own = Prices::parse("m,,standard,,0.0005,,,,0.0005,,own").unwrap();
    // Half a billionth each, one together.
    costs(&own.cost(&call("m"), &usage(&[(Bucket::InUncached, 1), (Bucket::OutText, 1)])), "0.000000001");
    let huge = usage(&[(Bucket::InUncached, u64::MAX), (Bucket::OutText, u64::MAX)]);
    assert!(Prices::built_in().cost(&call("gpt-4o"), &huge).amount() > Some(Money::ZERO));
}

#[test]
fn real_calls_cost_what_an_independent_table_says() {
    let Some(folder) = std::env::var_os("LOGQ_TEST_DATA").map(PathBuf::from).filter(|path| path.is_dir())
    else {
        eprintln!("SKIP: LOGQ_TEST_DATA names no folder; prices are tested on examples only");
        return;
    };
    let file = std::fs::File::open(folder.join("usage_truth/usages.jsonl.gz")).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    let (mut same, mut other) = (0, std::collections::BTreeMap::<String, (Money, Money, u32)>::new());
    for line in text.split('\n').filter(|line| !line.is_empty()) {
        let row: Value = serde_json::from_str(line).unwrap();
        let body = &row["body"];
        let (source, object, provider, flavor) = match () {
            () if body["usageMetadata"].is_object() => {
                (Source::Gemini, &body["usageMetadata"], "google", "default")
            }
            () if body["usage"]["input_tokens_details"].is_object() => {
                (Source::OpenAi, &body["usage"], "openai", "responses")
            }
            () if body["usage"]["prompt_tokens"].is_u64() => {
                (Source::OpenAi, &body["usage"], "openai", "chat")
            }
            () if body["usage"]["input_tokens"].is_u64() => {
                (Source::Anthropic, &body["usage"], "anthropic", "default")
            }
            () => continue,
        };
        let extractors =
            row["extracted"].as_array().unwrap().iter().flat_map(|one| one["extractors"].as_array().unwrap());
        let own =
            extractors.into_iter().find(|by| by["provider_id"] == provider && by["api_flavor"] == flavor);
        let Some(own) = own.filter(|own| own["input_price"].is_string()) else { continue };
        let price = |name: &str| own[name].as_str().map_or(Some(Money::ZERO), Money::parse).unwrap();
        let want = price("input_price") + price("output_price");
        let model = row["model"].as_str().unwrap();
        if let Some(got) =
            Prices::built_in().cost(&call(model), &read_usage(source, object).unwrap()).amount()
        {
            // The truth rounds its two parts, each to less than a billionth.
            if (got.nanos() - want.nanos()).abs() <= 2 {
                same += 1;
            } else {
                other.entry(model.to_owned()).or_insert((got, want, 0)).2 += 1;
            }
        }
    }
    eprintln!("{same} calls cost the same, others by model: {other:?}");
    assert!(400 <= same);
    // What is left are models whose price the two tables give differently.
    assert!(other.values().map(|(_, _, calls)| calls).sum::<u32>() * 10 < same, "{other:?}");
}
