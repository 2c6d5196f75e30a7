//! Makes the mesh's clients and servers from the protobuf files; their messages are those of
//! `fruitnode_proto`.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=../../proto/fruitnode/v1");
    let descriptors = protox::compile(["fruitnode/v1/mesh.proto"], ["../../proto"])?;
    tonic_prost_build::configure()
        .extern_path(".fruitnode.v1", "::fruitnode_proto::v1")
        .compile_fds(descriptors)?;
    Ok(())
}
