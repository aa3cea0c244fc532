# SPDX-License-Identifier: Apache-2.0
"""What config.json says about the process is what the process finds: user, groups, directory, environment,
capabilities, limits, no_new_privs, seccomp."""
from harness import ociconfig
from harness.case import contains, equal

SHARED_VM = "processes"


def run_spec(case, script, change):
    """Run `sh -c script` with a config.json that change() has altered; its output."""
    spec = ociconfig.base(ociconfig.root_file_system(case.directory), "sh", "-c", script)
    change(spec["process"], spec["linux"], spec)
    config = ociconfig.write(case.directory / "config.json", spec)
    identifier = case.node.new_id()
    result = case.node.ctr(*case.node.run_arguments(identifier, flags=("--rm",), config=config), check=False)
    return result


def status_fields(text):
    return dict(line.split(":\t", 1) for line in text.decode().splitlines() if ":\t" in line)


def test_user_and_groups(case):
    def change(process, _linux, _spec):
        process["user"] = {"uid": 1234, "gid": 2345, "additionalGids": [3456, 4567]}
    result = run_spec(case, "grep -E '^(Uid|Gid|Groups)' /proc/self/status", change)
    fields = status_fields(result.stdout)
    equal(fields["Uid"].split(), ["1234"] * 4)
    equal(fields["Gid"].split(), ["2345"] * 4)
    equal(set(fields["Groups"].split()) - {"2345"}, {"3456", "4567"})


def test_directory_and_environment(case):
    def change(process, _linux, _spec):
        process["cwd"] = "/tmp/made/here"
        process["env"] = ["PATH=/bin", "PLAIN=value", "SPACES=a b  c", "EQUALS=x=y=z", "EMPTY=", "UTF8=grüße"]
    result = run_spec(case, 'pwd; printf "%s|" "$PLAIN" "$SPACES" "$EQUALS" "${EMPTY-unset}" "$UTF8"; '
                      'echo; tr "\\0" "\\n" < /proc/self/environ | grep -c =', change)
    lines = result.stdout.decode().splitlines()
    equal(lines[:2], ["/tmp/made/here", "value|a b  c|x=y=z||grüße|"])


def test_arguments(case):
    """Arguments arrive one by one: empty ones, spaces, newlines, quotes."""
    odd = ["", " ", "a b", "new\nline", "quote'\"", "*", "$HOME", "ünï"]

    def change(process, _linux, _spec):
        process["args"] = ["sh", "-c", 'for a in "$@"; do printf "<%s>" "$a"; done', "sh", *odd]
    result = run_spec(case, "", change)
    equal(result.stdout.decode(), "".join(f"<{a}>" for a in odd))


def test_capabilities(case):
    def change(process, _linux, _spec):
        only = ["CAP_NET_BIND_SERVICE", "CAP_KILL"]
        process["capabilities"] = {name: only for name in
                                   ("bounding", "effective", "permitted", "inheritable", "ambient")}
    fields = status_fields(run_spec(case, "cat /proc/self/status", change).stdout)
    wanted = (1 << 10) | (1 << 5)
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        equal(int(fields[name], 16), wanted, name)


def test_no_capabilities(case):
    def change(process, _linux, _spec):
        process["capabilities"] = {}
    result = run_spec(case, "cat /proc/self/status; chown 1 /etc/passwd || echo refused", change)
    fields = status_fields(result.stdout)
    for name in ("CapPrm", "CapEff", "CapBnd"):
        equal(int(fields[name], 16), 0, name)
    contains(result.stdout, "refused")


def test_rlimits(case):
    def change(process, _linux, _spec):
        process["rlimits"] = [{"type": "RLIMIT_NOFILE", "hard": 333, "soft": 222},
                              {"type": "RLIMIT_CORE", "hard": 4096, "soft": 0},
                              {"type": "RLIMIT_STACK", "hard": 16777216, "soft": 4194304}]
    result = run_spec(case, "cat /proc/self/limits", change)
    limits = {line[:26].strip(): line[26:].split() for line in result.stdout.decode().splitlines()[1:]}
    equal(limits["Max open files"][:2], ["222", "333"])
    equal(limits["Max core file size"][:2], ["0", "4096"])
    equal(limits["Max stack size"][:2], ["4194304", "16777216"])


def test_no_new_privileges(case):
    for value in (True, False):
        def change(process, _linux, _spec, value=value):
            process["noNewPrivileges"] = value
        case._directory = None
        fields = status_fields(run_spec(case, "cat /proc/self/status", change).stdout)
        equal(int(fields["NoNewPrivs"]), int(value))


def test_seccomp(case):
    """A filter that refuses mkdir with EPERM refuses mkdir, and nothing else."""
    def change(process, linux, _spec):
        linux["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
                            "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}]}
    result = run_spec(case, "mkdir /tmp/d && echo made; touch /tmp/f && echo touched; grep Seccomp: /proc/self/status",
                      change)
    lines = result.stdout.decode().split("\n")
    equal(lines[0], "touched")
    equal(lines[1].split(), ["Seccomp:", "2"])
    contains(result.stderr, "not permitted")


def test_seccomp_kills(case):
    def change(process, linux, _spec):
        linux["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
                            "syscalls": [{"names": ["sethostname"], "action": "SCMP_ACT_KILL_PROCESS"}]}
    result = run_spec(case, "hostname other; echo status $?", change)
    contains(result.stdout, "status 159")  # 128 + SIGSYS


def test_oom_score(case):
    def change(process, _linux, _spec):
        process["oomScoreAdj"] = 321
    equal(run_spec(case, "cat /proc/self/oom_score_adj", change).stdout, b"321\n")
