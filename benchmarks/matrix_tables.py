"""Formats and white-box marks: the tables of docs/formats.md, from the rows of ``matrix.py``."""

from _rows import Row, markdown, rows

NETWORKS = ("resnet8", "separable", "ViT", "GPT-2")


def thin() -> str:
    """Return the bits of a thin mark: naively, by ``verify`` alone, and beside the host."""
    table = [row for row in rows("matrix") if row["mark"] == "thin"]
    sizes = {row["network"]: row["of"] for row in table}
    body = []
    for name in dict.fromkeys(row["format"] for row in table):
        found = {row["network"]: row for row in table if row["format"] == name}
        body.append([name, *(_cell(found[network]) if network in found else "" for network in NETWORKS)])
    return markdown(["format", *(f"{network}, of {sizes.get(network, '')}" for network in NETWORKS)], body)


def lost() -> str:
    """Return every cell in which a bit of any mark is not read, alone or beside the host, but for thin ones that are folded."""
    body = []
    for row in rows("matrix"):
        if "not_written" in row:
            reason = row["not_written"].partition(":")[0]
            line = [row["network"], "any", row["format"], f"not written: {reason}"]
            body += [line] if line not in body else []
        elif row["beside_host"].get("bits") != row["of"] or (
            row["mark"] != "thin" and row["alone"].get("bits") != row["of"]
        ):
            alone, beside = _bits(row["alone"]), _bits(row["beside_host"])
            body.append(
                [row["network"], row["mark"], row["format"], f"{alone} alone, {beside} beside the host, of {row['of']}"]
            )
    return markdown(["network", "mark", "format", "bits"], body) if body else "None: every bit of every cell is read."


def readings() -> str:
    """Return the most readings that a cell took, alone and beside the host, a line a network."""
    body = []
    for network in NETWORKS:
        found = [row for row in rows("matrix") if row["network"] == network and "alone" in row]
        for kind, marks in (("uchida", ("thin", "thick")), ("spread", ("spread",))):
            mine = [row for row in found if row["mark"] in marks]
            if mine:
                most = [max(row[way].get("readings", 0) for row in mine) for way in ("alone", "beside_host")]
                body.append([network, kind, str(mine[0]["of"]), *map(str, most)])
    return markdown(["network", "scheme", "bits", "readings alone, at most", "beside the host, at most"], body)


def _cell(row: Row) -> str:
    if "not_written" in row:
        return "not written"
    naive = "-" if row["naive"] is None else str(row["naive"])
    return f"{naive}, {_bits(row['alone'])}, {_bits(row['beside_host'])}"


def _bits(reading: Row) -> str:
    return str(reading["bits"]) if "bits" in reading else "refused"


TABLES = {"matrix-thin": thin, "matrix-lost": lost, "matrix-readings": readings}
