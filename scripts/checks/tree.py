"""What no committed file may hold: package registries and the paths of one machine.

A checkout has to work behind any mirror and in any folder.
"""

from collections.abc import Iterator
from pathlib import Path
import re
import subprocess

# Spelled so that this file does not hold what it looks for.
FORBIDDEN = re.compile(
    rb"py[p]i\.org|python[h]osted|registry\.npm[j]s|deb\.debi[a]n"
    rb"|(?<![A-Za-z0-9_.])/(?:[w]ork|[r]oot)/"
    rb"|(?<![A-Za-z0-9_.])/[h]ome/[a-z]"
    rb"|BEGIN [A-Z ]*PRIVATE KEY"
)


def tracked_files(root: Path) -> list[Path]:
    """Give the files that are, or would be, committed."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        check=True,
        capture_output=True,
    ).stdout
    names = [name.decode() for name in listing.split(b"\0") if name]
    return [path for name in names if (path := root / name).is_file()]


def check(root: Path) -> Iterator[str]:
    """Check every text file line by line."""
    for path in tracked_files(root):
        content = path.read_bytes()
        if b"\0" in content[:8192]:
            continue
        for number, line in enumerate(content.splitlines(), 1):
            if match := FORBIDDEN.search(line):
                found = match.group().decode()
                yield f"{path.relative_to(root)}:{number}: holds {found!r}"
