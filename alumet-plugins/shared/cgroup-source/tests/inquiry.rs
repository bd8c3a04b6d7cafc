//! Questions that take their time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use alumet_core::testkit::ManualClock;
use alumet_shared_cgroup_source::{Answer, Inquiry};

/// An inquiry whose thread waits until the test says what comes of a question; with the questions.
struct Scene {
    inquiry: Inquiry<u32, &'static str>,
    clock: ManualClock,
    asked: Receiver<u32>,
    outcome: Sender<Result<&'static str, &'static str>>,
    wakes: Arc<AtomicUsize>,
}

fn scene() -> Scene {
    let clock = ManualClock::new();
    let ((questions, asked), (outcome, outcomes)) = (channel(), channel());
    let inquiry = Inquiry::new(
        "test",
        Arc::new(clock.clone()),
        move |question: &u32, partly: &dyn Fn(_)| {
            let _ = questions.send(*question);
            loop {
                match outcomes.recv().unwrap_or(Err("the test is over")) {
                    Ok("a part") => partly("a part"),
                    outcome => return outcome,
                }
            }
        },
    );
    let wakes = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&wakes);
    inquiry.wakes(Arc::new(move || {
        counted.fetch_add(1, Ordering::SeqCst);
    }));
    Scene {
        inquiry,
        clock,
        asked,
        outcome,
        wakes,
    }
}

impl Scene {
    #[track_caller]
    fn is_asked(&self, question: u32) {
        assert_eq!(self.asked.recv_timeout(Duration::from_secs(10)), Ok(question));
    }

    fn is_not_asked(&self) {
        assert!(self.asked.recv_timeout(Duration::from_millis(50)).is_err());
    }

    #[track_caller]
    fn wait_for_wakes(&self, count: usize) {
        let start = Instant::now();
        while self.wakes.load(Ordering::SeqCst) < count {
            assert!(start.elapsed() < Duration::from_secs(10));
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

const NOTHING: Answer<&str> = Answer {
    known: None,
    is_final: false,
};

#[test]
fn a_question_is_asked_once_and_nobody_waits_for_its_answer() {
    let mut scene = scene();
    for _ in 0..3 {
        assert_eq!(scene.inquiry.answer(&7), NOTHING);
    }
    scene.is_asked(7);
    scene.outcome.send(Ok("a part")).unwrap();
    scene.wait_for_wakes(1);
    let part = Answer {
        known: Some("a part"),
        is_final: false,
    };
    assert_eq!(scene.inquiry.answer(&7), part);
    scene.outcome.send(Ok("all")).unwrap();
    scene.wait_for_wakes(2);
    let all = Answer {
        known: Some("all"),
        is_final: true,
    };
    assert_eq!(scene.inquiry.answer(&7), all);
    scene.clock.advance(Duration::from_secs(100_000));
    assert_eq!(scene.inquiry.answer(&7), all);
    scene.is_not_asked();
}

#[test]
fn what_failed_is_asked_again_after_growing_pauses_while_somebody_wants_to_know_it() {
    let mut scene = scene();
    scene.inquiry.answer(&7);
    for pause in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
        scene.is_asked(7);
        scene.outcome.send(Err("nobody is there")).unwrap();
        std::thread::sleep(Duration::from_millis(20));
        scene
            .clock
            .advance(Duration::from_secs(pause) - Duration::from_millis(1));
        assert_eq!(scene.inquiry.answer(&7), NOTHING);
        scene.is_not_asked();
        scene.clock.advance(Duration::from_millis(1));
        scene.is_not_asked();
        scene.inquiry.answer(&7);
    }
    scene.is_asked(7);
}

#[test]
fn an_answer_that_nobody_wants_to_know_for_an_hour_is_forgotten() {
    let mut scene = scene();
    let learn = |scene: &mut Scene, question| {
        scene.inquiry.answer(&question);
        scene.is_asked(question);
        let before = scene.wakes.load(Ordering::SeqCst);
        scene.outcome.send(Ok("all")).unwrap();
        scene.wait_for_wakes(before + 1);
    };
    learn(&mut scene, 1);
    scene.clock.advance(Duration::from_secs(3599));
    learn(&mut scene, 2);
    assert!(scene.inquiry.answer(&1).is_final);
    scene.clock.advance(Duration::from_secs(3600));
    learn(&mut scene, 3);
    learn(&mut scene, 1);
}

#[test]
fn the_thread_ends_with_the_inquiry() {
    let held = Arc::new(());
    let (weak, clock) = (Arc::downgrade(&held), Arc::new(ManualClock::new()));
    let mut inquiry = Inquiry::new("test", clock, move |_: &u32, _: &dyn Fn(())| {
        let _ = &held;
        Ok::<_, String>(())
    });
    inquiry.answer(&1);
    assert!(weak.upgrade().is_some());
    drop(inquiry);
    let start = Instant::now();
    while weak.upgrade().is_some() {
        assert!(start.elapsed() < Duration::from_secs(10));
        std::thread::sleep(Duration::from_millis(1));
    }
}
