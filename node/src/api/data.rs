//! What may be used of the line a day, and what was: requests and answers.

use serde::{Deserialize, Serialize};

/// What is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Ask {
    /// What holds on this network, and what was used today.
    Show,
    /// Changes the plan.
    Plan {
        /// The plan.
        plan: Plan,
        /// On all networks, not only on this one.
        #[serde(default)]
        everywhere: bool,
    },
    /// Changes the daily cap. Refused with `limit` outside 100,000 to 10^12 bytes.
    Cap {
        /// Bytes; nothing takes it away.
        bytes: Option<u64>,
        /// On all networks, not only on this one.
        #[serde(default)]
        everywhere: bool,
    },
    /// Allows more bytes on this network today. Refused with `limit` if there is no cap.
    More {
        /// Bytes.
        bytes: u64,
    },
}

/// How freely bytes are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Plan {
    /// As suits a line whose bytes cost nothing.
    #[default]
    Normal,
    /// Two links at most, and checks less often.
    Low,
}

/// What may still be sent today.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Everything.
    #[default]
    Free,
    /// 80 % of the cap are used: upkeep, files and channels wait.
    Saving,
    /// 95 %: receipts wait as well.
    Texts,
    /// All is used: texts are held, and nothing comes.
    Spent,
}

/// Bytes by what they were for, as frames divide them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Bytes {
    /// Messages of people.
    pub texts: u64,
    /// Receipts and acknowledgements.
    pub receipts: u64,
    /// Everything else.
    pub rest: u64,
}

impl Bytes {
    /// All of them.
    #[must_use]
    pub const fn all(&self) -> u64 {
        self.texts + self.receipts + self.rest
    }
}

/// What holds on this network, and what was used here today.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DataUse {
    /// Name of the interface to the local network; nothing if the line is none, as a telephone's own.
    pub network: Option<String>,
    /// The plan.
    pub plan: Plan,
    /// Bytes a day.
    pub cap: Option<u64>,
    /// Plan and cap were said for this network alone.
    pub own: bool,
    /// Bytes for today, with what was allowed beyond the cap.
    pub cap_today: Option<u64>,
    /// Came in today.
    pub received: Bytes,
    /// Went out today.
    pub sent: Bytes,
    /// Hundredths of the cap that are used.
    pub percent: Option<u64>,
    /// What may still be sent.
    pub level: Level,
    /// Contacts to whom a receipt is due that waits.
    pub receipts_waiting: u64,
    /// When the next day begins: midnight UTC, RFC 3339.
    pub resets_at: String,
}

/// Why an own message does not leave, and when that ends by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// `data_cap`: today's bytes are used up.
    pub reason: String,
    /// The next try, RFC 3339.
    pub next_try: String,
}
