# SPDX-License-Identifier: Apache-2.0
"""What the integration tests and benches stand on. Standard library only; one idea a module.

paths       where the build put things            processes   children, orphans, pidfds, reaping
events      wait for files and mounts to change   containerd  a private containerd and the ctr client
container   a container that is running           leaks       what is left when nothing should be
wire        protobuf bytes                        ttrpc       a ttrpc client that can also misbehave
shim        a shim driven without containerd      initrd      tiny guests that fail on purpose
vmconfig    configuration files for coco          ociconfig   config.json
case        what a test function is given         runner      find, run and report tests
"""
