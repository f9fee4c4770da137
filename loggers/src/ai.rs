//! Calls of models: what was asked and answered, how many tokens that was and what it cost.
//!
//! What a provider reports counts; where it reports nothing, the texts are counted before the event is appended, and what
//! is not exact says so in `estimated_tokens` and `count_method`. A call whose price nobody knows has no `cost`, which
//! is not a cost of 0: `cost_state` says `unpriced`.

use std::sync::Arc;
use std::time::Duration;

use logq_engine::budget::{Alert, Budgets, Committed, Guard, Request, Reservation};
use logq_engine::{Error, ErrorKind, Event, RecordId, Result, Store, Value, Writer};
use logq_tokens::{Bucket, Call, Cost, Counter, Mode, Prices, State, Tokenizer, Usage};

use crate::memory::int;

/// Logs calls of models, as events of kind `ai`, and what was done to their contexts, of kind `context`.
#[derive(Clone)]
pub struct AiLogger {
    store: Store,
    writer: Writer,
    counter: Arc<Counter>,
    prices: Arc<Prices>,
    keep_texts: bool,
    budgets: Option<Budgets>,
    #[cfg(feature = "tokenizer-json")]
    files: Vec<(String, Arc<logq_tokens::TokenizerFile>)>,
}

/// One call of a model. What is not known stays `None`.
#[derive(Clone, Copy, Debug, Default)]
pub struct AiOperation<'a> {
    /// What the call was for.
    pub operation: &'a str,
    /// The model as it was billed.
    pub model: &'a str,
    /// Who served it; `ollama` and other local ones cost nothing.
    pub provider: Option<&'a str>,
    /// What was asked.
    pub prompt: Option<&'a str>,
    /// What was answered.
    pub response: Option<&'a str>,
    /// The usage that the provider reported. Without it the texts are counted.
    pub usage: Option<&'a Usage>,
    /// What sort of context the call had.
    pub context_type: Option<&'a str>,
    /// The conversation.
    pub session: Option<&'a str>,
    /// On whose behalf.
    pub user: Option<&'a str>,
    /// From the request to the last token.
    pub latency: Option<Duration>,
    /// How it was billed.
    pub mode: Mode,
    /// When it began, in nanoseconds since 1970; without it the event has the time of its arrival.
    pub time_ns: Option<i64>,
}

impl<'a> AiOperation<'a> {
    /// A call of which nothing else is known.
    #[must_use]
    pub fn new(operation: &'a str, model: &'a str) -> Self {
        Self { operation, model, ..Self::default() }
    }
}

/// What was written to a cache, of the prompt.
const WRITES: [Bucket; 3] = [Bucket::InCacheWrite5m, Bucket::InCacheWrite1h, Bucket::InCacheWriteOther];
/// What makes up a prompt.
const PROMPT: [Bucket; 5] = [
    Bucket::InUncached,
    Bucket::InCacheRead,
    Bucket::InCacheWrite5m,
    Bucket::InCacheWrite1h,
    Bucket::InCacheWriteOther,
];

impl std::fmt::Debug for AiLogger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AiLogger").field("keep_texts", &self.keep_texts).finish_non_exhaustive()
    }
}

impl AiLogger {
    /// A logger that appends to the store with this writer, and prices calls with the built-in table.
    #[must_use]
    pub fn new(store: &Store, writer: Writer) -> Self {
        Self {
            store: store.clone(),
            writer,
            counter: Arc::default(),
            prices: Arc::new(Prices::built_in().clone()),
            keep_texts: true,
            budgets: None,
            #[cfg(feature = "tokenizer-json")]
            files: Vec::new(),
        }
    }

    /// Books each call with the budgets of the store as it is logged, so that a limit and its alerts never lag behind. Without
    /// this they learn of calls from the log, within a tenth of a second while somebody uses them.
    ///
    /// # Errors
    /// As [`Budgets::with_writer`].
    pub fn with_budgets(self) -> Result<Self> {
        let budgets = Some(self.budgets()?);
        Ok(Self { budgets, ..self })
    }

    /// Calls `callback` for each threshold of a budget that this process finds crossed.
    pub fn on_alert(&self, callback: impl Fn(&Alert) + Send + Sync + 'static) {
        self.store.budgets().on_alert(callback);
    }

    fn budgets(&self) -> Result<Budgets> {
        match &self.budgets {
            Some(budgets) => Ok(budgets.clone()),
            None => self.store.budgets().with_writer(self.writer.clone()),
        }
    }

    /// Prices calls with another table.
    #[must_use]
    pub fn prices(self, prices: Prices) -> Self {
        Self { prices: Arc::new(prices), ..self }
    }

    /// Counts the texts of a model with a tokenizer.json of the user's own, up to [`logq_tokens::EXACT_SIZE_MAX`] bytes; a longer text is counted
    /// as without it. Events say so: `count_method` is `file:` and the file's name, and the tokens are estimated ones, as the
    /// template that a provider puts around a text is in no text.
    #[cfg(feature = "tokenizer-json")]
    #[must_use]
    pub fn tokenizer(mut self, model: &str, tokenizer: logq_tokens::TokenizerFile) -> Self {
        self.files.push((model.to_owned(), Arc::new(tokenizer)));
        self
    }

    /// Counts prompts and responses, and does not store them.
    #[must_use]
    pub fn without_texts(self) -> Self {
        Self { keep_texts: false, ..self }
    }

    /// A call of a model.
    ///
    /// # Errors
    /// As [`Writer::append`], and with budgets as [`Budgets::record`].
    pub fn operation(&self, call: &AiOperation<'_>) -> Result<RecordId> {
        let event = self.event(call);
        let Some(budgets) = &self.budgets else { return self.writer.append(&event) };
        let id = budgets.record(&event)?.id;
        id.ok_or_else(|| Error::new(ErrorKind::Invalid, "BUG: a call without an id of its own was known"))
    }

    /// Holds what a call may use at most, before it is made: its prompt, counted or as `usage` says, and so many tokens
    /// of response; and what that costs, where its model has a price. A refusal says which budget has too little left.
    ///
    /// # Errors
    /// As [`Budgets::reserve`].
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// use logq_engine::budget::Reservation;
    /// use logq_engine::{Options, Store};
    /// use logq_loggers::{AiLogger, AiOperation};
    /// let store = Store::open(dir.path(), Options::default())?;
    /// let logger = AiLogger::new(&store, store.writer()?);
    /// let call = AiOperation { prompt: Some("Which way?"), ..AiOperation::new("puzzle_analysis", "llama3.2") };
    /// match logger.reserve(&call, 500)? {
    ///     Reservation::Granted(guard) => {
    ///         let call = AiOperation { response: Some("To the left."), ..call };
    ///         logger.commit(guard, &call)?;
    ///     }
    ///     Reservation::Refused(refused) => println!("not now: {refused}"),
    /// }
    /// # Ok::<(), logq_engine::Error>(())
    /// ```
    pub fn reserve(&self, call: &AiOperation<'_>, response_tokens: u64) -> Result<Reservation> {
        let counted = match call.usage {
            Some(usage) => usage.clone(),
            None => self.counted(&AiOperation { response: None, ..*call }).0,
        };
        let prompt: u64 =
            PROMPT.iter().fold(0, |sum: u64, bucket| sum.saturating_add(counted.tokens(*bucket)));
        let mut usage = counted;
        usage.set(Bucket::OutText, response_tokens, State::Estimated);
        if prompt == 0 {
            // A prompt that nobody knows of costs nothing here; without it the response would have no price either.
            usage.set(Bucket::InUncached, 0, State::Estimated);
        }
        let cost = self.priced(call, &usage).amount().and_then(|amount| u64::try_from(amount.nanos()).ok());
        let mut request = Request::new()
            .field("kind", "ai")
            .field("operation", call.operation)
            .model(call.model)
            .prompt_tokens(prompt)
            .response_tokens(response_tokens)
            .cost(cost.unwrap_or(0));
        let words = [
            ("provider", call.provider),
            ("session", call.session),
            ("user", call.user),
            ("context_type", call.context_type),
        ];
        for (name, text) in words {
            if let Some(text) = text {
                request = request.field(name, text);
            }
        }
        self.budgets()?.reserve(&request)
    }

    /// Logs a call that something was reserved for, and books what it did use.
    ///
    /// # Errors
    /// As [`Guard::commit`].
    pub fn commit(&self, guard: Guard, call: &AiOperation<'_>) -> Result<Committed> {
        guard.commit(&self.event(call))
    }

    /// The event of a call, as [`AiLogger::operation`] appends it.
    #[must_use]
    pub fn event(&self, call: &AiOperation<'_>) -> Event {
        let mut event = Event::ai(call.operation).model(call.model);
        if let Some(time) = call.time_ns {
            event = event.at(time);
        }
        let words = [
            ("provider", call.provider),
            ("session", call.session),
            ("user", call.user),
            ("context_type", call.context_type),
            ("prompt", call.prompt.filter(|_| self.keep_texts)),
            ("response", call.response.filter(|_| self.keep_texts)),
        ];
        for (name, text) in words {
            if let Some(text) = text {
                event.set(name, Value::Str(text));
            }
        }
        if let Some(latency) = call.latency {
            event = event.latency(latency);
        }
        match call.usage {
            Some(usage) => self.put(&mut event, call, usage),
            None => {
                let (usage, method) = self.counted(call);
                self.put(&mut event, call, &usage);
                if let Some(method) = method {
                    event.set("count_method", Value::Str(&method));
                }
            }
        }
        event
    }

    /// Tokens that were used, as the provider reported them.
    ///
    /// # Errors
    /// As [`Writer::append`].
    pub fn track_token_usage(
        &self,
        operation: &str,
        prompt_tokens: u64,
        response_tokens: u64,
        model: &str,
    ) -> Result<RecordId> {
        let mut usage = Usage::default();
        usage.set(Bucket::InUncached, prompt_tokens, State::Reported);
        usage.set(Bucket::OutText, response_tokens, State::Reported);
        self.operation(&AiOperation { usage: Some(&usage), ..AiOperation::new(operation, model) })
    }

    /// A context was made smaller; sizes are in tokens. One that grew is logged as it is.
    ///
    /// # Errors
    /// As [`Writer::append`].
    pub fn context_optimization(
        &self,
        original_size: u64,
        optimized_size: u64,
        context_type: &str,
        method: &str,
    ) -> Result<RecordId> {
        let event = Event::new()
            .kind("context")
            .field("operation", "context_optimization")
            .field("original_size", int(original_size))
            .field("optimized_size", int(optimized_size))
            .field("context_type", context_type)
            .field("method", method);
        self.writer.append(&event)
    }

    /// The usage of a call whose provider said nothing, by its texts; and how it was counted.
    fn counted(&self, call: &AiOperation<'_>) -> (Usage, Option<String>) {
        let mut usage = Usage::default();
        let mut method: Option<(bool, String)> = None;
        for (bucket, text) in [(Bucket::InUncached, call.prompt), (Bucket::OutText, call.response)] {
            let Some(text) = text else { continue };
            let (tokens, exact, how) = self.count(call.model, text);
            usage.set(bucket, tokens, if exact { State::Reported } else { State::Estimated });
            // The less exact of the two speaks for both.
            method = match method {
                Some((false, first)) => Some((false, first)),
                _ => Some((exact, how)),
            };
        }
        (usage, method.map(|(_, how)| how))
    }

    /// The tokens of a text, whether that is what the model's own tokenizer says, and how they were counted.
    fn count(&self, model: &str, text: &str) -> (u64, bool, String) {
        #[cfg(feature = "tokenizer-json")]
        if let Some((_, file)) = self.files.iter().rev().find(|(of, _)| of == model)
            && text.len() <= logq_tokens::EXACT_SIZE_MAX
        {
            return (file.count(text), false, format!("file:{}", file.name()));
        }
        let count = self.counter.count(text, Tokenizer::of_model(model));
        (count.tokens, count.is_exact(), count.to_string())
    }

    /// Puts tokens and cost into an event. What is absent has no field.
    fn put(&self, event: &mut Event, call: &AiOperation<'_>, usage: &Usage) {
        let has = |buckets: &[Bucket]| buckets.iter().any(|bucket| usage.get(*bucket).state != State::Absent);
        let sum =
            |buckets: &[Bucket]| buckets.iter().fold(0_u64, |sum, b| sum.saturating_add(usage.tokens(*b)));
        let prompt = PROMPT;
        let response = [Bucket::OutText, Bucket::OutReasoning];
        let fields: [(&str, &[Bucket]); 5] = [
            ("prompt_tokens", &prompt),
            ("response_tokens", &response),
            ("cached_tokens", &[Bucket::InCacheRead]),
            ("cache_write_tokens", &WRITES),
            ("reasoning_tokens", &[Bucket::OutReasoning]),
        ];
        for (name, buckets) in fields {
            if has(buckets) {
                event.set(name, int(sum(buckets)));
            }
        }
        let known = prompt.iter().chain(&response).any(|bucket| usage.get(*bucket).state != State::Absent);
        if !known && let Some(total) = usage.total_reported.or(Some(usage.total()).filter(|total| 0 < *total))
        {
            event.set("total_tokens", int(total));
        }
        let estimated = Bucket::ALL.iter().filter(|bucket| usage.get(**bucket).state == State::Estimated);
        let estimated: u64 = estimated.map(|bucket| usage.tokens(*bucket)).sum();
        if 0 < estimated {
            event.set("estimated_tokens", int(estimated));
        }
        if known || usage.cost_reported.is_some() {
            self.put_cost(event, call, usage);
        }
    }

    /// What usage costs by the table of prices.
    fn priced(&self, call: &AiOperation<'_>, usage: &Usage) -> Cost {
        let time_ns = call.time_ns.unwrap_or_else(|| self.store.now());
        let call = Call { provider: call.provider, model: call.model, time_ns, mode: call.mode };
        self.prices.cost(&call, usage)
    }

    fn put_cost(&self, event: &mut Event, call: &AiOperation<'_>, usage: &Usage) {
        let (amount, state) = match usage.cost_reported {
            Some(amount) => (Some(amount), "reported"),
            None => {
                let cost = self.priced(call, usage);
                if matches!(cost, Cost::Calculated(_)) {
                    event.set("price_version", Value::Str(self.prices.version()));
                }
                (cost.amount(), cost.state())
            }
        };
        // An amount beyond nine billion dollars is no cost of a call.
        match amount.map(|amount| i64::try_from(amount.nanos())) {
            Some(Ok(nanos)) => {
                event.set("cost", Value::Cost(nanos));
                event.set("cost_state", Value::Str(state));
            }
            Some(Err(_)) | None => event.set("cost_state", Value::Str("unpriced")),
        }
    }
}
