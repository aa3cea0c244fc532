# SPDX-License-Identifier: Apache-2.0
"""The rooms as the includes show them. The order of a room's sub-rooms is the order of subdir() in its meson.build: each may
include only those before it. Headers alone need no build; such a sub-room is the lowest."""
import posixpath
import re

INCLUDE = re.compile(r'^\s*#\s*include "([^"]+)"', re.MULTILINE)
ROOMS_ABOVE = {"guest-protocol": (), "vmm": ("guest-protocol",), "guest": ("guest-protocol",), "shim": ("guest-protocol", "vmm"),
               "cococtl": ("guest-protocol", "vmm")}
ONLY = {("vmm", "guest-protocol"): ("posix",)}  # no wire below a VM


class Layout:
    """files: names from the top, read: the text of one."""

    def __init__(self, files, read):
        self.read = read
        self.files = [name for name in files if name.split("/")[0] in ROOMS_ABOVE and name.endswith((".c", ".h"))]
        self.orders = {room: re.findall(r"^subdir\('([^']+)'\)", read(f"{room}/meson.build"), re.MULTILINE)
                       for room in ROOMS_ABOVE}

    def includes(self, name):
        return INCLUDE.findall(self.read(name))

    def height(self, name):
        """Of a file's sub-room in its room; files of the room itself stand above all."""
        room, *rest = name.split("/")
        order = self.orders[room]
        if len(rest) < 2:
            return len(order)
        return order.index(rest[0]) if rest[0] in order else -1

    def against_the_direction(self):
        found = []
        for name in self.files:
            room = name.split("/")[0]
            for other in self.includes(name):
                target = other.split("/")[0]
                if target == room:
                    if self.height(other) > self.height(name):
                        found.append(f"{name}: includes '{other}', which is above it")
                elif target in ROOMS_ABOVE or target == "tests":
                    if target not in ROOMS_ABOVE[room] or other.split("/")[1] not in ONLY.get((room, target), (other.split("/")[1],)):
                        found.append(f"{name}: includes '{other}' of a room that it must not know")
        return found

    def circles(self):
        """Files of one concept, x.c, x.h and x-private.h, are one; each circle of concepts once."""
        edges = {}
        for name in self.files:
            edges.setdefault(concept(name), set()).update(map(concept, self.includes(name)))
        for stem, others in edges.items():
            edges[stem] = {other for other in others if other in edges and other != stem}
        return [" <-> ".join(sorted(circle)) for circle in strongly_connected(edges) if len(circle) > 1]

    def homeless(self, build_files):
        """Sources that no build file names."""
        named = set()
        for build_file in build_files:
            folder = posixpath.dirname(build_file)
            named.update(posixpath.join(folder, source) for source in re.findall(r"'([^']+\.c)'", self.read(build_file)))
        return [f"{name}: nothing builds it" for name in self.files if name.endswith(".c") and name not in named]


def concept(name):
    return posixpath.splitext(name)[0].removesuffix("-private")


def strongly_connected(edges):
    """Kosaraju's: in order of leaving one way, then what is reached the other way."""
    order, seen = [], set()

    def leave(start):
        stack = [(start, iter(sorted(edges[start])))]
        seen.add(start)
        while stack:
            node, rest = stack[-1]
            following = next((other for other in rest if other not in seen), None)
            if following is None:
                order.append(stack.pop()[0])
            else:
                seen.add(following)
                stack.append((following, iter(sorted(edges[following]))))

    for node in sorted(edges):
        if node not in seen:
            leave(node)
    backwards = {node: [] for node in edges}
    for node, others in edges.items():
        for other in others:
            backwards[other].append(node)
    components, taken = [], set()
    for node in reversed(order):
        component, stack = set(), [node]
        while stack:
            current = stack.pop()
            if current not in taken:
                taken.add(current)
                component.add(current)
                stack.extend(backwards[current])
        if component:
            components.append(component)
    return components
