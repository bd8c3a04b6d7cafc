//! Batches that wait on disk, in one SQLite file, until every output has written them.
