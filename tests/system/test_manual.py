"""postern(1) and what `postern COMMAND --help` prints are two descriptions of one thing: neither may say more."""

import re
import subprocess

import pytest

import postern

pytestmark = pytest.mark.any_loop("it starts no server")

PAGE = postern.ROOT / "tools" / "man" / "postern.1"
COMMANDS = ("serve", "check", "user", "queue", "server", "reload", "ban", "explain", "prove", "cert", "verify", "policy")


def rendered():
    command = ["mandoc", "-T", "ascii", "-O", "width=500", str(PAGE)]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return re.sub(".\b", "", text)


def synopsis():
    text = rendered().split("\nSYNOPSIS\n")[1].split("\nDESCRIPTION\n")[0]
    return [line.strip() for line in text.splitlines() if line.strip()]


def usage(command):
    """The lines behind "usage:" of a command's help."""
    done = postern.postern(command, "--help")
    assert done.returncode == 0
    text = done.stdout.partition("usage: ")[2].partition("\n\n")[0]
    text = re.sub(r"\n +(?!postern| )", " ", text)
    return [line.strip() for line in text.splitlines()]


def calls(lines):
    """One call a line, words in lower case: `a|b x` is `a x` and `b x`; what may be left out keeps its brackets."""
    found = set()
    for line in lines:
        head, _, rest = line.lower().partition(" [")
        *words, last = head.split()
        found |= {" ".join([*words, each, "[" + rest]) for each in last.split("|")}
    return found


def section(command):
    """The heads of the items that the page's section on a command has: its actions and options."""
    text = PAGE.read_text().split(f"\n.Ss {command}\n")[1]
    text = re.split(r"\n\.S[sh] ", text)[0]
    return re.findall(r"^\.It (?:Cm ([\w-]+(?: create| sign)?)|Fl (-[\w-]+))", text, flags=re.M)


def described(command):
    return {action or "-" + option for action, option in section(command)}


def named(command):
    """The actions and options in a command's usage; -c FILE is all commands', and described once."""
    found = set()
    for call in calls(usage(command)):
        words = call.split()
        assert words[:2] == ["postern", command]
        found |= set(re.findall(r"--[\w-]+", call))
        action = call.partition(" [")[0].split()[2:]
        if action:
            found.add(" ".join(action))
    return found


def test_synopsis_is_the_usage():
    lines = [line for command in COMMANDS for line in usage(command)]
    assert calls(synopsis()) == calls([*lines, "postern --help|--version"])


def test_all_commands_have_help_and_a_section():
    said = postern.postern("--help").stdout
    assert tuple(re.findall(r"^  (\w+) ", said, flags=re.M)) == COMMANDS
    assert "postern --help|--version" in said
    assert tuple(re.findall(r"^\.Ss (\w+)", PAGE.read_text(), flags=re.M)) == COMMANDS
    assert postern.postern("--version").stdout.startswith("postern ")


@pytest.mark.parametrize("command", COMMANDS)
def test_actions_and_options_are_described(command):
    assert described(command) == named(command)
    assert len(section(command)) == len(described(command)), "something is described twice"


@pytest.mark.parametrize("command", ("", *COMMANDS))
def test_help_fits_a_terminal(command):
    for line in postern.postern(*filter(None, [command]), "--help").stdout.splitlines():
        assert len(line) <= 80, line


@pytest.mark.parametrize("command", ("user", "queue", "server", "ban", "explain", "prove", "cert", "verify", "policy"))
def test_help_describes_them_too(command):
    body = postern.postern(command, "--help").stdout.partition("\n\n")[2]
    for name in named(command):
        assert re.search(rf"\b{name}\b" if name[0] != "-" else rf"^{name} ", body, flags=re.M), name


OPERANDS = {"name": "x", "file": "x", "cases": "x", "old": "x", "new": "x", "id": "0000000000001", "prefix": "x"}
OPERANDS |= {"certificate": "x", "request": "x", "folder": "x"}


@pytest.mark.parametrize("call", sorted(call for command in COMMANDS for call in calls(usage(command))))
def test_each_call_takes_the_options_it_shows(call):
    """And no other one, so that there is none that nobody tells of. What is taken goes on to miss the configuration."""
    words = call.partition(" [")[0].split()[1:]
    operand = [OPERANDS[word] for word in re.sub(r".*\]", "", call).split() if word in OPERANDS]
    file = ("-c", "/nowhere/conf") if "[-c file]" in call else ()
    operand += [word for option in re.findall(r"\] (--\w+) \w+", call) for word in (option, "x")]
    for option in ("--json", "--all", "--replace", "--clear", "--password-stdin", "--none"):
        done = postern.postern(*words, *file, option, *(operand if option != "--all" else []))
        assert done.returncode == (2 if option in call else 64), f"{option}: {done.stderr}"
