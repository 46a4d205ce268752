"""All commands read their calls the same way: what is wrong with one is told in one line that names it, and exit status 64."""

import re
import subprocess

import pytest

import postern
from test_manual import COMMANDS, calls, usage

pytestmark = pytest.mark.any_loop("it starts no server")

WITH_ACTIONS = ("user", "queue", "server", "ban", "cert", "policy")
NOWHERE = "/nowhere/conf"


def refused(*call):
    """What the first line says behind "postern COMMAND: "; usage follows."""
    done = postern.postern(*call)
    assert done.returncode == 64, done.stderr
    assert done.stdout == ""
    first, rest = done.stderr.split("\n", 1)
    start = f"postern {call[0]}: "
    assert first.startswith(start), first
    assert rest.startswith(f"usage: postern {call[0]}"), rest
    return first.removeprefix(start)


def actions(command):
    """Each action of a command, as words; of one without actions, one that has no words."""
    found = {call.partition(" [")[0].removeprefix(f"postern {command}").strip() for call in calls(usage(command))}
    return [re.sub(r" --.*| [A-Z].*", "", action).split() for action in sorted(found)]


EACH = [(command, action) for command in COMMANDS for action in actions(command)]


@pytest.mark.parametrize("command, action", EACH)
def test_an_unknown_option_is_named(command, action):
    for option in ("--quixotic", "--quixotic=x", "-quixotic"):
        assert refused(command, *action, option) == f"{option.partition('=')[0]}: there is no such option"
    assert refused(command, "--quixotic", *action) == "--quixotic: there is no such option"


@pytest.mark.parametrize("command", COMMANDS)
def test_the_option_that_was_meant_is_told(command):
    for option in sorted(set(re.findall(r"--[\w-]+", " ".join(usage(command))))):
        near = "--" + option[3] + option[2] + option[4:]
        assert refused(command, near) == f"{near}: there is no such option; did you mean {option}?"


@pytest.mark.parametrize("command", COMMANDS)
def test_a_value_that_is_missing_or_too_many_is_told(command):
    assert refused(command, "-c") == "-c needs FILE behind it"
    for option, value in re.findall(r"(--[\w-]+)( [A-Z:]+)?", " ".join(usage(command))):
        if value:
            assert refused(command, option) == f"{option} needs {value.strip()} behind it"
        else:
            assert refused(command, f"{option}=yes") == f"{option} takes no value"


@pytest.mark.parametrize("command, action", EACH)
def test_help_is_for_standard_output(command, action):
    for words in ([*action, "--help"], [*action, "-h"], ["-h", *action], ["--help"]):
        done = postern.postern(command, *words)
        assert (done.returncode, done.stderr) == (0, ""), words
        assert done.stdout.startswith(f"usage: postern {command}")
        assert "Exit status: 0 " in done.stdout


@pytest.mark.parametrize("command", WITH_ACTIONS)
def test_a_wrong_action_is_named(command):
    assert refused(command) == "what is to be done?"
    assert refused(command, "frobnicate") == 'there is no action "frobnicate"'
    for action in actions(command):
        *before, last = action
        near = " ".join([*before, last[1] + last[0] + last[2:]])
        assert refused(command, *near.split()) == f'there is no action "{near}"; did you mean {" ".join(action)}?'


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - set(WITH_ACTIONS)))
def test_a_word_too_many_is_named(command):
    words = ("0000000000001", "frob") if command == "explain" else ("frob",)
    assert refused(command, *words).endswith('; what is "frob"?')


@pytest.mark.parametrize("command, action", EACH)
def test_the_file_may_be_said_in_any_way(command, action):
    """What is right so far goes on to miss the configuration, or an operand."""
    if not any(line.startswith(f"postern {' '.join([command, *action])} [-c FILE]") for line in usage(command)):
        assert refused(command, "-c", NOWHERE, *action) == f"{' '.join(action)} has no -c"
        return
    before = [postern.postern(command, *file, *action) for file in (("-c", NOWHERE), (f"-c{NOWHERE}",))]
    behind = [postern.postern(command, *action, *file) for file in (("-c", NOWHERE), (f"-c{NOWHERE}",))]
    for done in (*before, *behind):
        assert (done.returncode, done.stderr) == (before[0].returncode, before[0].stderr)
        assert "needs" in done.stderr or NOWHERE in done.stdout + done.stderr, done.stderr


@pytest.mark.parametrize("call", [("check",), ("prove",), ("explain", "--address", "192.0.2.1"), ("queue", "--help")])
def test_what_could_not_be_written_is_told(call, tmp_path):
    with open("/dev/full", "w") as full:
        done = subprocess.run([postern.POSTERN, *call], stdout=full, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    said = f"postern {call[0]}: can't write what there is to say: No space left on device\n"
    assert (done.returncode, done.stderr) == (2, said)


def test_commands_are_named():
    for word, said in (
        ("frobnicate", 'there is no command "frobnicate"'),
        ("sevre", 'there is no command "sevre"; did you mean serve?'),
        ("Queue", 'there is no command "Queue"; did you mean queue?'),
        ("--vresion", 'there is no option "--vresion"'),
    ):
        done = postern.postern(word)
        assert (done.returncode, done.stdout) == (64, "")
        assert done.stderr.startswith(f"postern: {said}\n\nPostern, "), done.stderr
    done = postern.postern()
    assert (done.returncode, done.stdout) == (64, "") and "usage: postern COMMAND" in done.stderr


def test_postern_bench_reads_its_call_likewise():
    def bench(*words):
        return subprocess.run([postern.BUILD / "postern-bench", *words], capture_output=True, text=True)

    for words, said in (
        (("sesion",), 'postern-bench: there is no subcommand "sesion"; did you mean session?\n\nusage: '),
        (("quixotic",), 'postern-bench: there is no subcommand "quixotic"\n\nusage: '),
        (("login", "--quixotic"), "postern-bench login: --quixotic: there is no such option\n"),
        (("login", "--usre=a"), "postern-bench login: --usre: there is no such option; did you mean --user?\n"),
    ):
        done = bench(*words)
        assert (done.returncode, done.stdout) == (64, "") and done.stderr.startswith(said), done.stderr
    for words in (["--help"], ["session", "--help"], ["sink", "--listen", "x", "-h"]):
        done = bench(*words)
        assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith("usage: postern-bench ")
