//! The configuration: any text as a file and as an override, merged and shown. What is shown must load again.

#![no_main]

use alumet_agent::config::Loader;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let environment = |name: &str| (name == "HOME").then(|| "/root".into());
    match Loader::new(&environment)
        .text("fuzz.toml", text)
        .override_with(text)
        .load()
    {
        Ok(document) => {
            let shown = document.show(true);
            // A dollar sign that was written out could be replaced a second time.
            if !shown.contains('$') {
                assert!(Loader::new(&environment).text("shown.toml", shown).load().is_ok());
            }
        }
        Err(problems) => assert!(!problems.to_string().is_empty()),
    }
});
