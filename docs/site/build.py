"""Build the documentation site: ``python docs/site/build.py [FOLDER]`` (default: build/site), offline, in less than a minute.

The pages of the tree and those that are made from the code go into a folder of their own, Sphinx makes the site of them, with
warnings as errors, and every link and anchor of what came out is followed. Needs ``pip install -e '.[docs]'``.
"""

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

import checking
import contents
import staging
from generated import attacks, commands, library, schemas, schemes

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
GENERATED = (commands, library, schemes, attacks, schemas)


def main() -> int:
    """Build, check, say how it went; exit status 1 where anything is wrong."""
    arguments = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    arguments.add_argument("folder", nargs="?", type=Path, default=ROOT / "build" / "site")
    site = arguments.parse_args().folder.resolve()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        status, copied = build(Path(scratch), site)
    faults = [] if status else checking.faults(site, copied)
    print("".join(f"{fault}\n" for fault in faults), file=sys.stderr, end="")
    pages = len(list(site.rglob("*.html")))
    print(f"{site}: {pages} pages, {len(faults)} faults, {time.monotonic() - started:.0f} s")
    return 1 if status or faults else 0


def build(scratch: Path, site: Path) -> tuple[int, set[Path]]:
    """Build the site into a folder, which is emptied first; return Sphinx's exit status, and files that are copied."""
    from sphinx.cmd.build import main as sphinx

    source = scratch / "source"
    linked = write(source)
    shutil.rmtree(site, ignore_errors=True)
    strict = ["-b", "html", "-q", "-W", "--keep-going", "-j", "auto"]
    status = sphinx([*strict, "-c", str(HERE), "-d", str(scratch / "kept"), str(source), str(site)])
    for path in linked:
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, site / path)
    return status, {site / path for path in linked}


def write(source: Path) -> set[Path]:
    """Write what Sphinx reads; return files of the tree that pages link to."""
    generated = {name: text for each in GENERATED for name, text in each.pages().items()}
    linked = staging.stage(ROOT, source, generated)
    names = [str(path) for path in staging.pages(ROOT)] + list(generated)
    for page in generated:
        if inside := contents.below(page, names, generated):
            _append(source / page, contents.toctree("", inside))
    for title, inside in contents.sections(names):
        _append(source / "index.md", contents.toctree(title, inside))
    return linked


def _append(page: Path, text: str) -> None:
    page.write_text(page.read_text() + text)


if __name__ == "__main__":
    sys.exit(main())
