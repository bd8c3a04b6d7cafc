//! One encoding of batches for the spool and for the wire.
