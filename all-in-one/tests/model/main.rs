//! Both services against a small reference of their rules, under scripts that nobody would think of: `make test` plays 10,000
//! on the domains alone and 200 on each database; `make soak` plays more (`PF_MODEL_PURE`, `PF_MODEL_DOORS`).

mod doors;
mod play;
mod pure;
mod reference;
mod script;

use chrono::{DateTime, Utc};
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use std::cell::RefCell;
use testkit::databases::Door;

fn cases(name: &str, usual: u32) -> u32 {
    std::env::var(name).map_or(usual, |told| told.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

fn runner(cases: u32) -> TestRunner {
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 20_000, ..Config::default() };
    TestRunner::new(config)
}

fn begin() -> DateTime<Utc> {
    DateTime::from_timestamp(1_772_366_400, 0).expect("a time")
}

#[test]
fn the_domains_do_what_the_reference_says() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let played = runner(cases("PF_MODEL_PURE", 10_000)).run(&script::script(45), |script| {
        let mut pure = pure::Pure::new(script.policy, pure::draft("eve@example.org"), begin());
        let played = runtime.block_on(play::play(&mut pure, &script, begin(), true));
        played.map(drop).map_err(TestCaseError::fail)
    });
    played.unwrap_or_else(|why| panic!("{why}"));
}

/// A panic with the smallest script that shows a difference.
fn on_a_door(door: Door) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let mut services = runtime.block_on(doors::Services::new(door));
    let services = RefCell::new(&mut services);
    let played = runner(cases("PF_MODEL_DOORS", 200)).run(&script::script(40), |script| {
        let services = &mut **services.borrow_mut();
        let played = runtime.block_on(async {
            let (mut one, begin) = services.patient(script.policy).await;
            play::play(&mut one, &script, begin, false).await
        });
        played.map(drop).map_err(TestCaseError::fail)
    });
    played.unwrap_or_else(|why| panic!("{why}"));
}

mod postgres {
    #[test]
    fn the_services_do_what_the_reference_says() {
        super::on_a_door(testkit::databases::Door::Postgres);
    }
}

mod sqlite {
    #[test]
    fn the_services_do_what_the_reference_says() {
        super::on_a_door(testkit::databases::Door::Sqlite);
    }
}
