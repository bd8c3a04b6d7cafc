//! The committed code is what the protocol generates; `UPDATE=1 cargo test -p alumet-relay-protocol --test drift`
//! writes it anew.

use std::path::Path;

const PROTO: &str = "alumet/relay/v1/relay.proto";

#[test]
fn the_generated_code_is_that_of_the_protocol() {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let descriptors = protox::compile([PROTO], [crate_folder.join("proto")]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    tonic_prost_build::configure()
        .build_transport(false)
        .bytes(".")
        .out_dir(folder.path())
        .emit_rerun_if_changed(false)
        .compile_fds(descriptors)
        .unwrap();
    let generated = std::fs::read_to_string(folder.path().join("alumet.relay.v1.rs")).unwrap();

    let path = crate_folder.join("src/generated/alumet.relay.v1.rs");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &generated).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap();
    assert!(
        generated == committed,
        "src/generated/alumet.relay.v1.rs is not what {PROTO} generates; run this test with UPDATE=1"
    );
}
