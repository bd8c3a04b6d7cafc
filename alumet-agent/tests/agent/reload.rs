//! SIGHUP reads the configuration again.

use nix::sys::signal::Signal;

use crate::csv::lines_of;
use crate::program::{Folder, load, wait_until};

#[test]
fn a_reload_moves_the_output_and_every_sample_is_accounted_for() {
    let folder = Folder::new();
    folder.write("alumet-config.toml", load());
    let mut agent = folder.start(&[]);
    agent.wait_until_measuring();
    wait_until("lines", || {
        (folder.read("out.csv").lines().count() > 300).then_some(())
    });

    folder.write("alumet-config.toml", load().replace("out.csv", "new.csv"));
    agent.signal(Signal::SIGHUP);
    wait_until("lines in the new file", || {
        (folder.read("new.csv").lines().count() > 300).then_some(())
    });
    let ended = agent.stop(Signal::SIGTERM);
    let accounts = ended.accounts();
    let lines = lines_of(&folder.path("out.csv")).len() + lines_of(&folder.path("new.csv")).len();
    assert_eq!(lines as u64, accounts.delivered, "{}", ended.stderr);
    ended.expect_code(0);
    assert_eq!(accounts.dropped, 0, "{}", ended.stderr);
}

#[test]
fn a_wrong_configuration_is_told_and_the_old_one_goes_on() {
    let folder = Folder::new();
    folder.write("alumet-config.toml", load());
    let mut agent = folder.start(&[]);
    agent.wait_until_measuring();
    folder.write("alumet-config.toml", load().replace("output_path", "output_pth"));
    agent.signal(Signal::SIGHUP);
    agent.wait_for_log("did you mean `output_path`?");
    assert!(agent.log().contains("unknown key `plugins.csv.output_pth`"));
    let before = folder.read("out.csv").lines().count();
    wait_until("more lines", || {
        (folder.read("out.csv").lines().count() > before + 100).then_some(())
    });
    let ended = agent.stop(Signal::SIGTERM);
    ended.expect_code(0);
    assert_eq!(ended.accounts().dropped, 0);
}
