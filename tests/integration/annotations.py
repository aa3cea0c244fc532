# SPDX-License-Identifier: Apache-2.0
"""A pod's annotations set what the operator allows of its VM: coco.conf(5), [annotations]."""
from harness import vmconfig
from harness.case import contains, equal, one_line
from harness.sandbox import Sandbox, cri_options

RUNTIMES = ("coco",)
KEY = "io.katacontainers.config.hypervisor."
ALLOW = "default_vcpus=1-2; kernel_params=coco_test.*"
LOOK = "nproc; cat /proc/cmdline"


def run(case, node, script, **annotations):
    flags = [word for name, value in annotations.items() for word in ("--annotation", f"{KEY}{name}={value}")]
    return node.ctr(*node.run_arguments(node.new_id(), "sh", "-c", script, flags=("--rm", *flags)), check=False)


def test_of_a_container(case):
    """What is allowed is done; one annotation, or one value, that is not is an error that names it, and no VM runs."""
    node = case.private_node(config=vmconfig.write(case.directory / "coco.conf", annotations={"allow": ALLOW}))
    verify = case.clean(node)
    result = run(case, node, LOOK, default_vcpus="1.5", kernel_params="coco_test.a=b")
    equal(result.returncode, 0, result.stderr.decode())
    contains(result.stdout, "2\n", " coco_test.a=b")
    for name, value in (("default_memory", "512"), ("default_vcpus", "3"), ("kernel_params", "init=/bin/sh")):
        result = run(case, node, "true", **{name: value})
        assert result.returncode != 0, f"{name} = {value}"
        contains(one_line(result.stderr), "[annotations] allow", f"annotation '{KEY}{name}'")
    verify()


def test_of_a_sandbox(case):
    """They come with the Sandbox service; a container may repeat them."""
    config = vmconfig.write(case.directory / "coco.conf", annotations={"allow": ALLOW}, network={"model": "none"})
    sandbox = Sandbox(case)
    sandbox.start(config)
    options = cri_options(annotations={f"{KEY}default_vcpus": "2"})
    sandbox.good("CreateSandbox", f2=str(sandbox.bundle), f4=options)
    sandbox.good("StartSandbox")
    code, output = sandbox.member(LOOK).start().end()
    equal(code, 0)
    contains(output, "2\n")
    sandbox.good("ShutdownSandbox")
    sandbox.wait_gone()
