//! Lines that come to the control socket, and replies that come from it.

#![no_main]

use alumet_shared_control_protocol::{Line, Reply};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(command) = Line::parse(text).command {
        let line = command.to_string();
        assert!(!line.contains(['\n', '\r']), "{line:?}");
        assert_eq!(Line::parse(&line).command, Ok(command));
    }
    if let Ok(reply) = Reply::parse(text) {
        // Times may lose their last digits.
        let again = Reply::parse(&reply.to_json()).expect("what was written can be read");
        assert_eq!(again.error(), reply.error());
        let lines = reply.to_text();
        let (last, body) = {
            let mut lines = lines.lines();
            (lines.next_back().unwrap_or_default(), lines)
        };
        assert_eq!(last == "ok", reply.error().is_none(), "{lines:?}");
        assert!(body.into_iter().all(|line| line.starts_with("  ")), "{lines:?}");
    }
});
