//! What a server says about each document.

use alumet_core::Failure;
use alumet_core::output::Receipt;
use alumet_shared_http_delivery::Answer;
use serde::Deserialize;
use serde_json::Value as Json;

use crate::encode::Bulk;

#[derive(Deserialize)]
struct Body {
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    create: Verdict,
}

#[derive(Deserialize)]
struct Verdict {
    status: u16,
    #[serde(default)]
    error: Json,
}

/// Errors with the status 400 that are not those of the document: people mend them.
const MENDABLE: [&str; 2] = [
    // The cluster has as many shards as it may have.
    "validation_exception",
    "index_closed_exception",
];

/// What has become of the samples of `bulk`.
///
/// # Errors
/// When the server has taken nothing, or its answer says nothing of the documents.
pub(crate) fn verdict(answer: &Answer, bulk: &mut Bulk) -> Result<Receipt, Failure> {
    let Ok(body) = serde_json::from_slice::<Body>(&answer.body) else {
        let words = answer.words();
        return Err(Failure::retry(format!(
            "the answer is none of a bulk API: {words:?}; check the address and what listens there"
        )));
    };
    if body.items.len() != bulk.documents {
        return Err(Failure::retry(format!(
            "the server answers {} documents where {} were sent",
            body.items.len(),
            bulk.documents
        )));
    }
    let mut receipt = std::mem::take(&mut bulk.left_out);
    let (mut put_off, mut is_any_settled) = (None, false);
    for (document, Item { create }) in body.items.into_iter().enumerate() {
        let is_mendable = MENDABLE.iter().any(|kind| create.error["type"] == *kind);
        match create.status {
            // A conflict is that with itself: it has come before.
            200..=299 | 409 => is_any_settled = true,
            400 | 413 if !is_mendable => {
                is_any_settled = true;
                receipt.reject(bulk.position(document), create.words());
            }
            _ => {
                receipt.again(bulk.position(document));
                put_off.get_or_insert(create);
            }
        }
    }
    match put_off {
        Some(verdict) if !is_any_settled => Err(Failure::retry(format!(
            "the server takes nothing now: {} {}",
            verdict.status,
            verdict.words()
        ))),
        _ => Ok(receipt),
    }
}

impl Verdict {
    /// Type, reason and cause, without the id of the document, which would make each reason another one.
    fn words(&self) -> String {
        let error = &self.error;
        let cause = &error["caused_by"];
        let words: Vec<_> = [
            &error["type"],
            &error["reason"],
            &cause["type"],
            &cause["reason"],
            error,
        ]
        .into_iter()
        .filter_map(Json::as_str)
        .collect();
        let words = words.join(": ");
        match words.split_once(" in document with id '") {
            Some((before, rest)) => {
                format!("{before}{}", rest.split_once('\'').map_or("", |(_, after)| after))
            }
            None => words,
        }
    }
}
