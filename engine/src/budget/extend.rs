//! Extending a reservation: more of it, and for longer, while the call that it was made for goes on.
//!
//! A streamed answer may turn out longer than what was reserved. What is asked on top is admitted by the same rule as
//! a reservation: all or nothing, under the same lock.

use std::sync::Arc;
use std::time::Duration;

use super::Budgets;
use super::desk::Txn;
use super::op::{Add, Op};
use super::record;
use super::request::{Refused, Request};
use super::spend::{Guard, HoldId, beyond, held, refused};
use super::usage::Amounts;
use crate::error::{Error, ErrorKind, Result};
use crate::value::Value;

/// More of a hold that was admitted.
struct More {
    until: i64,
    adds: Vec<Add>,
}

impl Guard {
    /// Holds as much more as `more` says, and until its time from now on, if that is later; of `more` only the amounts and
    /// the time are looked at. A refusal changes nothing: what was held before stays held.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when the reservation is over, because its own time has passed, and what the operating system says.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// use logq_engine::budget::{Budget, Measure, Mode, Request, Reservation, Window};
    /// use logq_engine::{Options, Store};
    /// let budgets = Store::open(dir.path(), Options::default())?.budgets();
    /// let mut daily = Budget::new("daily", Measure::Tokens, 1_000, Window::Day);
    /// daily.mode = Mode::Hard;
    /// budgets.set(daily)?;
    /// let Reservation::Granted(mut guard) = budgets.reserve(&Request::new().tokens(600))? else { panic!() };
    /// assert!(guard.extend(&Request::new().tokens(400))?.is_none(), "1,000 of 1,000");
    /// assert!(guard.extend(&Request::new().tokens(1))?.is_some(), "and no more");
    /// # Ok::<(), logq_engine::Error>(())
    /// ```
    pub fn extend(&mut self, more: &Request) -> Result<Option<Refused>> {
        let (id, fields) = (self.id, &self.fields);
        let (refused, _) = self.budgets.with(|txn| {
            let more = match self.budgets.more(txn, id, fields, more)? {
                Ok(more) => more,
                Err(refused) => return Ok(Some(refused)),
            };
            txn.apply(&Op::Extend { id, until: more.until, adds: more.adds });
            txn.keep_own(id);
            Ok(None)
        })?;
        Ok(refused)
    }
}

impl Budgets {
    /// As [`Guard::extend`], for a reservation that outlives its process. It holds 24 hours at most, counted from the
    /// reservation.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there was no such reservation or it is over, [`ErrorKind::Invalid`] when it would hold too
    /// long; and as [`crate::Writer::append`].
    pub fn extend_detached(&self, hold: HoldId, more: &Request) -> Result<Option<Refused>> {
        let past = self.find(hold)?;
        let writer = self.writer()?;
        let (refused, _) = self.with(|txn| {
            self.catch_up(txn, true)?;
            let tokens = more.total_tokens();
            let more = match self.more(txn, hold.0, &past.fields, more)? {
                Ok(more) => more,
                Err(refused) => return Ok(Some(refused)),
            };
            let at = txn.state.holds.get(&hold.0).map_or(i64::MAX, |hold| hold.at);
            if record::TTL_MAX < more.until.saturating_sub(at) {
                return Err(Error::new(ErrorKind::Invalid, "a detached reservation holds 24 hours at most"));
            }
            let rules = Arc::clone(&txn.state.rules);
            let event = record::extend_event(&rules, hold.0, more.until, &more.adds, tokens);
            let seen = writer.append(&event)?;
            txn.apply(&Op::Extend { id: hold.0, until: more.until, adds: more.adds });
            txn.apply(&Op::Seen(seen));
            Ok(None)
        })?;
        Ok(refused)
    }

    /// What a hold is to hold on top, if it fits.
    fn more(
        &self,
        txn: &mut Txn<'_>,
        id: u64,
        fields: &[(String, String)],
        more: &Request,
    ) -> Result<std::result::Result<More, Refused>> {
        self.catch_up(txn, false)?;
        txn.sweep();
        let now = txn.now();
        let Some(until) = txn.state.holds.get(&id).map(|hold| hold.until).filter(|until| now < *until) else {
            return Err(Error::new(ErrorKind::NotFound, "this hold is over: what it held is free again"));
        };
        let ttl = |ttl: Duration| now.saturating_add(i64::try_from(ttl.as_nanos()).unwrap_or(i64::MAX));
        let until = until.max(more.ttl.map_or(until, ttl));
        let get = |name: &str| {
            fields.iter().rev().find(|(field, _)| field == name).map(|(_, value)| Value::Str(value))
        };
        // It stays one call.
        let amounts = Amounts { requests: 0, ..more.amounts() };
        let adds = held(txn.state.rules.adds(&amounts, true, get));
        let over = beyond(txn, &adds);
        Ok(match refused(&over) {
            Some(refused) => Err(refused),
            None => Ok(More { until, adds }),
        })
    }
}
