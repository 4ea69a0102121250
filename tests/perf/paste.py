"""Puts what a benchmark printed into the documentation, between `<!-- name -->` and `<!-- /name -->`."""
import pathlib
import re

DOCUMENT = pathlib.Path(__file__).resolve().parents[2] / "docs/performance.md"


def between(name, text, document=DOCUMENT):
    """Replaces what is there. The marks have to be there once."""
    whole = document.read_text()
    pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.S)
    changed, count = pattern.subn(lambda found: found[1] + text.rstrip("\n") + "\n" + found[2], whole)
    if count != 1:
        raise SystemExit(f"paste: {document} has {count} places for '{name}', not one")
    document.write_text(changed)
    print(f"{document}: {name}")
