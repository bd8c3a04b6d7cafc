//! The page, as a browser sees it.

use std::process::Command;

use alumet_shared_output_testkit::find;

use crate::server::Server;

/// Visits it so many times.
pub(crate) fn run(visits: u32) {
    let (Some(node), Some(chromium)) = (
        find("node", "apt-get install nodejs"),
        find("chromium", "apt-get install chromium"),
    ) else {
        return;
    };
    let server = Server::start(1024);
    let ended = Command::new(node)
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../alumet-plugins/outputs/rest-api/page/tests/paint.mjs"
        ))
        .args([format!("http://127.0.0.1:{}/", server.port()), visits.to_string()])
        .env("CHROMIUM", chromium)
        .status();
    assert!(ended.expect("node").success(), "{}", server.program.log());
}
