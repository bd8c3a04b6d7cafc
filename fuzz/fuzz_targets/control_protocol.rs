//! Lines that come to the control socket, and replies that go back.

#![no_main]

use alumet_shared_control_protocol::{Line, Reply};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(request) = Line::parse(text).request {
        let line = request.to_string();
        assert!(!line.contains(['\n', '\r']), "{line:?}");
        assert_eq!(Line::parse(&line).request, Ok(request));
    }
    let reply = Reply::Refused(text.to_owned());
    let lines = reply.to_text();
    let mut lines = lines.lines();
    let last = lines.next_back().unwrap_or_default();
    assert!(last.starts_with("error: "), "{last:?}");
    assert!(lines.all(|line| line.starts_with("  ")), "{text:?}");
    assert!(!reply.to_json().trim_end().contains('\n'), "{text:?}");
});
