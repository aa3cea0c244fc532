# SPDX-License-Identifier: Apache-2.0
"""`meson test` with every Criterion test and every corpus input counted. A binary that ran nothing has failed: it would
pass for ever."""
import json
import re
import subprocess

SYNTHESIS = re.compile(r"Synthesis: Tested: (\d+) \| Passing: (\d+)")
INPUTS = re.compile(r"^(\d+) inputs?$", re.MULTILINE)


def count(test):
    """(passed, total) of one binary."""
    text = (test.get("stdout") or "") + (test.get("stderr") or "")
    ok = test["result"] in ("OK", "EXPECTEDFAIL")
    if found := SYNTHESIS.search(text):
        total, passed = int(found.group(1)), int(found.group(2))
        return (passed if ok or passed < total else passed - 1), total
    if found := INPUTS.search(text):
        return (int(found.group(1)) if ok else int(found.group(1)) - 1), int(found.group(1))
    return 0, 1  # nothing was counted


def run(build, suite, pattern, without, report):
    """without: suites whose tests are left out."""
    subprocess.run(["meson", "test", "-C", str(build), "--suite", suite, "--no-rebuild", "--quiet",
                    *(word for name in without for word in ("--no-suite", name))],
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    log = build / "meson-logs" / "testlog.json"
    for line in log.read_text().splitlines():
        test = json.loads(line)
        name = f"{suite}: {test['name'].rpartition(' / ')[2]}"
        if pattern not in name:
            continue
        passed, total = count(test)
        output = f"{test['result']}\n" + (test.get("stdout") or "") + (test.get("stderr") or "")
        if passed:
            report(f"{name} ({passed} tests)", "passed", test["duration"], count=passed)
        if passed < total or not total:
            report(f"{name} ({total - passed} tests)", "failed", test["duration"], output, max(1, total - passed))
