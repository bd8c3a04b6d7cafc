//! Enums whose variants have a word each.

/// Gives each variant its word: as `name`, as text, and where it is serialized. Lists all variants.
macro_rules! words {
    ($type:ident { $($variant:ident: $word:literal,)+ }) => {
        impl $type {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            #[doc = concat!("Its word" $(, ", `", $word, "`")+, ".")]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }
    };
}
