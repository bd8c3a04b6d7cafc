//! What a server or the driver says, and what is to be done about it.

use alumet_core::Failure;
use alumet_core::failure::words;
use alumet_core::output::Receipt;
use mongodb::bson::{Bson, Document};
use mongodb::error::{Error, ErrorKind};

/// A key that exists already.
const DUPLICATE_KEY: i64 = 11000;

/// Too much at once: BSONObjectTooLarge, and those of older servers.
const TOO_LARGE: [i64; 3] = [10334, 17419, 17420];

/// What a server may say of a document although it will take it later: because of its network, its load, its disk, its replica
/// set, the rights of the user or the name of the collection. All others are about the document.
const LATER: [i64; 29] = [
    6, 7, 13, 24, 26, 46, 50, 63, 64, 73, 82, 89, 91, 100, 112, 133, 134, 146, 189, 202, 262, 8000, 9001,
    10107, 11600, 11602, 13388, 13436, 14031,
];

/// What became of the documents of a command, which was answered with `answer`. A document that is there already is delivered.
///
/// # Errors
/// When some have to come again. Then all do: those that are there are recognised.
pub(crate) fn verdict(answer: &Document) -> Result<Receipt, Failure> {
    let mut receipt = Receipt::all();
    let errors = answer.get_array("writeErrors").map(Vec::as_slice);
    for error in errors.unwrap_or_default().iter().filter_map(Bson::as_document) {
        let code = error.get("code").and_then(integer).unwrap_or_default();
        let index = error.get("index").and_then(integer);
        let index = index.and_then(|index| usize::try_from(index).ok());
        let said = words(error.get_str("errmsg").unwrap_or("no reason is given"));
        match index {
            _ if code == DUPLICATE_KEY && is_of_id(error) => {}
            Some(index) if !LATER.contains(&code) => receipt.reject(index, format!("{said} (code {code})")),
            _ => return Err(Failure::retry(format!("the server answers {code}: {said}"))),
        }
    }
    if let Ok(error) = answer.get_document("writeConcernError") {
        let code = error.get("code").and_then(integer).unwrap_or_default();
        let said = words(error.get_str("errmsg").unwrap_or("no reason is given"));
        return Err(Failure::retry(format!(
            "the server has written, but not yet as safely as is wanted ({code}: {said}); check the other members of its \
             replica set"
        )));
    }
    Ok(receipt)
}

/// Whether the key that exists already is the identifier, and not one of another index.
fn is_of_id(error: &Document) -> bool {
    match error.get_document("keyPattern") {
        Ok(pattern) => pattern.keys().eq(["_id"]),
        // What is not MongoDB itself may say it in words alone.
        Err(_) => error.get_str("errmsg").is_ok_and(|said| said.contains("_id")),
    }
}

fn integer(value: &Bson) -> Option<i64> {
    match value {
        Bson::Int32(value) => Some((*value).into()),
        Bson::Int64(value) => Some(*value),
        Bson::Double(value) => Some(*value as i64),
        _ => None,
    }
}

/// Why a command to `server` was not carried out, and what to do about it.
pub(crate) fn failure(error: &Error, server: &str) -> Failure {
    let said = words(error.kind.to_string());
    Failure::retry(match &*error.kind {
        ErrorKind::Command(error) => {
            let code = i64::from(error.code);
            let said = words(&error.message);
            let said = format!("{server} answers {code} {}: {said}", error.code_name);
            if TOO_LARGE.contains(&code) {
                return Failure::too_large(said);
            }
            match code {
                13 => format!("{said}; let the user write to `database`, or name one in `username`"),
                18 => format!("{said}; {CREDENTIALS}"),
                73 => format!("{said}; check `database` and `collection`"),
                _ => said,
            }
        }
        ErrorKind::Authentication { .. } => format!("{server} refuses the user: {said}; {CREDENTIALS}"),
        ErrorKind::ServerSelection { message, .. } => not_found(message, server),
        ErrorKind::InvalidTlsConfig { .. } => format!("TLS cannot be set up: {said}; check `tls`"),
        _ => format!("the connection to {server} broke ({said}); it is made anew"),
    })
}

const CREDENTIALS: &str = "check `username`, `password_file` and `auth_source`";

/// Why no server could be used, of all that the driver says: what it heard from each.
fn not_found(message: &str, server: &str) -> String {
    let mut reasons: Vec<&str> = message
        .split("Error: Kind: ")
        .skip(1)
        .map(|rest| rest.split(", labels: ").next().unwrap_or(rest))
        .collect();
    reasons.sort_unstable();
    reasons.dedup();
    let reasons = match reasons.is_empty() {
        true => words(message),
        false => words(reasons.join("; ")),
    };
    let mend = match () {
        () if reasons.contains("certificate") => {
            "name the authority of its certificate in `tls.ca`, and connect to a name that is in the certificate"
        }
        () if reasons.contains("refused") || reasons.contains("timed out") => {
            "check that it runs there and that nothing between blocks it"
        }
        () if reasons.contains("lookup") => "check the name of the host",
        () => "check the port, `tls` and `replicaSet`",
    };
    format!("no server to write to at {server} ({reasons}); {mend}")
}
