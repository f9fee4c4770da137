//! Usage objects of providers: what ends in which bucket, on examples and on a public set of real ones.

use std::io::Read as _;
use std::path::PathBuf;

use logq_tokens::{Bucket, Money, NoUsage, Source, State, Usage, read_usage};
use serde_json::{Value, json};

/// What is in every bucket that is not absent.
fn buckets(usage: &Usage) -> Vec<(&'static str, u64)> {
    let present = Bucket::ALL.into_iter().filter(|bucket| usage.get(*bucket).state == State::Reported);
    present.map(|bucket| (bucket.as_str(), usage.tokens(bucket))).collect()
}

#[track_caller]
fn check(source: Source, object: &Value, want: &[(&str, u64)]) -> Usage {
    let usage = read_usage(source, object).unwrap();
    assert_eq!(buckets(&usage), want);
    if let Some(total) = usage.total_reported {
        assert_eq!(usage.total(), total);
    }
    usage
}

#[test]
fn openai_includes_the_cached_and_the_thought() {
    let chat = json!({
        "prompt_tokens": 1500, "completion_tokens": 87, "total_tokens": 1587,
        "prompt_tokens_details": {"cached_tokens": 1024, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 64, "audio_tokens": 0},
    });
    let want = [("in_uncached", 476), ("in_cache_read", 1024), ("out_text", 23), ("out_reasoning", 64)];
    let usage = check(Source::OpenAi, &chat, &want);
    assert_eq!((usage.prompt_tokens(), usage.response_tokens(), usage.clamps), (1500, 87, 0));
    let responses = json!({
        "input_tokens": 4020, "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 4012},
        "output_tokens": 5, "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 4025,
    });
    let want = [
        ("in_uncached", 8),
        ("in_cache_read", 0),
        ("in_cache_write_other", 4012),
        ("out_text", 5),
        ("out_reasoning", 0),
    ];
    check(Source::OpenAi, &responses, &want);
    // Embeddings have no output, and say nothing of a cache.
    check(Source::OpenAi, &json!({"prompt_tokens": 4, "total_tokens": 4}), &[("in_uncached", 4)]);
}

#[test]
fn those_who_speak_like_openai_are_read_alike() {
    let deepseek = json!({
        "prompt_tokens": 100, "prompt_cache_hit_tokens": 64, "prompt_cache_miss_tokens": 36,
        "completion_tokens": 9, "total_tokens": 109,
    });
    check(Source::OpenAi, &deepseek, &[("in_uncached", 36), ("in_cache_read", 64), ("out_text", 9)]);
    let mistral =
        json!({"prompt_tokens": 70, "completion_tokens": 12, "num_cached_tokens": 69, "total_tokens": 82});
    check(Source::OpenAi, &mistral, &[("in_uncached", 1), ("in_cache_read", 69), ("out_text", 12)]);
    let openrouter =
        json!({"prompt_tokens": 14, "completion_tokens": 4, "total_tokens": 18, "cost": 0.000102});
    let usage = check(Source::OpenAi, &openrouter, &[("in_uncached", 14), ("out_text", 4)]);
    assert_eq!(usage.cost_reported, Some(Money::from_nanos(102_000)));
    // xAI leaves the thought out of the output, and the total shows it.
    let xai = json!({
        "prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 115,
        "completion_tokens_details": {"reasoning_tokens": 100},
    });
    check(Source::OpenAi, &xai, &[("in_uncached", 10), ("out_text", 5), ("out_reasoning", 100)]);
}

#[test]
fn anthropic_and_bedrock_exclude_the_cached() {
    let anthropic = json!({
        "input_tokens": 6, "cache_creation_input_tokens": 574, "cache_read_input_tokens": 20_443,
        "cache_creation": {"ephemeral_5m_input_tokens": 500, "ephemeral_1h_input_tokens": 74},
        "output_tokens": 489, "output_tokens_details": {"thinking_tokens": 77},
    });
    let want = [
        ("in_uncached", 6),
        ("in_cache_read", 20_443),
        ("in_cache_write_5m", 500),
        ("in_cache_write_1h", 74),
        ("out_text", 412),
        ("out_reasoning", 77),
    ];
    assert_eq!(check(Source::Anthropic, &anthropic, &want).prompt_tokens(), 21_023);
    let older = json!({"input_tokens": 3, "cache_creation_input_tokens": 12_304, "cache_read_input_tokens": 0, "output_tokens": 550});
    let want =
        [("in_uncached", 3), ("in_cache_read", 0), ("in_cache_write_other", 12_304), ("out_text", 550)];
    check(Source::Anthropic, &older, &want);
    let bedrock = json!({
        "inputTokens": 3, "outputTokens": 288, "totalTokens": 2365, "cacheReadInputTokens": 0, "cacheWriteInputTokens": 2074,
        "cacheDetails": [{"inputTokens": 2074, "ttl": "5m"}],
    });
    let want = [
        ("in_uncached", 3),
        ("in_cache_read", 0),
        ("in_cache_write_5m", 2074),
        ("in_cache_write_other", 0),
        ("out_text", 288),
    ];
    check(Source::Bedrock, &bedrock, &want);
}

#[test]
fn gemini_includes_the_cached_and_excludes_thoughts_and_tools() {
    let gemini = json!({
        "promptTokenCount": 345, "cachedContentTokenCount": 191, "candidatesTokenCount": 80, "thoughtsTokenCount": 141,
        "toolUsePromptTokenCount": 100, "totalTokenCount": 666,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 87}, {"modality": "IMAGE", "tokenCount": 258}],
    });
    let want = [("in_uncached", 254), ("in_cache_read", 191), ("out_text", 80), ("out_reasoning", 141)];
    let usage = check(Source::Gemini, &gemini, &want);
    assert_eq!((usage.extra[0].name.as_str(), usage.extra[0].tokens), ("in_image", 258));
}

#[test]
fn ollama_tells_absent_from_zero_from_some() {
    let read = |object| buckets(&read_usage(Source::Ollama, &object).unwrap());
    assert_eq!(
        read(json!({"prompt_eval_count": 26, "eval_count": 298})),
        [("in_uncached", 26), ("out_text", 298)]
    );
    assert_eq!(
        read(json!({"prompt_eval_count": 26, "prompt_eval_cached_count": 0, "eval_count": 298})),
        [("in_uncached", 26), ("in_cache_read", 0), ("out_text", 298)]
    );
    assert_eq!(
        read(json!({"prompt_eval_count": 26, "prompt_eval_cached_count": 20, "eval_count": 298})),
        [("in_uncached", 6), ("in_cache_read", 20), ("out_text", 298)]
    );
    // A prompt that was cached as a whole, on an old server.
    assert_eq!(read(json!({"eval_count": 298})), [("out_text", 298)]);
}

#[test]
fn a_part_larger_than_its_whole_is_cut_and_counted() {
    let wrong = json!({
        "prompt_tokens": 10, "prompt_tokens_details": {"cached_tokens": 50},
        "completion_tokens": 3, "completion_tokens_details": {"reasoning_tokens": 9},
    });
    let want = [("in_uncached", 0), ("in_cache_read", 10), ("out_text", 0), ("out_reasoning", 3)];
    assert_eq!(check(Source::OpenAi, &wrong, &want).clamps, 2);
}

#[test]
fn what_is_no_usage_is_refused_and_odd_numbers_are_read_or_left_out() {
    for source in [Source::OpenAi, Source::Anthropic, Source::Gemini, Source::Ollama, Source::Bedrock] {
        for nothing in [json!(null), json!([1]), json!("x"), json!(5)] {
            assert_eq!(read_usage(source, &nothing), Err(NoUsage::NotAnObject));
        }
        assert_eq!(read_usage(source, &json!({"model": "x"})), Err(NoUsage::NoNumbers));
    }
    let odd = json!({"input_tokens": "12", "output_tokens": 7.0, "cache_read_input_tokens": -5, "cache_creation": null});
    check(Source::Anthropic, &odd, &[("in_uncached", 12), ("out_text", 7)]);
    assert_eq!("azure.ai.openai".parse(), Ok(Source::OpenAi));
    assert_eq!("gcp.vertex_ai".parse(), Ok(Source::Gemini));
    assert_eq!("nobody".parse::<Source>(), Err(NoUsage::Source));
}

/// The object with the numbers, and the extractor of the truth that reads it as its own provider does.
fn shape(body: &Value) -> Option<(Source, &Value, &'static str, &'static str)> {
    if let Some(usage) = body.get("usageMetadata") {
        return Some((Source::Gemini, usage, "google", "default"));
    }
    let usage = body.get("usage")?;
    let has = |name: &str| usage.get(name).is_some();
    Some(match () {
        () if has("inputTokens") => (Source::Bedrock, usage, "aws", "default"),
        // Read by the truth as by nobody else: its own extractor knows no cache.
        () if has("num_cached_tokens") => return None,
        () if has("prompt_tokens") => (Source::OpenAi, usage, "openai", "chat"),
        () if has("input_tokens_details") => (Source::OpenAi, usage, "openai", "responses"),
        () if has("input_tokens") => (Source::Anthropic, usage, "anthropic", "default"),
        () => return None,
    })
}

#[test]
fn real_usage_objects_are_read_as_an_independent_reader_does() {
    let Some(folder) = std::env::var_os("LOGQ_TEST_DATA").map(PathBuf::from).filter(|path| path.is_dir())
    else {
        eprintln!("SKIP: LOGQ_TEST_DATA names no folder; usage is tested on examples only");
        return;
    };
    let file = std::fs::File::open(folder.join("usage_truth/usages.jsonl.gz")).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    let mut compared = 0;
    for line in text.split('\n').filter(|line| !line.is_empty()) {
        let row: Value = serde_json::from_str(line).unwrap();
        let Some((source, object, provider, flavor)) = shape(&row["body"]) else { continue };
        let own = row["extracted"].as_array().unwrap().iter().find(|one| {
            one["extractors"]
                .as_array()
                .unwrap()
                .iter()
                .any(|by| by["provider_id"] == provider && by["api_flavor"] == flavor)
        });
        let Some(truth) = own.map(|own| &own["usage"]) else { continue };
        let number = |name: &str| truth[name].as_u64().unwrap_or(0);
        let usage = read_usage(source, object).unwrap();
        let written = [Bucket::InCacheWrite5m, Bucket::InCacheWrite1h, Bucket::InCacheWriteOther];
        let got = [
            usage.prompt_tokens(),
            usage.response_tokens(),
            usage.tokens(Bucket::InCacheRead),
            written.iter().map(|bucket| usage.tokens(*bucket)).sum(),
            usage.tokens(Bucket::OutReasoning),
        ];
        let want = [
            "input_tokens",
            "output_tokens",
            "cache_read_tokens",
            "cache_write_tokens",
            "output_reasoning_tokens",
        ];
        assert_eq!(got, want.map(number), "{source:?} {object}");
        compared += 1;
    }
    assert!(700 <= compared, "{compared}");
}
