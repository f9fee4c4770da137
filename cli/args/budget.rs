//! What was typed behind `logq budget`.

use clap::{ArgAction, Args, Subcommand, ValueEnum};

#[derive(Debug, Args)]
pub(crate) struct Budget {
    #[command(subcommand)]
    pub(crate) action: Option<BudgetAction>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BudgetAction {
    /// How all budgets stand (the default)
    Status,
    /// Define a budget, or change one
    Set(Box<BudgetSet>),
    /// Whether a call would be within all limits: exit 1 when not
    Check(BudgetRequest),
    /// Hold what a call may use until it is committed or released: exit 1 when refused
    Reserve(BudgetReserve),
    /// Book what a call used that something was held for
    Commit(Box<BudgetCommit>),
    /// Hold more, or for longer, while the call goes on: exit 1 when refused
    Extend(BudgetExtend),
    /// Let a hold go
    Release(BudgetRelease),
    /// Hand alerts that wait to the command of `alerts.exec` in logq.toml: exit 1 when it fails
    Deliver,
    /// Count the log anew and compare: exit 1 when a counter is wrong
    Verify,
    /// Count the log anew and go on with that
    Rebuild,
}

/// What a budget counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum BudgetMeasure {
    Tokens,
    PromptTokens,
    ResponseTokens,
    Cost,
    Requests,
}

/// What a budget does at its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BudgetMode {
    /// Nothing but alerts
    Observe,
    /// Grants what goes beyond, and says so
    Soft,
    /// Refuses what goes beyond
    Hard,
}

#[derive(Debug, Args)]
pub(crate) struct BudgetSet {
    /// The budget's name
    pub(crate) name: String,
    /// How much is allowed: a number such as 50k, of cost US dollars
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<String>,
    /// What is counted
    #[arg(long, value_name = "MEASURE")]
    pub(crate) measure: Option<BudgetMeasure>,
    /// In which time: 1h (any length), hour, day, week, month, year, sliding:1h, session:5h or lifetime; in the zone of --tz
    #[arg(long)]
    pub(crate) window: Option<String>,
    /// What happens at the limit
    #[arg(long)]
    pub(crate) mode: Option<BudgetMode>,
    /// Which events count: `model = llama3.2 and user = ann`
    #[arg(long = "where", value_name = "EXPR")]
    pub(crate) condition: Option<String>,
    /// Give each value of this field a limit of its own
    #[arg(long, value_name = "FIELD")]
    pub(crate) by: Option<String>,
    /// Where alerts are raised, as shares of the limit
    #[arg(long, value_name = "SHARE,...", value_delimiter = ',')]
    pub(crate) warn: Option<Vec<String>>,
    /// Take the budget away
    #[arg(long, conflicts_with_all = ["limit", "measure", "window", "mode", "condition", "by", "warn"])]
    pub(crate) remove: bool,
}

/// What a call is, and how much it may use.
#[derive(Debug, Args)]
pub(crate) struct BudgetRequest {
    /// Tokens of prompt and response together, at most
    #[arg(long, value_name = "N", required_unless_present_any = ["prompt_tokens", "response_tokens", "cost"])]
    pub(crate) tokens: Option<u64>,
    /// Tokens that go in
    #[arg(long, value_name = "N")]
    pub(crate) prompt_tokens: Option<u64>,
    /// Tokens that come out, at most
    #[arg(long, value_name = "N")]
    pub(crate) response_tokens: Option<u64>,
    /// What it costs in US dollars, at most
    #[arg(long, value_name = "USD", allow_hyphen_values = true)]
    pub(crate) cost: Option<String>,
    /// What the call is for
    #[arg(long)]
    pub(crate) operation: Option<String>,
    /// The model
    #[arg(long)]
    pub(crate) model: Option<String>,
    /// Who serves it
    #[arg(long)]
    pub(crate) provider: Option<String>,
    /// The conversation
    #[arg(long)]
    pub(crate) session: Option<String>,
    /// On whose behalf
    #[arg(long)]
    pub(crate) user: Option<String>,
    /// Another field that budgets look at; may be given several times
    #[arg(long, value_name = "FIELD=VALUE", action = ArgAction::Append)]
    pub(crate) set: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct BudgetReserve {
    #[command(flatten)]
    pub(crate) request: BudgetRequest,
    /// How long it is held, at most 24h
    #[arg(long, value_name = "TIME", default_value = "10m")]
    pub(crate) ttl: String,
}

#[derive(Debug, Args)]
pub(crate) struct BudgetCommit {
    /// The hold, as `reserve` printed it
    pub(crate) hold: String,
    /// What the call was for; default: what was said when it was reserved
    #[arg(long)]
    pub(crate) operation: Option<String>,
    /// The model as it was billed; default: what was said when it was reserved
    #[arg(long)]
    pub(crate) model: Option<String>,
    #[command(flatten)]
    pub(crate) used: super::Used,
}

#[derive(Debug, Args)]
pub(crate) struct BudgetExtend {
    /// The hold, as `reserve` printed it
    pub(crate) hold: String,
    /// So many tokens more
    #[arg(long, value_name = "N", required_unless_present_any = ["cost", "ttl"])]
    pub(crate) tokens: Option<u64>,
    /// So many US dollars more
    #[arg(long, value_name = "USD", allow_hyphen_values = true)]
    pub(crate) cost: Option<String>,
    /// Until so long from now, if that is later; at most 24h after it was reserved
    #[arg(long, value_name = "TIME")]
    pub(crate) ttl: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct BudgetRelease {
    /// The hold, as `reserve` printed it
    pub(crate) hold: String,
}
