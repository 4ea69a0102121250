"""The catalogue of planted bugs: bugs/*.toml, each with one or more changes of text.

    [[bug]]
    name = "ack-before-sync"
    what = "one sentence for the table"
    breaks = "the invariant, and the schedule of the design notes"
    harnesses = ["sim", "unit_store fault/*"]       who has to see it, the quickest first
    [[bug.change]]
    file = "gateway/store/commit.c"
    old = '''text that is there exactly once; how it is broken into lines does not matter'''
    new = '''what it becomes'''
"""
import dataclasses
import re
import tomllib


class Mismatch(Exception):
    """The text of a change is not in the source, or more than once: the catalogue has to follow."""


@dataclasses.dataclass
class Change:
    file: str
    old: str
    new: str

    def pattern(self):
        """Any white space between the words will do, none is asked for at punctuation."""
        words = re.findall(r"\w+|[^\w\s]", self.old)
        text = ""
        for i, word in enumerate(words):
            if i > 0:
                both_are_words = re.match(r"\w", word) and re.match(r"\w", words[i - 1])
                text += r"\s+" if both_are_words else r"\s*"
            text += re.escape(word)
        return re.compile(r"(?<!\w)" * (re.match(r"\w", words[0]) is not None) + text + r"(?!\w)" * (re.match(r"\w", words[-1]) is not None))


@dataclasses.dataclass
class Bug:
    name: str
    what: str
    breaks: str
    harnesses: list
    changes: list

    def apply(self, texts):
        """{file: text} with the changes made. Each has to fit exactly once, in what the ones before have left."""
        changed = dict(texts)
        for number, change in enumerate(self.changes, 1):
            text = changed.get(change.file)
            if text is None:
                raise Mismatch(f"{self.name}: change {number}: {change.file} is not there")
            places = list(change.pattern().finditer(text))
            if len(places) != 1:
                first = change.old.strip().splitlines()[0].strip()
                raise Mismatch(f"{self.name}: change {number}: \"{first}\" is {len(places)} times in {change.file}, not once")
            place = places[0]
            changed[change.file] = text[:place.start()] + change.new + text[place.end():]
        return changed


def parse(text, where):
    bugs = []
    for entry in tomllib.loads(text)["bug"]:
        changes = [Change(**change) for change in entry.pop("change")]
        bug = Bug(changes=changes, **entry)
        if not bug.harnesses or not changes or any(not change.old.strip() for change in changes):
            raise ValueError(f"{where}: {bug.name} has no harness, no change or an empty one")
        bugs.append(bug)
    return bugs


def load(folder):
    bugs = [bug for path in sorted(folder.glob("*.toml")) for bug in parse(path.read_text(), path.name)]
    names = [bug.name for bug in bugs]
    twice = {name for name in names if names.count(name) > 1}
    if twice or not bugs:
        raise ValueError(f"planted bugs with the same name: {', '.join(sorted(twice)) or 'none at all'}")
    return bugs
