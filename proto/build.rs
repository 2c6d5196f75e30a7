//! Compiles the protobuf files with protox, so that no `protoc` binary is needed.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let files = ["fruitnode/v1/job.proto", "fruitnode/v1/log.proto", "fruitnode/v1/mesh.proto"];
    for file in files {
        println!("cargo::rerun-if-changed={file}");
    }
    let descriptors = protox::compile(files, ["."])?;
    // Messages alone: clients and servers are made by `node`, where the network is.
    prost_build::Config::new().btree_map(["."]).compile_fds(descriptors)?;
    Ok(())
}
