use alumet_core::Attributes;

use crate::error::DecodeError;

/// What a receiver changes in the definitions of a sender, so that the series of several senders stay apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Amendment {
    /// Added to each series, such as the name of the node. An attribute that the series has under the same name stays.
    pub attributes: Attributes,
    /// Whether a series that has another value there is refused.
    pub is_exclusive: bool,
}

impl Amendment {
    /// Refuses attributes of another sender.
    pub(crate) fn check(&self, attributes: &Attributes) -> Result<(), DecodeError> {
        for (key, value) in self.attributes.iter().filter(|_| self.is_exclusive) {
            if let Some(found) = attributes.get(key).filter(|found| *found != value) {
                let (key, found) = (key.to_string(), found.to_string());
                return Err(DecodeError::Foreign { key, found });
            }
        }
        Ok(())
    }

    /// The attributes of a series with those that are added.
    pub(crate) fn apply(&self, attributes: Attributes) -> Attributes {
        if self.attributes.is_empty() {
            return attributes;
        }
        if attributes.is_empty() {
            return self.attributes.clone();
        }
        let added = self.attributes.iter().chain(attributes.iter());
        added.map(|(key, value)| (key.clone(), value.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_that_is_there_already_stays() {
        let amendment = Amendment {
            attributes: Attributes::from_iter([("node", "here"), ("zone", "a")]),
            is_exclusive: false,
        };
        let amended = amendment.apply(Attributes::from_iter([("node", "there")]));
        assert_eq!(amended.to_string(), "{node=there, zone=a}");
    }
}
