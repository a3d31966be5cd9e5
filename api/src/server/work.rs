//! Rooms block, so they work on threads of their own: few at a time, the others wait, and who would wait too long is told that the
//! server is busy. Light work and searches have a lane each. It must never take a call that it could not begin in time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::ApiError;
use crate::route::Weight;

/// One lane.
#[derive(Debug)]
struct Lane {
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
    queue: usize,
}

/// Both lanes.
#[derive(Debug)]
pub(super) struct Lanes {
    light: Lane,
    heavy: Lane,
}

struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Lanes {
    /// Lanes of so many at a time, and so many waiting.
    pub(super) fn new(light: (usize, usize), heavy: (usize, usize)) -> Self {
        let lane =
            |(places, queue)| Lane { places: Arc::new(Semaphore::new(places)), waiting: AtomicUsize::new(0), queue };
        Self { light: lane(light), heavy: lane(heavy) }
    }

    /// Has `work` done. What takes longer than `patience` in all goes on, but nobody waits for it.
    ///
    /// # Errors
    /// 503 `ServerBusy`, 500 `RequestTimeout`, 500 when the room broke down.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        weight: Weight,
        patience: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let lane = match weight {
            Weight::Light => &self.light,
            Weight::Heavy => &self.heavy,
        };
        match tokio::time::timeout(patience, lane.run(work)).await {
            Ok(done) => done,
            Err(_) => {
                let told = format!("the call was not done after {} s; ask for less at a time", patience.as_secs());
                Err(ApiError::new(500, "RequestTimeout", told))
            }
        }
    }
}

impl Lane {
    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= self.queue {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(ApiError::new(503, "ServerBusy", "too many calls are waiting; try again in a moment"));
        }
        let waiting = Waiting(&self.waiting);
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place.map_err(|_| ApiError::internal("the server is ending"))?;
        drop(waiting);
        let done = tokio::task::spawn_blocking(move || {
            let _place = place;
            work()
        });
        done.await.map_err(|_| ApiError::internal("the call broke down on the server; its log says more"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    fn codes(results: Vec<Result<(), ApiError>>) -> Vec<&'static str> {
        results.into_iter().map(|result| result.map_or_else(|e| e.code, |()| "")).collect()
    }

    /// One call works, one waits, one is turned away; light work does not wait for heavy.
    #[test]
    fn a_full_lane_says_so_and_keeps_no_other_waiting() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
        runtime.block_on(async {
            let lanes = Arc::new(Lanes::new((1, 1), (1, 1)));
            let (begin, begun) = channel();
            let (end, ended) = channel::<()>();
            let first = tokio::spawn({
                let lanes = Arc::clone(&lanes);
                async move {
                    let work = move || {
                        begin.send(()).unwrap();
                        ended.recv().unwrap();
                    };
                    lanes.run(Weight::Heavy, SOON, work).await
                }
            });
            tokio::task::spawn_blocking(move || begun.recv().unwrap()).await.unwrap();
            let second = tokio::spawn({
                let lanes = Arc::clone(&lanes);
                async move { lanes.run(Weight::Heavy, SOON, || ()).await }
            });
            while lanes.heavy.waiting.load(Ordering::Relaxed) == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let third = lanes.run(Weight::Heavy, SOON, || ()).await;
            let light = lanes.run(Weight::Light, SOON, || ()).await;
            end.send(()).unwrap();
            let all = vec![first.await.unwrap(), second.await.unwrap(), third, light];
            assert_eq!(codes(all), ["", "", "ServerBusy", ""]);
        });
    }

    #[test]
    fn what_takes_too_long_or_breaks_down_is_told() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
        runtime.block_on(async {
            let lanes = Lanes::new((1, 1), (1, 1));
            let long = Duration::from_millis(20);
            let late = lanes.run(Weight::Light, long, || std::thread::sleep(Duration::from_millis(200))).await;
            let broken = lanes.run(Weight::Heavy, SOON, || panic!("a room breaks down on purpose")).await;
            let after = lanes.run(Weight::Heavy, SOON, || ()).await;
            assert_eq!(codes(vec![late, broken, after]), ["RequestTimeout", "InternalServerError", ""]);
        });
    }
}
