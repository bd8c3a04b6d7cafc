//! The suite that every plugin passes.

use alumet_core::testkit::Contract;
use alumet_plugin_quarch::QuarchPlugin;

mod server;

use server::{Mood, Server};

#[test]
fn the_plugin_keeps_its_contract() {
    let server = Server::start(Mood::Fine);
    Contract::<QuarchPlugin>::of_crate(env!("CARGO_MANIFEST_DIR"))
        .with(server.config())
        .check();
}
