# SPDX-License-Identifier: Apache-2.0
"""A network that is made for the task's process between its creation and its start (`ctr run --cni`; nerdctl and docker do the same)
is the container's."""
from harness.case import contains, equal
from harness.cni import CtrNode, NodeNetwork

SCRIPT = "ip -o address; ip route; ip -o link show eth0; echo-server -c 10.80.0.1 99 hello; echo by-stream | nc fd80::1 99"


def test_made_after_create(case):
    network = NodeNetwork(case)
    network.serve(case, 99)
    node = case.private_node(CtrNode, network=network, directory=case.directory)
    verify = case.clean(node)
    out = node.run("sh", "-c", SCRIPT, flags=("--cni",)).stdout.decode()
    contains(out, "inet 10.80.0.2/24", "inet6 fd80::2/64", "default via 10.80.0.1 dev eth0", "mtu 1400 ", "hello\n", "by-stream\n")
    equal(network.links(), [], "links on the node")
    verify()
