//! What an existing file holds: whether it is ours, and where its last whole line ends.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::field::Form;
use crate::format::Format;
use crate::header::Header;

/// A header longer than this is not ours.
const HEADER_LIMIT: usize = 1 << 20;
/// How much is read at a time.
const BLOCK: usize = 1 << 18;

/// What a file of ours holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Content {
    /// Its columns; none as long as it has no whole header line.
    pub(crate) header: Option<Header>,
    /// How many bytes the whole lines have. What follows is a torn line.
    pub(crate) whole: u64,
}

/// Looks at a file of `len` bytes; `None` when it is not ours, or cannot be mended without a doubt.
///
/// The whole file is read once: only the number of quotes before it tells whether a line end is inside a field.
pub(crate) fn inspect(file: &File, len: u64, format: Format) -> io::Result<Option<Content>> {
    let start = beginning(file, len)?;
    let Some(end) = end_of_first_record(&start) else {
        let is_torn = len <= start.len() as u64 && is_start_of_header(&start, format);
        return Ok(is_torn.then_some(Content {
            header: None,
            whole: 0,
        }));
    };
    let Some(header) = Header::parse(&start[..end], format) else {
        return Ok(None);
    };
    let mut ends = Ends::default();
    let mut block = vec![0; BLOCK];
    while ends.read < len {
        let wanted = usize::try_from(len - ends.read).map_or(BLOCK, |left| left.min(BLOCK));
        file.read_exact_at(&mut block[..wanted], ends.read)?;
        ends.read(&block[..wanted]);
    }
    // A line end after the last whole line is inside a torn quoted field, or a stray quote somewhere has turned
    // everything after it into one field. Cutting could destroy whole lines then.
    Ok((!ends.line_ends_after).then_some(Content {
        header: Some(header),
        whole: ends.whole,
    }))
}

/// The header line of a file of `len` bytes, or what stands there; none as long as there is no whole line.
pub(crate) fn first_record(file: &File, len: u64) -> io::Result<Option<Vec<u8>>> {
    let mut start = beginning(file, len)?;
    Ok(end_of_first_record(&start).map(|end| {
        start.truncate(end);
        start
    }))
}

fn beginning(file: &File, len: u64) -> io::Result<Vec<u8>> {
    let mut start = vec![0; usize::try_from(len).map_or(HEADER_LIMIT, |len| len.min(HEADER_LIMIT))];
    file.read_exact_at(&mut start, 0)?;
    Ok(start)
}

/// Where the last whole record of a text ends, found from its beginning to its end.
#[derive(Default)]
struct Ends {
    read: u64,
    is_quoted: bool,
    /// The end of the last whole record.
    whole: u64,
    /// Whether a line ends after it, inside a field.
    line_ends_after: bool,
}

impl Ends {
    fn read(&mut self, bytes: &[u8]) {
        for (index, &byte) in bytes.iter().enumerate() {
            match byte {
                b'"' => self.is_quoted = !self.is_quoted,
                b'\n' if self.is_quoted => self.line_ends_after = true,
                b'\n' => {
                    self.whole = self.read + index as u64 + 1;
                    self.line_ends_after = false;
                }
                _ => {}
            }
        }
        self.read += bytes.len() as u64;
    }
}

/// The end of the last whole record in `bytes`, which start with a record.
pub(crate) fn end_of_last_record(bytes: &[u8]) -> usize {
    let mut ends = Ends::default();
    ends.read(bytes);
    usize::try_from(ends.whole).unwrap_or(bytes.len())
}

fn end_of_first_record(bytes: &[u8]) -> Option<usize> {
    let mut is_quoted = false;
    let is_end = |&byte: &u8| {
        is_quoted ^= byte == b'"';
        byte == b'\n' && !is_quoted
    };
    bytes.iter().position(is_end).map(|index| index + 1)
}

/// Whether a file without any whole line can be the beginning of a file of ours.
fn is_start_of_header(bytes: &[u8], format: Format) -> bool {
    let mut header = Vec::new();
    Header::empty(format.dialect).write(Form::of(format), &mut header);
    // Up to here the header of every file is the same.
    let same = header.len() - format.dialect.last().len() - 1;
    let (bytes, header) = (&bytes[..bytes.len().min(same)], &header[..same]);
    header.starts_with(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use std::io::Write;

    const LEADING: &str = "metric;timestamp;value;resource_kind;resource_id;consumer_kind;consumer_id;";

    fn inspect_text(text: &str) -> Option<Content> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        inspect(&file, text.len() as u64, Config::default().format()).unwrap()
    }

    fn columns(text: &str) -> Option<Vec<String>> {
        Some(inspect_text(text)?.header?.attributes().to_vec())
    }

    #[test]
    fn a_header_gives_its_attributes_back() {
        assert_eq!(columns(&format!("{LEADING}__late_attributes\n")), Some(vec![]));
        assert_eq!(
            columns(&format!("{LEADING}a;\"b;\"\"\nc\";__late_attributes\r\n")),
            Some(vec!["a".to_owned(), "b;\"\nc".to_owned()])
        );
    }

    #[test]
    fn what_another_program_wrote_is_not_ours() {
        for text in [
            "hello",
            "a;b\n1;2\n",
            "metric,timestamp,value,resource_kind,resource_id,consumer_kind,consumer_id,__late_attributes\n",
            &format!("{LEADING}a\n"),
            &format!("{LEADING}a;a;__late_attributes\n"),
            &format!("{LEADING}value;__late_attributes\n"),
            &format!("{LEADING}\"a\"b;__late_attributes\n"),
            "\n",
        ] {
            assert_eq!(inspect_text(text), None, "{text}");
        }
    }

    #[test]
    fn a_torn_header_is_a_file_without_lines() {
        for text in [
            "",
            "m",
            "metric;times",
            LEADING,
            &format!("{LEADING}a;__la"),
            &format!("{LEADING}\"a\n"),
        ] {
            assert_eq!(
                inspect_text(text),
                Some(Content {
                    header: None,
                    whole: 0
                }),
                "{text}"
            );
        }
    }

    #[test]
    fn the_last_whole_line_is_found_across_blocks() {
        let header = format!("{LEADING}__late_attributes\n");
        for padding in [0, 1, BLOCK - header.len() - 2, BLOCK - header.len(), 2 * BLOCK] {
            let lines = format!("{header}\"{}\n\"\n", "x".repeat(padding));
            for torn in ["", "a", "\"a", &"y".repeat(BLOCK)] {
                let content = inspect_text(&format!("{lines}{torn}")).unwrap();
                assert_eq!(
                    content.whole,
                    lines.len() as u64,
                    "padding {padding}, torn {}",
                    torn.len()
                );
            }
        }
    }

    #[test]
    fn a_stray_quote_never_makes_whole_lines_look_torn() {
        let text = format!("{LEADING}__late_attributes\na\"b\nc\nd\n");
        assert_eq!(inspect_text(&text), None);
    }

    #[test]
    fn a_line_end_inside_a_field_ends_no_record() {
        assert_eq!(end_of_last_record(b"a;\"b\nc\";d\ne;\"f\n"), 10);
        assert_eq!(end_of_last_record(b"a;\"b\nc"), 0);
        assert_eq!(end_of_last_record(b""), 0);
    }
}
