"""The tables of papers at their size, on ``docs/results-tables.md``: a cell that was not measured is empty."""

from collections.abc import Callable

from _rows import RESULTS, Row, markdown, rows

SCRIPTS = {
    "adi_paper.py": ("adi-paper", "Adi et al. 2018: FROMSCRATCH, four attacks at two rates, ResNet-18"),
    "uchida_paper.py": ("uchida-paper", "Uchida et al. 2017: three kinds of rows, capacity, pruning, overwriting, WRN-10-4"),
    "deepsigns_paper.py": ("deepsigns-paper", "DeepSigns 2018: both marks, pruning, fine-tuning, overwriting, their CNN"),
    "coupled_paper.py": ("coupled-paper", "Wen et al. 2023: both fusions, masking, pruning, fine-tuning, extraction, ResNet-18"),
    "minute.py": ("minute", "93 % with 100 triggers and `spread` in a minute, a marked epoch against a plain one, ResNet-18"),
    "overhead.py --device cuda": ("overhead-gpu", "a step with each mark against one without, resnet8 and WRN-10-4"),
}  # fmt: skip
CAPACITY = (256, 512, 1024, 2048)
GROUPS = ("conv2", "conv3", "conv4")
SHARES = (0.3, 0.5, 0.65, 0.8, 0.9, 0.95)


def scripts() -> str:
    """Return what runs on a GPU when there is one, and how many rows each has brought."""
    body = [
        [f"`{script}`", what, str(len(rows(name))) if (RESULTS / f"{name}.jsonl").exists() else ""]
        for script, (name, what) in SCRIPTS.items()
    ]
    return markdown(["script", "what it measures on CIFAR-10", "rows kept"], body)


def capacity() -> str:
    """Return what is read of so many bits in each group, and the accuracy."""
    found = [row for row in rows("uchida-paper") if row["what"] == "capacity"]
    body = [[f"`{group}`", *(_cell(found, group=group, bits=bits) for bits in CAPACITY)] for group in GROUPS]
    return markdown(["group", *(f"{bits} bits" for bits in CAPACITY)], body)


def pruned() -> str:
    """Return what is read where so much of the marked kernel is zero."""
    found = [row for row in rows("uchida-paper") if row["what"] == "pruning"]
    body = [[f"{100 * share:.0f} %", _cell(found, share=share)] for share in SHARES]
    return markdown(["of the marked kernel pruned", "bits read; accuracy %"], body)


def overwritten() -> str:
    """Return what is read after a thief's mark in the same layer."""
    found = [row for row in rows("uchida-paper") if row["what"] == "overwriting"]
    body = [[f"{bits} bits", _cell(found, bits=bits)] for bits in CAPACITY[:3]]
    return markdown(["the thief's mark", "bits read of the owner's; accuracy %"], body)


def _cell(found: list[Row], **cell: object) -> str:
    for row in found:
        if all(row.get(name) == value for name, value in cell.items()):
            if "refused" in row:
                return "refused"
            return f"{row['matches']} of {row['trials']}; {100 * row['accuracy']:.2f}"
    return ""


def _marked(name: str) -> Callable[[], str]:
    def table() -> str:
        """Return a line for each mark and attack."""
        body = [
            [
                row["mark"],
                "" if row["what"] == "marks" else ", ".join([row["what"], *_settings(row)]),
                f"{row['matches']} of {row['trials']}" if "matches" in row else "",
                f"{100 * row['accuracy']:.2f}",
            ]
            for row in rows(name)
        ]
        return markdown(["mark", "attack", "read", "test accuracy %"], body or [[""] * 4])

    return table


def _settings(row: Row) -> list[str]:
    return [f"{row[name]}" for name in ("share", "rate", "answers") if name in row]


TABLES: dict[str, Callable[[], str]] = {
    "gpu-scripts": scripts,
    "uchida-capacity": capacity,
    "uchida-pruned": pruned,
    "uchida-overwritten": overwritten,
    "deepsigns-paper": _marked("deepsigns-paper"),
    "coupled-paper": _marked("coupled-paper"),
}
