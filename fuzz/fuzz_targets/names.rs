//! Small texts that come from outside: units, patterns of elements, resources, consumers, durations, sizes.

#![no_main]

use alumet_core::duration::HumanDuration;
use alumet_core::pipeline::Pattern;
use alumet_core::size::ByteSize;
use alumet_core::{Consumer, Resource, Unit};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let unit = Unit::parse(text);
    assert_eq!(Unit::parse(&unit.code()), unit);
    if let Ok(pattern) = text.parse::<Pattern>() {
        assert_eq!(pattern.to_string().parse(), Ok(pattern));
    }
    if let Ok(duration) = text.parse::<HumanDuration>() {
        assert_eq!(duration.to_string().parse(), Ok(duration));
    }
    if let Ok(size) = text.parse::<ByteSize>() {
        assert_eq!(size.to_string().parse(), Ok(size));
    }
    let (kind, id) = text.split_once(' ').unwrap_or((text, ""));
    let resource = Resource::new(kind, id);
    assert_eq!((resource.kind(), &*resource.id()), (kind, id));
    let consumer = Consumer::new(kind, id);
    assert_eq!((consumer.kind(), &*consumer.id()), (kind, id));
});
