//! What holds for any input.

use std::fs;

use alumet_agent::config::{Document, KeyPath, Loader, Origin};
use proptest::prelude::*;

use crate::sample::{load, nothing, plain};

/// A document of few keys, so that several documents have keys in common; leaves and tables under the same names.
fn text() -> impl Strategy<Value = String> {
    let key = "[abc](\\.[abc]){0,3}";
    prop::collection::vec((key, 0..100i64), 0..6).prop_map(|pairs| {
        let mut text = String::new();
        for (key, value) in pairs {
            let longer = format!("{text}{key} = {value}\n");
            if toml::from_str::<toml::Table>(&longer).is_ok() {
                text = longer;
            }
        }
        text
    })
}

/// The document with the origin of every key.
fn shown(document: &Document) -> String {
    document.show(true)
}

proptest! {
    #[test]
    fn any_bytes_as_a_file_give_a_document_or_problems(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alumet.toml");
        fs::write(&path, bytes).unwrap();
        if let Err(problems) = Loader::new(&nothing).path(&path).load() {
            prop_assert!(!problems.to_string().is_empty());
        }
    }

    #[test]
    fn any_text_like_toml_gives_a_document_or_problems(text in "([a-c.=\\[\\]{}\"'#\n ,${}:\\-\\\\1é]|true|\\PC){0,60}") {
        match load(&text) {
            Ok(document) => prop_assert!(load(&document.show(false)).is_ok()),
            Err(problems) => prop_assert!(!problems.to_string().is_empty()),
        }
    }

    #[test]
    fn a_document_without_secrets_is_shown_as_it_is_read(text in text()) {
        let document = load(&text).unwrap();
        let again = load(&document.show(false)).unwrap();
        prop_assert_eq!(plain(&again), plain(&document));
    }

    #[test]
    fn strings_without_a_dollar_stay_as_they_are(value in "[^$]*") {
        let mut table = toml::Table::new();
        table.insert("a".to_owned(), value.clone().into());
        let document = load(&toml::to_string(&table).unwrap()).unwrap();
        let read = plain(&document);
        prop_assert_eq!(read["a"].as_str(), Some(value.as_str()));
        let again = plain(&load(&document.show(false)).unwrap());
        prop_assert_eq!(again, read);
    }

    #[test]
    fn any_string_with_dollars_is_replaced_or_refused(value in r"[${}:\-\\A-Ca1é ]{0,40}|\PC*") {
        let mut table = toml::Table::new();
        table.insert("a".to_owned(), value.clone().into());
        let loaded = Loader::new(&|name| Some(name.into())).text("1", toml::to_string(&table).unwrap()).load();
        if let Ok(document) = loaded {
            // Each variable stands for its own name, so nothing can become longer.
            prop_assert!(plain(&document)["a"].as_str().unwrap().len() <= value.len());
        }
    }

    #[test]
    fn later_files_win_key_by_key(first in text(), second in text()) {
        let document = Loader::new(&nothing).text("1", first.as_str()).text("2", second.as_str()).load().unwrap();
        let mut expected: toml::Table = toml::from_str(&first).unwrap();
        lay_over(&mut expected, toml::from_str(&second).unwrap());
        prop_assert_eq!(plain(&document), expected);
    }

    #[test]
    fn what_a_flag_sets_is_found_again(text in text(), keys in prop::collection::vec("[abc]", 1..4)) {
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let loader = Loader::new(&nothing).text("1", text.as_str());
        let origin = Origin::Flag("--seven".to_owned());
        let document = loader.set(&KeyPath::dotted(&keys.join(".")), 7, origin).load().unwrap();
        prop_assert!(document.refused(&keys, "").to_string().ends_with("\n --> flag --seven"));
        prop_assert!(shown(&document).contains("= 7 # flag --seven"));
    }
}

/// The merge in its shortest form.
fn lay_over(below: &mut toml::Table, above: toml::Table) {
    for (key, value) in above {
        match (below.get_mut(&key), value) {
            (Some(toml::Value::Table(below)), toml::Value::Table(above)) => lay_over(below, above),
            (_, value) => {
                below.insert(key, value);
            }
        }
    }
}
