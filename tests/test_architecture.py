"""The tree keeps its own rules: which room includes which, how long files are, that links resolve and documents name real options.

Needs no build but for the last: $BOUNCEMILL names the program (default: build/release/bouncemill).
"""

import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
ROOMS = ["base", "schemas", "ingest", "classify", "aggregate"]
# What a room may include besides itself. tools/, tests/ and bench/ may include all, but see DOORS.
MAY_INCLUDE = {
    "base": [],
    "schemas": ["base"],
    "ingest": ["base", "schemas"],
    "classify": ["base", "schemas"],
    "aggregate": ["base", "schemas"],
}
# From outside, only the door of these rooms is included; tests/ and bench/ may look inside.
DOORS = {"ingest": "ingest/ingest.h", "classify": "classify/classify.h", "aggregate": "aggregate/aggregate.h"}
LINES_MAX = 600
CODE = (".c", ".cc", ".h", ".def")


def files(*suffixes: str) -> list[pathlib.Path]:
    """Files of the tree that are under version control or about to be."""
    listed = subprocess.run(["git", "ls-files", "-z", "-co", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True)
    paths = [ROOT / os.fsdecode(name) for name in listed.stdout.split(b"\0") if name]
    return sorted(path for path in paths if path.is_file() and (not suffixes or path.suffix in suffixes))


def includes():
    """(file, line number, what is included) of every include of ours."""
    for path in files(*CODE):
        for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1):
            if match := re.match(r'\s*#\s*include\s+"([^"]+)"', line):
                yield path.relative_to(ROOT), number, match[1]


def wrong_include(room: str, included: str) -> str | None:
    target = included.partition("/")[0]
    if target not in ROOMS + ["tools"]:
        return None  # a header made by the build, or one of tests/ or bench/
    if room in ROOMS and target != room and target not in MAY_INCLUDE[room]:
        return f"{room}/ may include only {', '.join(MAY_INCLUDE[room] + [room])}"
    if room != target and target in DOORS and room not in ("tests", "bench") and included != DOORS[target]:
        return f"outside {target}/ only {DOORS[target]} is included"
    return None


def test_includes_follow_the_arrows_between_rooms():
    found = list(includes())
    assert len(found) > 100
    wrong = [
        f"{path}:{number}: {included}: {why}" for path, number, included in found if (why := wrong_include(path.parts[0], included))
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("room", "included", "is_right"),
    [
        ("base", "schemas/words.h", False),
        ("schemas", "base/buf.h", True),
        ("schemas", "ingest/ingest.h", False),
        ("ingest", "classify/classify.h", False),
        ("aggregate", "tools/command.h", False),
        ("classify", "classify/rule.h", True),
        ("tools", "ingest/ingest.h", True),
        ("tools", "ingest/join.h", False),
        ("tests", "ingest/join.h", True),
    ],
)
def test_the_check_of_includes_tells_right_from_wrong(room, included, is_right):
    assert (wrong_include(room, included) is None) == is_right


def test_headers_are_included_by_somebody_else():
    included = {name for _, _, name in includes()}
    headers = [str(path.relative_to(ROOT)) for path in files(".h") if path.relative_to(ROOT).parts[0] in ROOMS + ["tools"]]
    assert [header for header in headers if header not in included] == []


def test_no_file_of_code_is_long():
    long = {
        str(path.relative_to(ROOT)): count
        for path in files(*CODE, ".py")
        if (count := len(path.read_bytes().splitlines())) > LINES_MAX
    }
    assert long == {}


def test_every_file_of_code_begins_by_saying_what_it_is_for():
    silent = []
    for path in files(*CODE, ".py"):
        text = path.read_text("utf-8", "replace").removeprefix("#!/usr/bin/env python3\n").lstrip()
        if not text.startswith(("/*", '"""', "#ifndef")):
            silent.append(str(path.relative_to(ROOT)))
    assert silent == []


# ---- documents ----------------------------------------------------------------------------------------------------------------


def anchors(path: pathlib.Path) -> set[str]:
    headings = re.findall(r"^#+\s+(.*)$", path.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_in_documents_resolve():
    broken = []
    for path in files(".md"):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            for target in re.findall(r"\]\(([^)\s]+)\)", line):
                if re.match(r"[a-z]+:", target):
                    continue
                name, _, anchor = target.partition("#")
                linked = (path.parent / name).resolve() if name else path
                if not linked.exists() or (anchor and linked.suffix == ".md" and anchor not in anchors(linked)):
                    broken.append(f"{path.relative_to(ROOT)}:{number}: {target}")
    assert broken == []


def test_files_named_in_the_readme_exist():
    text = (ROOT / "README.md").read_text()
    named = set(re.findall(r"\b((?:tools|docs|bench|samples|tests|schemas|\.ci)/[\w./-]*\w)", text))
    assert named and sorted(name for name in named if not (ROOT / name).exists()) == []


# ---- options ------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def options_of():
    """Options of each command, from its --help."""
    program = os.environ.get("BOUNCEMILL", str(ROOT / "build/release/bouncemill"))
    if not os.path.exists(program):
        pytest.skip(f"{program} is not built")

    def help_of(*args) -> str:
        return subprocess.run([program, *args, "--help"], check=True, capture_output=True, text=True, timeout=30).stdout

    commands = re.findall(r"^COMMAND\((\w+),", (ROOT / "tools/commands.def").read_text(), re.M)
    return {
        command: set(re.findall(r"(?<![\w-])(--[a-z][a-z-]*|-[A-Za-z]\b)", help_of(command))) | {"--help"} for command in commands
    }


def commands_in(text: str) -> list[tuple[str, str]]:
    """(command, the rest of its line) wherever a document shows a call of the program."""
    return re.findall(r"(?:^|[\s`/])bouncemill ([a-z]+)\b([^`\n#|;]*)", text, re.M)


def test_documents_call_commands_only_with_options_that_exist(options_of):
    wrong, seen = [], 0
    for path in [*files(".md"), ROOT / "tools/try"]:
        for command, rest in commands_in(path.read_text()):
            if command not in options_of:
                continue
            for option in re.findall(r"(?<=[\s\[])(--[a-z][a-z-]*)", rest):
                seen += 1
                if option not in options_of[command]:
                    wrong.append(f"{path.relative_to(ROOT)}: bouncemill {command} {option}")
    assert wrong == [] and seen > 20


def test_the_page_of_the_command_line_names_every_option(options_of):
    """docs/cli.md has a section `## NAME...` for each command; options in it must exist, and every option must be in it."""
    text = (ROOT / "docs/cli.md").read_text()
    everywhere = set().union(*options_of.values()) | {"--version"}
    assert sorted(set(re.findall(r"`(?:-\w`, `)?(--[a-z][a-z-]*)", text)) - everywhere) == []
    named = set(re.findall(r"(--[a-z][a-z-]*)", text))
    missing = {
        command: sorted(o for o in options if o.startswith("--") and o not in named) for command, options in options_of.items()
    }
    assert {command: options for command, options in missing.items() if options} == {}
