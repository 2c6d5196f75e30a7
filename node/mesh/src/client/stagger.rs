//! Several ways to one end, begun one after the other and not waited for in turn: a host that
//! neither answers nor refuses costs a moment, not its time-out. (RFC 8305 does so with the
//! addresses of one host.)

use std::future::Future;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::sleep;

/// Before the next one is begun as well.
const STAGGER: Duration = Duration::from_millis(250);

/// The first success of these attempts; else why each failed, in the order in which they did. Each
/// begins when the one before has failed, or has not ended for a moment; what is under way when one
/// succeeds is dropped.
pub async fn first_of<T, E, F>(attempts: Vec<F>) -> Result<T, Vec<E>>
where
    F: Future<Output = Result<T, E>>,
{
    let mut waiting = attempts.into_iter();
    let (mut running, mut errors) = (FuturesUnordered::new(), Vec::new());
    loop {
        let begun = waiting.next();
        let more = begun.is_some();
        running.extend(begun);
        if running.is_empty() {
            return Err(errors);
        }
        tokio::select! {
            biased;
            Some(ended) = running.next() => match ended {
                Ok(success) => return Ok(success),
                Err(error) => errors.push(error),
            },
            () = sleep(STAGGER), if more => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::Mutex;

    use super::*;

    #[tokio::test]
    async fn who_is_silent_is_passed_by_and_who_fails_makes_room_at_once() {
        let begun = Mutex::new(Vec::new());
        let attempt = |at: usize| {
            let begun = &begun;
            async move {
                begun.lock().unwrap().push(at);
                match at {
                    0 => pending().await,
                    1 => Err("no"),
                    _ => Ok(at),
                }
            }
        };
        assert_eq!(first_of((0..9).map(attempt).collect()).await, Ok(2));
        assert_eq!(*begun.lock().unwrap(), [0, 1, 2], "nobody is asked without need");
        assert_eq!(first_of(vec![attempt(1), attempt(1)]).await, Err(vec!["no", "no"]));
        assert_eq!(first_of((0..0).map(attempt).collect()).await, Err(Vec::new()));
    }
}
