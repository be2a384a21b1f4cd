"""Runs the commands of a README as a reader would: every line that begins with `$ ` in a ```console block, in order,
in one shell, in the folder of the README.

    readme.py README.md [--leave-out COMMAND]...

The first command that fails ends it.
"""

import argparse
import pathlib
import re
import subprocess
import sys


def commands(text: str) -> list[str]:
    blocks = re.findall(r"^```console\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    return [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("readme", type=pathlib.Path)
    parser.add_argument("--leave-out", action="append", default=[], help="run elsewhere")
    given = parser.parse_args()
    found = commands(given.readme.read_text())
    if not found:
        sys.exit(f"{given.readme} has no commands")
    wanted = [command for command in found if command not in given.leave_out]
    # Job control is on, as in the shell of a reader: `kill %1`.
    script = ["set -e -m -o pipefail"]
    for command in wanted:
        script += [f"printf '%s\\n' {shell_quoted('$ ' + command)}", command]
    done = subprocess.run(["bash", "-c", "\n".join(script)], cwd=given.readme.resolve().parent, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        sys.exit(f"a command of {given.readme} ended with {done.returncode}")
    print(f"{len(wanted)} commands of {given.readme} ran")


def shell_quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


if __name__ == "__main__":
    main()
