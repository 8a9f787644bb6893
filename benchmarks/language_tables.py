"""Tables of docs/language.md and the lines of docs/attacks.md that are about transformers, from the rows of ``language.py``."""

from collections.abc import Callable
from functools import partial
from typing import Any

from _rows import Row, each, markdown, rows

NETS = {"vit": "ViT, digits", "bert": "BERT, sources", "gpt2": "GPT-2, text", "llama": "Llama-like, text"}
CAUSAL = ("gpt2", "llama")
BAR = 64


def _of(net: str, what: str) -> list[Row]:
    return [row for row in rows("language") if row["net"] == net and row["what"] == what]


def _hosts(net: str) -> dict[int, Row]:
    return {row["seed"]: row for row in _of(net, "host")}


def _lost(net: str, row: Row, before: Row) -> str:
    """Return what a network lost: points of accuracy, or of a language model per cent of perplexity."""
    points = f"{100 * (before['accuracy'] - row['accuracy']):+.1f}"
    if net in CAUSAL and row["perplexity"] is None:
        return f"{points} points of the tokens told"
    if net in CAUSAL:
        return f"{100 * (row['perplexity'] / before['perplexity'] - 1):+.1f} %"
    return points


def costs() -> str:
    """Return what each mark alone costs, seed by seed."""
    body = []
    for net, title in NETS.items():
        hosts = _hosts(net)
        for host in hosts.values():
            use = f"{host['perplexity']:.1f}" if net in CAUSAL else f"{100 * host['accuracy']:.1f} %"
            trained = _lost(net, host["control"], host)
            body.append(
                [
                    f"{title}, seed {host['seed']}",
                    f"unmarked, {host['weights'] / 1e6:.2f} M weights",
                    use,
                    "",
                    trained,
                    "",
                ]
            )
            for row in _of(net, "marked"):
                if row["seed"] != host["seed"]:
                    continue
                if "accuracy" not in row:
                    body.append(["", f"`{row['scheme']}`", "", "", "", _why(row)])
                    continue
                use = f"{row['perplexity']:.1f}" if net in CAUSAL else f"{100 * row['accuracy']:.1f} %"
                lost = [_lost(net, row, host), _lost(net, row, host["control"])]
                body.append(["", f"`{row['scheme']}`", use, *lost, f"{row['net_bits']:.0f} net bits, {row['verdict']}"])
    header = ["network", "mark", "accuracy or perplexity", "lost", "lost to training on without a mark", "evidence"]
    return markdown(header, body) if body else "Not measured yet."


def survival(net: str) -> str:
    """Return what is left of all marks in one network after each attack."""
    together = _of(net, "together")
    if not together:
        return "Not measured yet."
    schemes = list(dict.fromkeys(scheme for row in together for scheme in row["marks"]))
    body = [_line("all marks, no attack", net, together, schemes)]
    attacked = _of(net, "attacked")
    for name in dict.fromkeys((row["attack"], repr(row["settings"])) for row in attacked):
        found = [row for row in attacked if (row["attack"], repr(row["settings"])) == name]
        body.append(_line(f"`{name[0]}` {_settings(found[0])}".strip(), net, found, schemes))
    return markdown(["attack", "lost", *(f"`{scheme}`" for scheme in schemes)], body)


def _why(row: Row) -> str:
    """Return why a mark is not in a network: its embedding fell short, or it is not made for such a one."""
    kind, _, reason = row["reason"].partition(": ")
    return f"{'missed' if kind == 'NotEmbeddedError' else row['verdict']}: {reason}"


def _settings(row: Row) -> str:
    hidden = ("epochs", "batch", "recovery", "rows")
    return ", ".join(f"{name}={value}" for name, value in row["settings"].items() if name not in hidden)


def _line(title: str, net: str, found: list[Row], schemes: list[str]) -> list[str]:
    if all("refused" in row for row in found):
        return [title, found[0]["refused"].partition(": ")[2], *["" for _ in schemes]]
    together = {(row["seed"], *row["schemes"]): row for row in _of(net, "together")}
    right = [row for row in found if "refused" not in row]
    befores = [_before(row, together[row["seed"], *row["schemes"]]) for row in right]
    lost = each(_lost(net, row, before) for row, before in zip(right, befores, strict=True))
    return [title, lost, *(each(_bits(row, scheme) for row in right) for scheme in schemes)]


def _before(row: Row, together: Row) -> Row:
    """Return what an API gave before it was filtered, or the network before it was attacked."""
    if "before" not in row:
        return together
    return {"accuracy": row["before"], "perplexity": row.get("perplexity_before", 0.0)}


def _bits(row: Row, scheme: str) -> str:
    read: dict[str, Any] | None = row["marks"].get(scheme)
    if read is None:
        return ""  # a filter leaves what is read inside
    gone = "" if read.get("verdict") == "established" else ", gone"
    return f"{read.get('net_bits', 0):.0f}{gone}"


def outcome(attack: str) -> str:
    """Return for docs/attacks.md what an attack on transformers removed there; empty where it was not measured."""
    found = [row for net in NETS for row in _of(net, "attacked") if row["attack"] == attack and row.get("marks")]
    removed, kept = [], []
    for row in found:
        alike = [r for r in _of(row["net"], "together") if (r["seed"], r["schemes"]) == (row["seed"], row["schemes"])]
        together = alike[0]
        for scheme, read in row["marks"].items():
            if together["marks"][scheme]["verdict"] == "established":
                place = removed if read.get("verdict") != "established" else kept
                place.append(f"{scheme} in {row['net']} ({_lost(row['net'], row, _before(row, together))})")
    told = [f"removed {', '.join(removed)}"] if removed else []
    told += [f"left {', '.join(kept)}"] if kept else []
    return f"on [transformers](language.md): {'; '.join(told)}" if told else ""


def pretrained() -> str:
    """Return the table of docs/language.md."""
    found = rows("pretrained")
    lines = dict.fromkeys((row.get("attack", ""), repr(row.get("settings"))) for row in found if "scheme" in row)
    schemes = dict.fromkeys(row["scheme"] for row in found if "scheme" in row)
    body = []
    for attack, settings in lines:
        same = [row for row in found if (row.get("attack", ""), repr(row.get("settings"))) == (attack, settings)]
        own = {row["scheme"]: row for row in same if "scheme" in row}
        title = f"`{attack}` {_told(next(iter(own.values())))}".strip() if attack else "marked"
        body.append([title, *(_kept(own[scheme]) if scheme in own else "" for scheme in schemes)])
    header = ["Silero VAD", *(f"`{scheme}`: answers as published, net bits" for scheme in schemes)]
    return markdown(header, body) if body else "Not measured yet."


def _told(row: Row) -> str:
    return ", ".join(f"{name}={value}" for name, value in row["settings"].items())


def _kept(row: Row) -> str:
    gone = "" if row["verdict"] == "established" else ", gone"
    return f"{100 * row['agrees']:.1f} %, {row.get('net_bits', 0):.0f}{gone}"


TABLES: dict[str, Callable[[], str]] = {
    "pretrained": pretrained,
    "language-costs": costs,
    **{f"language-{net}": partial(survival, net) for net in NETS},
}
