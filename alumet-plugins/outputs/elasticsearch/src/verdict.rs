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
    let position = receipt.position_of_kept();
    let (mut put_off, mut is_any_settled) = (None, false);
    for (document, Item { create }) in body.items.into_iter().enumerate() {
        let is_mendable = MENDABLE.iter().any(|kind| create.error["type"] == *kind);
        match create.status {
            // A conflict is that with itself: it has come before.
            200..=299 | 409 => is_any_settled = true,
            400 | 413 if !is_mendable => {
                is_any_settled = true;
                receipt.reject(position(document), create.words());
            }
            _ => {
                receipt.again(position(document));
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

#[cfg(test)]
mod tests {
    use alumet_core::failure::Remedy;
    use alumet_shared_http_delivery::StatusCode;

    use super::*;

    /// What the server says of three documents.
    fn of(body: &str) -> Result<Receipt, Failure> {
        let answer = Answer {
            status: StatusCode::OK,
            headers: Default::default(),
            body: body.to_owned().into(),
        };
        let mut bulk = Bulk {
            documents: 3,
            ..Bulk::default()
        };
        verdict(&answer, &mut bulk)
    }

    #[test]
    fn each_document_has_its_own_verdict_and_a_reason_that_others_share() {
        let receipt = of(r#"{"errors":true,"items":[
            {"create":{"status":409,"error":{"type":"version_conflict_engine_exception","reason":"[1]: version conflict"}}},
            {"create":{"status":400,"error":{"type":"document_parsing_exception",
                "reason":"[1:9] failed to parse field [value] of type [long] in document with id 'a-1'. Preview: '2.5'",
                "caused_by":{"type":"illegal_argument_exception","reason":"Value [2.5] has a decimal part"}}}},
            {"create":{"status":429,"error":"busy"}}]}"#);
        let mut expected = Receipt::all();
        expected.reject(
            1,
            "document_parsing_exception: [1:9] failed to parse field [value] of type [long]. Preview: '2.5': \
             illegal_argument_exception: Value [2.5] has a decimal part",
        );
        expected.again(2);
        assert_eq!(receipt.unwrap(), expected);
    }

    #[test]
    fn an_answer_that_is_none_means_that_nothing_is_there() {
        for body in [
            "",
            "{}",
            "[]",
            r#"{"items":[]}"#,
            r#"{"items":[{"create":{"status":201}}]}"#,
        ] {
            assert_eq!(of(body).unwrap_err().remedy(), Remedy::Retry, "{body}");
        }
    }

    #[test]
    fn if_all_are_put_off_it_is_said_why() {
        let item =
            r#"{"create":{"status":403,"error":{"type":"security_exception","reason":"not allowed"}}}"#;
        let failure = of(&format!(r#"{{"items":[{item},{item},{item}]}}"#)).unwrap_err();
        assert_eq!(failure.remedy(), Remedy::Retry);
        assert!(
            failure
                .to_string()
                .ends_with("403 security_exception: not allowed"),
            "{failure}"
        );
    }
}
