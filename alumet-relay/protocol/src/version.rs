//! Which versions of the protocol there are, and which one two programs speak.

use std::ops::RangeInclusive;

/// The versions that this program speaks. Version 1 had no checksums but those of batches.
pub const SPOKEN: RangeInclusive<u32> = 2..=2;

/// Two programs have no version of the protocol in common.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the client speaks versions {} to {} of the relay protocol, this server {} to {}; update the {}",
    client.start(), client.end(), server.start(), server.end(),
    if client.start() > server.end() { "server" } else { "client" }
)]
pub struct NoCommonVersion {
    /// What the client speaks.
    pub client: RangeInclusive<u32>,
    /// What the server speaks.
    pub server: RangeInclusive<u32>,
}

/// The newest version that both sides speak.
///
/// # Errors
/// When there is none, with which side to update.
pub fn negotiate(client: RangeInclusive<u32>, server: RangeInclusive<u32>) -> Result<u32, NoCommonVersion> {
    let newest = *client.end().min(server.end());
    if client.contains(&newest) && server.contains(&newest) {
        return Ok(newest);
    }
    Err(NoCommonVersion { client, server })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_common_version_is_spoken() {
        assert_eq!(negotiate(1..=1, 1..=1), Ok(1));
        assert_eq!(negotiate(1..=3, 2..=5), Ok(3));
        assert_eq!(negotiate(2..=9, 1..=4), Ok(4));
    }

    #[test]
    fn without_a_common_version_the_older_side_is_to_be_updated() {
        let newer_client = negotiate(2..=3, 1..=1).unwrap_err().to_string();
        assert!(newer_client.ends_with("update the server"), "{newer_client}");
        let newer_server = negotiate(1..=1, 2..=3).unwrap_err().to_string();
        assert!(newer_server.ends_with("update the client"), "{newer_server}");
    }

    #[test]
    fn a_range_without_a_version_has_none_in_common() {
        #[expect(clippy::reversed_empty_ranges, reason = "a peer can send anything")]
        let empty = 3..=1;
        assert!(negotiate(empty, 1..=5).is_err());
    }
}
