//! What the server says of itself.

use crate::client::{Agent, begin, hello};
use crate::rig::Rig;

#[tokio::test(flavor = "multi_thread")]
async fn clients_samples_and_bytes_are_counted() {
    let rig = Rig::start();
    let mut agent = Agent::new();
    let mut session = begin(rig.address, hello("a", 1, 1)).await.unwrap();
    let messages: Vec<_> = (0..7).flat_map(|value| agent.next(value)).collect();
    session.send_all(messages).await;
    session.acknowledged(7).await;
    let report = rig.stop();
    let find = |name: &str| {
        let lines = report.iter().filter(|line| line.starts_with(name));
        let values = lines.map(|line| {
            let value: u64 = line.rsplit_once("= ").unwrap().1.parse().unwrap();
            (line.contains("node=a"), value)
        });
        values.collect::<Vec<_>>()
    };
    // A delta series begins with a 0.
    assert_eq!(find("relay_received_samples"), [(true, 0), (true, 7)]);
    assert_eq!(find("relay_duplicates"), [(true, 0), (true, 0)]);
    let [(true, 0), (true, 100..5000)] = find("relay_received_bytes")[..] else {
        panic!("{report:?}")
    };
    // It had a session until the end, which has come.
    assert_eq!(find("relay_clients"), [(false, 0)]);
}
