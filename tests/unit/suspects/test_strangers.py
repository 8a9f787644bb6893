"""Weight files in public packages, which nobody here made: layers, shapes and types are shown without a key."""

import importlib.util
from pathlib import Path

import pytest

PLACE = Path(__file__).resolve().parents[3] / "benchmarks" / "strangers.py"
SPEC = importlib.util.spec_from_file_location("strangers", PLACE)
strangers = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(strangers)


@pytest.mark.slow
@pytest.mark.parametrize(("package", "version", "pattern"), strangers.PACKAGES)
def test_files_of_strangers_are_opened(package, version, pattern, tmp_path):
    archive = strangers.download(package, version, tmp_path)
    if archive is None:
        pytest.skip(f"{package} {version} cannot be downloaded here")
    files = strangers.weights(archive, pattern, tmp_path)
    assert files
    for file in files:
        said = strangers.inspected(file)
        assert "refused" not in said, f"{file.name}: {said}"
        layers = [one for one in said["tensors"].values() if len(one["shape"]) > 1]
        assert any(one["kind"].lower() in ("float32", "f32", "f16", "float16") for one in layers), file.name
