use std::net::Ipv4Addr;

use alumet_shared_output_testkit::{Destination, lose_and_double_nothing};
use tokio::runtime::Runtime;

use crate::rig::start;
use crate::server::{Mood, Server};

/// A server that errs in every way, with what it runs in.
struct Fickle(
    Server,
    #[expect(dead_code, reason = "it runs as long as it is here")] Runtime,
);

impl Destination for Fickle {
    fn requests(&self) -> usize {
        self.0.requests()
    }

    fn numbers(&self) -> Vec<u64> {
        self.0.values()
    }

    fn mend(&self) {
        assert!(self.0.repeats() > 0, "answers that broke off make repeats");
        self.0.set(Mood::Fine);
    }
}

#[test]
fn killed_fifty_times_before_a_server_that_errs_it_loses_and_doubles_nothing() {
    lose_and_double_nothing(
        "kill::killed_fifty_times_before_a_server_that_errs_it_loses_and_doubles_nothing",
        |folder, port, first| start(folder, (Ipv4Addr::LOCALHOST, port).into(), first),
        || {
            let runtime = Runtime::new().unwrap();
            let server = runtime.block_on(Server::start(Mood::Fickle));
            let port = server.address.port();
            (Fickle(server, runtime), port)
        },
    );
}
