use alumet_core::duration::HumanDuration;
use alumet_plugin_elasticsearch::{Config, ElasticsearchPlugin};
use alumet_shared_output_testkit::{
    Destination, Mood as Way, Network, account, are_all, break_in_every_way, finish, lose_and_double_nothing,
    run, until,
};

use crate::elastic::{Elastic, Mood, config};

fn impatient(port: u16) -> Config {
    let mut config = config(port);
    config.http.timeout = HumanDuration::from_secs(2);
    config
}

#[test]
fn whatever_breaks_on_the_way_all_numbers_are_there_once_in_the_end() {
    let elastic = Elastic::start();
    let folder = tempfile::tempdir().unwrap();
    let network = Network::to(elastic.port());
    network.set(Way::Away);
    let pipeline = run::<ElasticsearchPlugin>(folder.path(), impatient(network.port()), 0);
    break_in_every_way(&network, &pipeline);
    let ledger = finish(&pipeline);
    let account = account(&ledger);
    assert_eq!((account.delivered, account.dropped_total()), (ledger.produced, 0));
    assert!(are_all(&elastic.numbers(), ledger.produced));
}

#[test]
fn a_server_that_takes_the_place_of_another_gets_the_template_before_anything_else() {
    let (one, other) = (Elastic::start(), Elastic::start());
    let folder = tempfile::tempdir().unwrap();
    let network = Network::to(one.port());
    let pipeline = run::<ElasticsearchPlugin>(folder.path(), impatient(network.port()), 0);
    until("the first has some", || one.numbers().len() > 100);
    network.set(Way::Away);
    let connections = network.connections();
    until("the first is gone", || network.connections() > connections);
    network.lead_to(other.port());
    network.set(Way::Fine);
    // It would not create an index without its template.
    until("the second has some", || other.numbers().len() > 100);
    let ledger = finish(&pipeline);
    assert_eq!(account(&ledger).delivered, ledger.produced);
    assert_eq!(one.templates(), other.templates());
    let mut numbers = [one.numbers(), other.numbers()].concat();
    numbers.sort_unstable();
    // What the first has taken although its answer was lost, the second has as well.
    numbers.dedup();
    assert!(are_all(&numbers, ledger.produced));
}

/// A server behind a network, which counts connections.
struct Behind(Elastic, Network);

impl Destination for Behind {
    fn requests(&self) -> usize {
        self.1.connections()
    }

    fn numbers(&self) -> Vec<u64> {
        self.0.numbers()
    }

    fn mend(&self) {
        self.0.set(Mood::Fine);
    }
}

#[test]
fn killed_fifty_times_it_loses_and_doubles_nothing() {
    lose_and_double_nothing(
        "faults::killed_fifty_times_it_loses_and_doubles_nothing",
        |folder, port, first| run::<ElasticsearchPlugin>(folder, config(port), first),
        || {
            let elastic = Elastic::start();
            elastic.set(Mood::TakesHalf);
            let network = Network::to(elastic.port());
            let port = network.port();
            (Behind(elastic, network), port)
        },
    );
}
