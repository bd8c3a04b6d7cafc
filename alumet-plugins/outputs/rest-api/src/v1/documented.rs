//! The parameters that several endpoints have, for the document.

use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::{ArrayBuilder, ObjectBuilder, RefOr, Required, Schema, Type};

/// Defines types that stand for lists of parameters: name, whether it can be repeated, what it means.
macro_rules! parameters {
    ($($(#[$doc:meta])* $name:ident: [$(($parameter:literal, $repeated:literal, $meaning:expr)),+ $(,)?];)+) => {$(
        $(#[$doc])*
        pub(super) struct $name;

        impl IntoParams for $name {
            fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
                vec![$(parameter($parameter, $repeated, $meaning)),+]
            }
        }
    )+};
}

const SAME: &str = "The series must have this text; repeated, one of these.";

parameters! {
    /// Which series are meant.
    Selecting: [
        ("metric", true, SAME),
        ("node", true, SAME),
        ("resource_kind", true, SAME),
        ("resource_id", true, SAME),
        ("consumer_kind", true, SAME),
        ("consumer_id", true, SAME),
        ("quality", true, SAME),
        ("match", true, "`label=value`, `label!=value`, `label=~regex` or `label!~regex`; repeated, all must be right. An expression \
            matches the whole text. A label that a series does not have is the empty text."),
    ];
    /// Of which time.
    Ranging: [
        ("from", false, "The first instant: RFC 3339, seconds since 1970, `now` or `now-5m`; an hour before `to` if it is not said \
            otherwise. Also `start_time`."),
        ("to", false, "The instant after the last; now if it is not given. Also `end_time`."),
    ];
    /// How the answer is written.
    Formatting: [
        ("format", false, "`json`, `csv`, and `arrow` (an IPC stream) in programs that are built with it; if it is not given, what `Accept` prefers."),
    ];
    /// Which part of a list is wanted.
    Paging: [
        ("limit", false, "How many; 100 if it is not given, at most 10000."),
        ("offset", false, "How many are passed over before."),
    ];
    /// Groups and intervals.
    Grouping: [
        ("by", true, "Labels, with commas between them, by which series are grouped. `consumer` is a consumer on its node, `resource` a resource on its node."),
        ("step", false, "How long intervals are: `1m`, or seconds. They begin at multiples of it since 1970, so that the first and the last can be more than the range has of them. Without it, the whole range is one."),
    ];
}

fn parameter(name: &str, repeated: bool, meaning: &str) -> Parameter {
    let text = ObjectBuilder::new().schema_type(Type::String);
    let schema: RefOr<Schema> = match repeated {
        true => ArrayBuilder::new().items(text).into(),
        false => text.into(),
    };
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(meaning))
        .schema(Some(schema))
        .build()
}
