"""Blocks that no test runs, by page and how they begin, and why. What they show is looked up all the same: ``test_blocks.py``."""

STUDY = "a study of minutes to hours; its rows are kept, and tests hold the pages to them"
INSTALL = "it installs packages; CI does, from the same files"
QUICK = "a minute for each seed; tests/cli/test_audit_cli.py types audits and reports of one scheme"
DATA_MARKS = "tests/cli/test_data_marks_cli.py types the same verbs on records and models that it makes"
ASKED = "tests/cli/test_asked_cli.py asks servers of its own in these ways"
AUTHORS = "it takes the authors' own files; tests/unit/test_imported_deepsigns.py makes such files and reads them"
FIELD = "lines of a loop of the reader's; tests/unit/test_field.py and tests/unit/test_field_along.py call the same"
SERVED = "lines of a server of the reader's; tests/unit/test_serving.py and tests/unit/test_data_marks.py call the same"

UNRUN = {
    ("CONTRIBUTING.md", "pip install"): INSTALL,
    ("CONTRIBUTING.md", "class Noise("): "an excerpt of the package, and compared with it in tests/docs/test_blocks.py",
    ("README.md", "pip install -r requirements-dev.txt"): INSTALL,
    ("docs/attacks.md", "modelmark audit docs/audit/digits.toml"): STUDY,
    ("docs/attacks.md", "pip install 'modelmark[deployment]'"): STUDY,
    ("docs/attacks.md", "modelmark audit standard"): STUDY,
    ("docs/attacks.md", "python benchmarks/shared_start.py"): STUDY,
    ("docs/attacks.md", "python benchmarks/detection.py"): STUDY,
    ("docs/attacks.md", "pip install -c constraints.txt -e '.[art]'"): STUDY,
    ("docs/audit/README.md", "modelmark audit docs/audit/digits.toml"): STUDY,
    ("docs/audit.md", "$ modelmark audit quick -o quick.jsonl"): QUICK,
    ("docs/audit.md", "$ modelmark audit quick --seed 0"): QUICK,
    ("docs/audit.md", "# mine.py;"): "tests/docs/test_typed.py loads it, and the file above it",
    (
        "docs/desk.md",
        "pip install 'modelmark[desk]'",
    ): "it serves until it is stopped; tests/unit/desk/test_desk_process.py starts it",
    (
        "docs/formats.md",
        "$ modelmark inspect suspect.onnx",
    ): "tests/cli/test_weight_files_cli.py types it on files that it makes",
    ("docs/guide.md", "$ modelmark keygen adi --data images:cifar10/"): AUTHORS,
    ("docs/language.md", "python benchmarks/texts.py"): STUDY,
    ("docs/language.md", "pip download"): STUDY,
    (
        "docs/release.md",
        "owner$ model_signing",
    ): "tests/cli/test_releases_cli.py types it on a kept release; model-signing itself is not installed",
    ("docs/results-tables.md", "python benchmarks/adi_paper.py"): STUDY,
    (
        "docs/schemes/answers.md",
        "$ modelmark keygen answers",
    ): "tests/cli/test_answers_cli.py types it on a small model",
    (
        "docs/schemes/answers.md",
        "raw, chat =",
    ): "tests/unit/answers/test_answers_texts.py makes both suspects and weighs readings",
    (
        "docs/schemes/certified.md",
        "modelmark certify certified.key",
    ): "tests/cli/test_certify_cli.py types it on networks that it makes",
    ("docs/schemes/choice.md", "from modelmark import Served"): SERVED,
    ("docs/schemes/choice.md", "modelmark keygen choice"): DATA_MARKS,
    ("docs/schemes/choice.md", "draw = deposit.draw("): SERVED,
    (
        "docs/schemes/dawn.md",
        "from modelmark import Dawn",
    ): "lines of a server of the reader's; tests/unit/test_dawn.py calls them",
    ("docs/schemes/deepsigns-blackbox.md", "$ modelmark keygen deepsigns-blackbox"): AUTHORS,
    ("docs/schemes/deepsigns.md", "$ modelmark keygen deepsigns --data idx:mnist/"): AUTHORS,
    ("docs/schemes/deepsigns.md", "import numpy as np"): AUTHORS,
    ("docs/schemes/field-enemies.md", "modelmark attacks refit-head"): STUDY,
    ("docs/schemes/field.md", "students ="): FIELD,
    ("docs/schemes/field.md", 'scheme = modelmark.Field(coordinates="own")'): FIELD,
    ("docs/schemes/order.md", "modelmark keygen order"): DATA_MARKS,
    ("docs/schemes/order.md", "loader ="): "tests/unit/test_data_marks.py takes the sampler; the rest is torch",
    ("docs/schemes/twins.md", "modelmark keygen twins"): DATA_MARKS,
    ("docs/suspects.md", "$ modelmark verify owner.key product.onnx"): ASKED,
}
