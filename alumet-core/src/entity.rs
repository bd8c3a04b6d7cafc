//! What resources and consumers have in common: a kind and an id, written and parsed from one table.

/// Defines an enum whose variants have a kind and an id as text, from one table.
///
/// A row is `Variant { field: Type, … } = "kind", write |fields| text, parse |id| Option<Variant>`. The macro adds the
/// variant `Custom { kind, id }` for everything else and makes writing and parsing inverse to each other: a text
/// that the typed variant would not write back exactly stays `Custom`.
macro_rules! entity {
    (
        $(#[$enum_doc:meta])*
        pub enum $name:ident {
            $(
                $(#[$doc:meta])*
                $variant:ident $({ $($(#[$field_doc:meta])* $field:ident: $type:ty),+ $(,)? })? = $kind:literal,
                write $write:expr,
                parse |$id:ident| $parse:expr;
            )+
        }
    ) => {
        $(#[$enum_doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum $name {
            $(
                $(#[$doc])*
                $variant $({ $($(#[$field_doc])* $field: $type),+ })?,
            )+
            /// Anything else. Made by [`Self::new`], so that a kind of this table is never hidden in it.
            Custom {
                /// The kind, in `snake_case`.
                kind: std::sync::Arc<str>,
                /// The id within the kind; may be empty.
                id: std::sync::Arc<str>,
            },
        }

        impl $name {
            /// The kinds that have a variant of their own.
            pub const KINDS: &'static [&'static str] = &[$($kind),+];

            /// The variant of a kind and an id; `Custom` when no typed variant writes exactly this id.
            pub fn new(kind: &str, id: &str) -> Self {
                Self::typed(kind, id)
                    .filter(|typed| typed.id() == id)
                    .unwrap_or_else(|| Self::Custom { kind: kind.into(), id: id.into() })
            }

            fn typed(kind: &str, id: &str) -> Option<Self> {
                match kind {
                    $($kind => { let $id = id; $parse })+
                    _ => None,
                }
            }

            /// The kind as text.
            pub fn kind(&self) -> &str {
                match self {
                    $(Self::$variant { .. } => $kind,)+
                    Self::Custom { kind, .. } => kind,
                }
            }

            /// The id as text; empty when the kind has only one member.
            pub fn id(&self) -> std::borrow::Cow<'_, str> {
                match self {
                    $(Self::$variant $({ $($field),+ })? => $write,)+
                    Self::Custom { id, .. } => std::borrow::Cow::Borrowed(id),
                }
            }
        }

        /// `kind:id`, or `kind` alone when the id is empty.
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.kind())?;
                match self.id() {
                    id if id.is_empty() => Ok(()),
                    id => write!(f, ":{id}"),
                }
            }
        }
    };
}

pub(crate) use entity;
