//! Runs tasks in an order of its choice: what a runtime may do, without one. Semaphores and channels of tokio need none, so
//! that nothing has to be replaced for that.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};

/// One run of some tasks.
pub(super) struct Schedule {
    tasks: RefCell<Vec<Task>>,
    choices: RefCell<Choices>,
}

struct Task {
    name: String,
    future: Pin<Box<dyn Future<Output = ()>>>,
    woken: Arc<Woken>,
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

enum Choices {
    /// The state of a generator of random numbers.
    Random(u64),
    /// What was chosen so far, of how many. What is not listed is the first.
    Listed {
        list: Vec<(usize, usize)>,
        next: usize,
        /// How many may still be others than the first.
        deviations: usize,
    },
}

/// Tries so many random orders. A failure says the number of its order.
pub(super) fn random(runs: u64, one: impl Fn(&Rc<Schedule>)) {
    struct Run(u64);
    impl Drop for Run {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("in the order {}", self.0);
            }
        }
    }
    for number in 1..=runs {
        let _run = Run(number);
        one(&Schedule::new(Choices::Random(
            number.wrapping_mul(0x9E37_79B9_7F4A_7C15),
        )));
    }
}

/// Tries all orders in which another task than the one that has waited longest goes on at most so many times ("delay bounding"
/// of M. Emmi, S. Qadeer, Z. Rakamarić, *Delay-Bounded Scheduling*, 2011), and says how many there are.
pub(super) fn all(deviations: usize, one: impl Fn(&Rc<Schedule>)) -> u64 {
    let mut list = Vec::new();
    for runs in 1.. {
        let schedule = Schedule::new(Choices::Listed {
            list,
            next: 0,
            deviations,
        });
        one(&schedule);
        let Choices::Listed { list: chosen, .. } = schedule.choices.replace(Choices::Random(1)) else {
            unreachable!("it was that")
        };
        list = chosen;
        while list.pop_if(|(chosen, of)| *chosen + 1 == *of).is_some() {}
        let Some((chosen, _)) = list.last_mut() else {
            return runs;
        };
        *chosen += 1;
    }
    unreachable!("it ends earlier")
}

impl Schedule {
    /// Whatever takes more does not end.
    const MOST_STEPS: usize = 100_000;

    fn new(choices: Choices) -> Rc<Self> {
        Rc::new(Self {
            tasks: RefCell::default(),
            choices: RefCell::new(choices),
        })
    }

    pub(super) fn spawn(&self, name: String, future: impl Future<Output = ()> + 'static) {
        self.tasks.borrow_mut().push(Task {
            name,
            future: Box::pin(future),
            woken: Arc::new(Woken(AtomicBool::new(true))),
        });
    }

    /// One of so many possibilities.
    pub(super) fn choose(&self, of: usize) -> usize {
        match &mut *self.choices.borrow_mut() {
            Choices::Random(state) => {
                *state ^= *state << 13;
                *state ^= *state >> 7;
                *state ^= *state << 17;
                (*state >> 32) as usize % of
            }
            Choices::Listed {
                list,
                next,
                deviations,
            } => {
                if *next == list.len() {
                    list.push((0, if *deviations == 0 { 1 } else { of }));
                }
                let (chosen, _) = list[*next];
                *next += 1;
                *deviations -= usize::from(chosen > 0);
                chosen
            }
        }
    }

    /// Runs until no task can go on, and gives the names of those that wait for ever.
    pub(super) fn run(&self) -> Vec<String> {
        for _ in 0..Self::MOST_STEPS {
            let mut tasks = self.tasks.borrow_mut();
            let may_go_on =
                |(index, task): (usize, &Task)| task.woken.0.load(Ordering::Relaxed).then_some(index);
            let ready: Vec<_> = tasks.iter().enumerate().filter_map(may_go_on).collect();
            if ready.is_empty() {
                return tasks.drain(..).map(|task| task.name).collect();
            }
            let mut task = tasks.remove(ready[self.choose(ready.len())]);
            drop(tasks);
            task.woken.0.store(false, Ordering::Relaxed);
            let waker = Waker::from(Arc::clone(&task.woken));
            if task
                .future
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
            {
                self.tasks.borrow_mut().push(task);
            }
        }
        panic!("it goes on for ever")
    }
}
