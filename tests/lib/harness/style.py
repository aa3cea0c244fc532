# SPDX-License-Identifier: Apache-2.0
"""Checks of the source that a program can do. Each returns a list of complaints; the empty list passes."""
import concurrent.futures
import json
import os
import re
import shlex
import subprocess
import time

from . import layout, paths

ROOMS = ("guest-protocol", "vmm", "shim", "guest", "cococtl")

def tracked(*endings):
    names = subprocess.run(["git", "-c", f"safe.directory={paths.SOURCE}", "ls-files"], cwd=paths.SOURCE, text=True,
                           capture_output=True, check=False).stdout.split()
    if not names:  # an unpacked archive has no history
        names = [os.path.relpath(os.path.join(parent, f), paths.SOURCE) for parent, _, files in
                 os.walk(paths.SOURCE) for f in files if not parent.startswith(str(paths.BUILD))]
    return [n for n in names if n.endswith(endings) and (paths.SOURCE / n).is_file()]


def read(name):
    return (paths.SOURCE / name).read_text(errors="replace")


def lines_matching(pattern, names, unless=None):
    """NAME:LINE of each line that matches; comments do not count."""
    found = []
    for name in names:
        text = re.sub(r"/\*.*?\*/", lambda m: "\n" * m.group().count("\n"), read(name), flags=re.DOTALL)
        for number, line in enumerate(text.splitlines(), start=1):
            line = re.sub(r"//.*|\"(\\.|[^\"\\])*\"", '""', line) if "#include" not in line else line
            if re.search(pattern, line) and not (unless and re.search(unless, line)):
                found.append(f"{name}:{number}: {line.strip()}")
    return found


def check_spdx(_build):
    scripts = [n for n in tracked("") if "." not in os.path.basename(n) and read(n).startswith("#!")]
    names = tracked(".c", ".h", ".py", ".proto", "meson.build") + scripts
    return [f"{n}: no SPDX line" for n in names if "SPDX-License-Identifier: Apache-2.0" not in read(n)[:400]]


def check_rooms(_build):
    """Dependencies point one way, between rooms and between sub-rooms, and never in a circle."""
    rooms = layout.Layout(tracked(".c", ".h"), read)
    circles = [f"a circle: {circle}" for circle in rooms.circles()]
    return rooms.against_the_direction() + circles + rooms.homeless(tracked("meson.build"))


def check_layout_check(_build):
    """The check above finds what it is for."""
    texts = {f"{room}/meson.build": "" for room in layout.ROOMS_ABOVE}
    texts["shim/meson.build"] = "subdir('host')\nsubdir('vm')\n"
    texts["shim/host/meson.build"] = "files('a.c')"
    texts |= {"shim/host/a.c": '#include "shim/host/b.h"\n#include "shim/vm/c.h"\n', "shim/vm/c.h": "", "shim/vm/d.c": "",
              "shim/host/b.h": '#include "shim/host/a.h"\n#include "guest/x.h"\n', "shim/host/a.h": ""}
    rooms = layout.Layout(texts, texts.get)
    wanted = [(rooms.against_the_direction(), ["shim/host/a.c: includes 'shim/vm/c.h', which is above it",
                                               "shim/host/b.h: includes 'guest/x.h' of a room that it must not know"]),
              (rooms.circles(), ["shim/host/a <-> shim/host/b"]),
              (rooms.homeless(["shim/host/meson.build"]), ["shim/vm/d.c: nothing builds it"])]
    return [f"got {got}, want {want}" for got, want in wanted if got != want]


def check_door_plates(_build):
    found = []
    for room in (*ROOMS, "tests", "hypervisor-configs"):
        readme = paths.SOURCE / room / "README.md"
        if not readme.exists():
            found.append(f"{room}: no README.md")
        elif room in ROOMS + ("tests",) and len(readme.read_text().splitlines()) > 40:
            found.append(f"{room}/README.md: more than 40 lines")
    return found


def check_header_contracts(_build):
    names = [n for n in tracked(".h") if n.split("/")[0] in ROOMS and not n.endswith("-private.h")]
    return [f"{n}: no '{word}' in its contract" for n in names for word in ("Ownership:", "Thread:") if word not in read(n)]


def check_forbidden_words(_build):
    sources = [n for n in tracked(".c", ".h") if n.split("/")[0] in ROOMS]
    found = lines_matching(r"\bgoto\b", sources)
    found += lines_matching(r"\b(g_)?u?sleep\s*\(|\bnanosleep\s*\(", sources)
    # Spelled in halves, so that this file does not find itself.
    found += [f"{n}: an open end" for n in tracked(".c", ".h", ".py", ".sh")
              if re.search(r"\b(XX" r"X|FIX" r"ME|TO" r"DO)\b", read(n))]
    found += [f"{n}: a name that says nothing" for n in tracked(".c", ".h")
              if re.search(r"(^|/)(utils?|common|misc|helpers?|types)\.[ch]$", n)]
    return found


def check_descriptors(_build):
    """Born close-on-exec, and closed in one place."""
    sources = [n for n in tracked(".c", ".h") if n.split("/")[0] in ROOMS]
    opens = r"(?<![\w.>])(open|openat|socket|socketpair|accept4|pipe2|memfd_create|eventfd|epoll_create1|timerfd_create)\("
    found = []
    for name in sources:
        text = re.sub(r"/\*.*?\*/", "", read(name), flags=re.DOTALL)
        for match in re.finditer(opens, text):
            call = text[match.start():match.start() + 240].split(";")[0]
            if "CLOEXEC" not in call and "CLOEXEC" not in text[max(0, match.start() - 400):match.start()]:
                found.append(f"{name}: {text[match.start():match.start() + 80].splitlines()[0]}")
    return found + lines_matching(r"(^|[^_a-z.>])close\(", [n for n in sources if not n.startswith("guest-protocol/posix/fd.")])


def check_format(_build, among):
    names = [n for n in tracked(".c", ".h") if n in among]
    if not names:
        return []
    result = subprocess.run(["clang-format", "--dry-run", "-Werror", *names], cwd=paths.SOURCE, text=True,
                            capture_output=True, check=False)
    return [line for line in result.stderr.splitlines() if ": error:" in line][:20] or \
        ([result.stderr] if result.returncode else [])


def is_first_of_its_source(header):
    """Whether the build has compiled it alone: it is the first that its own .c includes."""
    source = header.removesuffix(".h") + ".c"
    first = re.search(r"^#include (.*)", read(source), re.MULTILINE) if (paths.SOURCE / source).exists() else None
    return first is not None and first[1] == f'"{header}"'


def check_headers_alone(build, among):
    """Every header compiles by itself, with the include paths of its room."""
    flags = {}
    for command in json.loads((build / "compile_commands.json").read_text()):
        source = os.path.relpath(os.path.join(command["directory"], command["file"]), paths.SOURCE)
        words = [w for w in shlex.split(command["command"]) if w.startswith(("-I", "-D", "-U", "-std"))]
        flags.setdefault(source.split("/")[0], {}).update(dict.fromkeys(words))

    def compile_alone(name):
        result = subprocess.run(["cc", "-fsyntax-only", *flags.get(name.split("/")[0], {}), "-include",
                                 str(paths.SOURCE / name), "-x", "c", "/dev/null"], cwd=build, text=True,
                                capture_output=True, check=False)
        errors = [line for line in result.stderr.splitlines() if "error:" in line]
        return f"{name}: {errors[0] if errors else result.stderr}" if result.returncode else None

    names = [n for n in tracked(".h") if n in among and n.split("/")[0] in ROOMS and not is_first_of_its_source(n)]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return [complaint for complaint in pool.map(compile_alone, names) if complaint]


def check_scripts(_build):
    """Shell and python files parse."""
    found = []
    for name in tracked(""):
        text = read(name) if "." not in os.path.basename(name) or name.endswith((".py", ".sh")) else ""
        head = text.split("\n", 1)[0]
        if "python3" in head or name.endswith(".py"):
            try:
                compile(text, name, "exec")
            except SyntaxError as error:
                found.append(f"{name}: {error}")
        elif head.startswith("#!") and "sh" in head or name.endswith(".sh"):
            result = subprocess.run(["bash", "-n", str(paths.SOURCE / name)], text=True, capture_output=True, check=False)
            if result.returncode:
                found.append(result.stderr)
    return found


class Check:
    def __init__(self, function, by_file=False):
        """by_file: takes the names of the files to look at, besides."""
        self.function, self.by_file = function, by_file
        self.name = function.__name__.removeprefix("check_").replace("_", " ")


CHECKS = [Check(f) for f in (check_spdx, check_rooms, check_layout_check, check_door_plates, check_header_contracts,
                             check_forbidden_words, check_descriptors, check_scripts)]
CHECKS += [Check(check_format, by_file=True), Check(check_headers_alone, by_file=True)]


def run(build, pattern, report, changed=None):
    """changed: only these files, where a check looks at each by itself and takes its time."""
    among = frozenset(tracked("") if changed is None else changed)
    for check in CHECKS:
        name = f"style: {check.name}"
        if pattern in name:
            started = time.monotonic()
            found = check.function(build, *((among,) if check.by_file else ()))
            report(name, "failed" if found else "passed", time.monotonic() - started, "\n".join(found[:40]))
