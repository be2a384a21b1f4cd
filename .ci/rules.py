"""Rules of the house that no linter knows."""

import json
import pathlib
import re
import subprocess
import sys

LONGEST_FILE = 500
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|todo!\(|unimplemented!\(|#\[ignore\]")
SURVEYS = re.compile(r"\b(lsst|ztf)\b", re.IGNORECASE)
# The schemas that come with the program.
OF_A_SURVEY = "storage/packet/src/schema/known.rs"
# Licences of dependencies: an expression is accepted if one of its alternatives is made of these alone.
PERMISSIVE = {
    "0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0",
    "CDLA-Permissive-2.0", "ISC", "MIT", "MIT-0", "NCSA", "Unicode-3.0", "Unlicense", "Zlib", "bzip2-1.0.6",
}  # fmt: skip


def tracked(*patterns: str) -> list[pathlib.Path]:
    listed = subprocess.run(["git", "ls-files", "-z", *patterns], check=True, capture_output=True, text=True).stdout
    return [pathlib.Path(name) for name in listed.split("\0") if name]


def files() -> list[str]:
    wrong = []
    for path in tracked("*.rs", "*.py", "*.sql", "*.toml"):
        lines = path.read_text().splitlines()
        if path.suffix == ".rs" and len(lines) > LONGEST_FILE:
            wrong.append(f"{path}: {len(lines)} lines; a file holds one thing, in up to {LONGEST_FILE} lines")
        if path.name == "rules.py":
            continue
        for number, line in enumerate(lines, 1):
            if UNFINISHED.search(line):
                wrong.append(f"{path}:{number}: unfinished: {line.strip()}")
    return wrong


def surveys() -> list[str]:
    """No survey by name in the code below the doors: a survey is a mapping file, a schema, or a question about it."""
    wrong = []
    for path in tracked("storage/src/*.rs", "storage/packet/src/*.rs", "engine/src/*.rs", "queries/src/*.rs"):
        if path.name == "tests.rs" or str(path) == OF_A_SURVEY:
            continue
        code = path.read_text().split("#[cfg(test)]")[0]
        for number, line in enumerate(code.splitlines(), 1):
            if SURVEYS.search(line) and "include_str!" not in line and not line.lstrip().startswith("//"):
                wrong.append(f"{path}:{number}: names a survey: {line.strip()}")
    return wrong


def accepted(expression: str) -> bool:
    expression = expression.replace("/", " OR ")
    if "(" in expression:
        # (A OR B) AND C: every part of the conjunction has to be acceptable.
        parts = re.split(r"\s+AND\s+(?![^(]*\))", expression)
        return all(accepted(part.strip("() ")) for part in parts)
    return any(
        all(one.strip() in PERMISSIVE for one in alternative.split(" AND "))
        for alternative in expression.split(" OR ")
    )


def licences() -> list[str]:
    metadata = subprocess.run(
        ["cargo", "metadata", "--format-version", "1", "--locked"], check=True, capture_output=True, text=True
    ).stdout
    return [
        f"{package['name']} {package['version']}: licence {package['license']!r} is not a permissive one"
        for package in json.loads(metadata)["packages"]
        if not accepted(package["license"] or "")
    ]


def main() -> None:
    wrong = files() + surveys() + licences()
    for line in wrong:
        print(line)
    if wrong:
        sys.exit(f"{len(wrong)} rules broken")
    print("all rules hold")


if __name__ == "__main__":
    main()
