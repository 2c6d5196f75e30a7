//! How many requests one store is asked at a time, and whether it is asked at all: pure, told the
//! time.
//!
//! While a store does not answer, one small question is asked of it now and then, by one of those
//! that wait, and all of them go on with the first answer: an outage costs a request in a few
//! seconds, whatever waits. While it wants fewer requests, fewer are under way: half as many from
//! one second to the next, and one more for each round that went well.

use std::time::Duration;

/// Requests under way below which nothing is gained: a store that refuses a share of all requests,
/// however few they are, would else be read by one at a time.
const REQUESTS_LEAST: u32 = 8;

/// Time between two reductions: requests that were under way together are refused together.
const SLOWED_EVERY: Duration = Duration::from_secs(1);

/// Wait before the second question to a store that does not answer; then twice as long each time.
const LOOK_PAUSE_LEAST: Duration = Duration::from_millis(100);

/// Longest wait before the next question.
const LOOK_PAUSE_MOST: Duration = Duration::from_secs(3);

/// Wait for the answer to the first question; then twice as long each time.
const LOOK_TIME_OUT_LEAST: Duration = Duration::from_secs(3);

/// Longest wait for an answer.
const LOOK_TIME_OUT_MOST: Duration = Duration::from_secs(15);

/// An outage of this length is told.
const TOLD_AFTER: Duration = Duration::from_secs(3);

/// The pace of one store.
#[derive(Debug)]
pub(super) struct Pace {
    most: u32,
    limit: f64,
    active: u32,
    slowed: Option<Duration>,
    silence: Option<Silence>,
    trouble: Option<Trouble>,
    /// When it last answered well.
    well: Option<Duration>,
    /// Requests that wait for it to answer well.
    waiting: u32,
    tally: Tally,
}

/// How often a store did one thing and another.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    /// It answered well.
    pub(super) answered: u64,
    /// It did not, or not well.
    pub(super) vain: u64,
}

/// A store that does not answer.
#[derive(Debug)]
struct Silence {
    looks: u32,
    next: Duration,
    looking: bool,
}

/// Nothing was answered well since then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    /// The first failure.
    pub(super) since: Duration,
    /// What was said last.
    pub(super) words: String,
    told: bool,
}

/// What a request may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    /// It may be sent; [`Pace::leave`] is owed.
    Go,
    /// It asks first whether the store answers, for so long; [`Pace::looked`] is owed.
    Look(Duration),
    /// It waits until something changes, or until then.
    Wait(Option<Duration>),
}

/// What is worth a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum News {
    /// Nothing is answered well, for so long.
    Outage(Duration, String),
    /// It is over, after so long.
    Over(Duration),
}

impl Pace {
    /// Of a store that nothing was asked yet, and may be asked so much at a time.
    pub(super) fn new(most: u32) -> Self {
        let most = most.max(1);
        Self {
            most,
            limit: f64::from(most),
            active: 0,
            slowed: None,
            silence: None,
            trouble: None,
            well: None,
            waiting: 0,
            tally: Tally::default(),
        }
    }

    /// Whether a request may be sent.
    pub(super) fn enter(&mut self, now: Duration) -> Entry {
        if let Some(silence) = &mut self.silence {
            if silence.looking {
                return Entry::Wait(None);
            }
            if now < silence.next {
                return Entry::Wait(Some(silence.next));
            }
            silence.looking = true;
            let time_out = LOOK_TIME_OUT_LEAST * 2u32.pow(silence.looks.min(8));
            return Entry::Look(time_out.min(LOOK_TIME_OUT_MOST));
        }
        if f64::from(self.active) + 1.0 > self.limit.max(1.0) {
            return Entry::Wait(None);
        }
        self.active += 1;
        Entry::Go
    }

    /// A request that was sent has ended, however.
    pub(super) fn leave(&mut self) {
        self.active -= 1;
    }

    /// The store did what it was asked, or said why not.
    pub(super) fn answered(&mut self, now: Duration) -> Option<News> {
        self.silence = None;
        self.well = Some(now);
        self.tally.answered += 1;
        self.limit = (self.limit + 1.0 / self.limit.max(1.0)).min(f64::from(self.most));
        let ended = self.trouble.take().filter(|trouble| trouble.told)?;
        Some(News::Over(now.saturating_sub(ended.since)))
    }

    /// The store answers, and wants fewer requests.
    pub(super) fn slowed(&mut self, now: Duration, words: &str) -> Option<News> {
        self.silence = None;
        if self.slowed.is_none_or(|at| now.saturating_sub(at) >= SLOWED_EVERY) {
            self.slowed = Some(now);
            let least = f64::from(REQUESTS_LEAST.min(self.most));
            self.limit = (self.limit / 2.0).max(least);
        }
        self.failed(now, words)
    }

    /// This process has no descriptor left for one more connection: those that it has are enough.
    pub(super) fn narrowed(&mut self, now: Duration, words: &str) -> Option<News> {
        let others = self.active.saturating_sub(1);
        self.most = self.most.min(others.max(1));
        self.limit = self.limit.min(f64::from(self.most));
        self.failed(now, words)
    }

    /// The store answers, and failed at what it was asked.
    pub(super) fn failed(&mut self, now: Duration, words: &str) -> Option<News> {
        let fresh = Trouble { since: now, words: String::new(), told: false };
        let trouble = self.trouble.get_or_insert(fresh);
        words.clone_into(&mut trouble.words);
        let lasts = now.saturating_sub(trouble.since);
        if trouble.told || lasts < TOLD_AFTER {
            return None;
        }
        trouble.told = true;
        Some(News::Outage(lasts, trouble.words.clone()))
    }

    /// The store did not answer what it was asked `began`.
    pub(super) fn silent(&mut self, now: Duration, began: Duration, words: &str) -> Option<News> {
        // Whoever was asked later has answered meanwhile.
        if self.well.is_some_and(|well| well > began) {
            return self.failed(now, words);
        }
        // Asked again at once: it may have been one connection.
        self.silence.get_or_insert(Silence { looks: 0, next: now, looking: false });
        let fresh = Trouble { since: began, words: String::new(), told: false };
        self.trouble.get_or_insert(fresh);
        self.failed(now, words)
    }

    /// What came of a look: nothing of an answer, or why there is none.
    pub(super) fn looked(&mut self, now: Duration, none: Option<&str>) -> Option<News> {
        let Some(words) = none else {
            self.silence = None;
            return None;
        };
        if let Some(silence) = &mut self.silence {
            let pause = LOOK_PAUSE_LEAST * 2u32.pow(silence.looks.min(8));
            silence.next = now + pause.min(LOOK_PAUSE_MOST);
            silence.looks += 1;
            silence.looking = false;
        }
        self.failed(now, words)
    }

    /// Whoever looked was called away.
    pub(super) fn looked_away(&mut self) {
        if let Some(silence) = &mut self.silence {
            silence.looking = false;
        }
    }

    /// One more request waits for the store to answer well, or one less.
    pub(super) fn wait(&mut self, begins: bool) {
        self.waiting = if begins { self.waiting + 1 } else { self.waiting.saturating_sub(1) };
    }

    /// Whether it has ever answered.
    pub(super) fn known(&self) -> bool {
        self.well.is_some()
    }

    /// When it last answered well.
    pub(super) fn well(&self) -> Option<Duration> {
        self.well
    }

    /// It did not answer well, in whatever way.
    pub(super) fn in_vain(&mut self) {
        self.tally.vain += 1;
    }

    /// What it did so far.
    pub(super) fn tally(&self) -> Tally {
        self.tally
    }

    /// Since when nothing is answered well.
    pub(super) fn trouble(&self) -> Option<&Trouble> {
        self.trouble.as_ref()
    }

    /// The same, while somebody waits for it and it is worth telling.
    pub(super) fn outage(&self, now: Duration) -> Option<&Trouble> {
        let lasts = |trouble: &&Trouble| now.saturating_sub(trouble.since) >= TOLD_AFTER;
        self.trouble.as_ref().filter(lasts).filter(|_| self.waiting > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn while_a_store_is_silent_one_question_at_a_time_is_asked_and_an_answer_lets_all_go_on() {
        let mut pace = Pace::new(100);
        for _ in 0..60 {
            assert_eq!(pace.enter(at(0)), Entry::Go);
        }
        for _ in 0..60 {
            pace.leave();
            assert_eq!(pace.silent(at(10), at(0), "refused"), None);
        }
        // Two minutes of sixty that wait.
        let (mut now, mut looks) = (10, 0);
        while now < 120_000 {
            for _ in 0..60 {
                match pace.enter(at(now)) {
                    Entry::Look(_) => {
                        looks += 1;
                        assert_eq!(pace.enter(at(now)), Entry::Wait(None));
                        pace.looked(at(now), Some("refused"));
                    }
                    other => assert!(matches!(other, Entry::Wait(Some(_))), "{other:?}"),
                }
            }
            now += 50;
        }
        assert!((40..=46).contains(&looks), "{looks} questions in two minutes");
        assert_eq!(pace.trouble().unwrap().since, at(0));
        assert_eq!(pace.enter(at(200_000)), Entry::Look(LOOK_TIME_OUT_MOST));
        pace.looked(at(200_000), None);
        for _ in 0..100 {
            assert_eq!(pace.enter(at(200_000)), Entry::Go);
        }
        assert_eq!(pace.enter(at(200_000)), Entry::Wait(None), "its most");
        assert_eq!(pace.answered(at(200_001)), Some(News::Over(at(200_001))));
        assert_eq!(pace.trouble(), None);
    }

    #[test]
    fn an_outage_is_told_once_and_only_while_somebody_waits() {
        let mut pace = Pace::new(4);
        assert_eq!(pace.silent(at(100), at(50), "reset"), None);
        assert_eq!(pace.looked(at(2_900), Some("refused")), None);
        let told = News::Outage(at(3_000), "refused".to_owned());
        assert_eq!(pace.looked(at(3_050), Some("refused")), Some(told));
        assert_eq!(pace.looked(at(9_000), Some("refused")), None);
        assert_eq!(pace.outage(at(9_000)), None);
        pace.wait(true);
        assert_eq!(pace.outage(at(9_000)).unwrap().since, at(50));
        pace.wait(false);
        assert_eq!(pace.outage(at(9_000)), None);
        // A single failure between good answers is none.
        pace.answered(at(9_100));
        pace.failed(at(9_200), "InternalError");
        assert_eq!(pace.answered(at(9_300)), None);
    }

    #[test]
    fn a_silence_that_is_older_than_an_answer_stops_nobody() {
        let mut pace = Pace::new(4);
        assert_eq!(pace.enter(at(0)), Entry::Go);
        assert_eq!(pace.enter(at(5)), Entry::Go);
        pace.leave();
        pace.answered(at(20_000));
        pace.leave();
        pace.silent(at(30_000), at(0), "no answer");
        assert_eq!(pace.enter(at(30_000)), Entry::Go);
    }

    #[test]
    fn who_is_asked_for_less_asks_for_less_and_slowly_for_more() {
        let mut pace = Pace::new(64);
        let room = |pace: &mut Pace| {
            let mut sent = 0;
            while pace.enter(at(0)) == Entry::Go {
                sent += 1;
            }
            (0..sent).for_each(|_| pace.leave());
            sent
        };
        for _ in 0..64 {
            pace.slowed(at(0), "SlowDown");
        }
        assert_eq!(room(&mut pace), 32, "refused together is refused once");
        for second in 1..10 {
            pace.slowed(at(second * 1_000), "SlowDown");
        }
        assert_eq!(room(&mut pace), REQUESTS_LEAST);
        for _ in 0..5_000 {
            pace.answered(at(20_000));
        }
        assert_eq!(room(&mut pace), 64);
    }

    #[test]
    fn a_process_without_descriptors_goes_on_with_the_connections_that_it_has() {
        let mut pace = Pace::new(64);
        for _ in 0..6 {
            assert_eq!(pace.enter(at(0)), Entry::Go);
        }
        pace.narrowed(at(1), "too many open files");
        assert_eq!(pace.enter(at(1)), Entry::Wait(None));
        (0..6).for_each(|_| pace.leave());
        for _ in 0..5 {
            assert_eq!(pace.enter(at(2)), Entry::Go);
            pace.answered(at(2));
        }
        assert_eq!(pace.enter(at(2)), Entry::Wait(None), "and with no more than these");
        (0..5).for_each(|_| pace.leave());
        for _ in 0..9 {
            pace.enter(at(3));
            pace.narrowed(at(3), "too many open files");
            pace.leave();
        }
        assert_eq!(pace.enter(at(4)), Entry::Go, "one at least");
    }

    #[test]
    fn whoever_looks_and_is_called_away_leaves_it_to_the_next() {
        let mut pace = Pace::new(4);
        pace.silent(at(1), at(0), "refused");
        assert_eq!(pace.enter(at(1)), Entry::Look(LOOK_TIME_OUT_LEAST));
        assert_eq!(pace.enter(at(2)), Entry::Wait(None));
        pace.looked_away();
        assert_eq!(pace.enter(at(2)), Entry::Look(LOOK_TIME_OUT_LEAST));
    }
}
