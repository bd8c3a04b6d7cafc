//! A plugin that is only tried finds out whether it could start, and changes nothing.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use alumet_core::plugin::{Host, Plugin, StartContext};
use alumet_core::time::SystemClock;
use alumet_plugin_csv::{Config, CsvPlugin};

fn start(host: &Host, path: &Path) -> Result<alumet_core::plugin::ElementSpecs, String> {
    let config = Config {
        output_path: path.to_owned(),
        ..Config::default()
    };
    let mut context = StartContext::new(host);
    CsvPlugin::start(config, &mut context).map_err(|error| error.to_string())?;
    Ok(context.take_specs())
}

#[test]
fn a_trial_makes_no_file_and_moves_none() {
    let folder = tempfile::tempdir().unwrap();
    let trial = Host::trial(Arc::new(SystemClock), "/");
    start(&trial, &folder.path().join("a/b/new.csv")).unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);

    let foreign = folder.path().join("foreign.csv");
    fs::write(&foreign, "somebody else's").unwrap();
    start(&trial, &foreign).unwrap();
    assert_eq!(fs::read_to_string(&foreign).unwrap(), "somebody else's");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_trial_tells_what_stands_in_the_way() {
    let folder = tempfile::tempdir().unwrap();
    let trial = Host::trial(Arc::new(SystemClock), "/");
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = start(&trial, &file.join("below.csv")).err().unwrap();
    assert!(error.contains(&*file.to_string_lossy()), "{error}");

    let taken = folder.path().join("taken.csv");
    let running = start(&Host::new(Arc::new(SystemClock), "/"), &taken).unwrap();
    assert!(start(&trial, &taken).is_err());
    drop(running);
    start(&trial, &taken).unwrap();
}
