#!/bin/sh
# DARE in mergekit does not divide what it keeps by the density: large differences come out at half of what they were, on average.
#
# Version:  mergekit 0.1.5 with torch 2.13.0 on a CPU, the newest on PyPI in November 2026.
# Expected: as in Yu et al. 2024, arXiv 2311.03099: an entry that is kept with probability d is divided by d, so that the mean over
#           draws is the difference itself. dare_linear and dare_ties name this paper.
# Seen:     both rescale (RescaleNorm.l1, their default) the kept entries to the sum of sizes that all had. Of a difference with one
#           entry of 10 and 99 of 1, at a density of 0.1, the mean over draws is 5.6 in the place of the 10 and 1.04
#           elsewhere; what a draw keeps depends on what else it keeps.
# So `merge` with how=dare or dare-ties divides by the density (src/modelmark/attacks/weights/merge.py), and its numbers are those
# of the paper and not of this version.
#
# Run by hand, not in CI: sh findings/mergekit_dare_rescale.sh. It installs into a temporary folder and fails if any of this changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6
"$folder/venv/bin/pip" install --quiet --no-deps mergekit==0.1.5
cd "$folder"
cat >look.py <<'PYTHON'
import torch
from mergekit.sparsify import RescaleNorm, SparsificationMethod, sparsify

torch.manual_seed(0)
difference = torch.ones(100)
difference[0] = 10
draws = torch.stack([
    sparsify(difference, density=0.1, method=SparsificationMethod.random, rescale_norm=RescaleNorm.l1) for _ in range(20_000)
])
print(f"mean of the large {draws[:, 0].mean():.1f} of 10, of the others {draws[:, 1:].mean():.2f} of 1")
PYTHON
venv/bin/python look.py 2>/dev/null | tee seen
grep -Eq "large [56]\.[0-9] of 10" seen || { echo "the large difference comes out otherwise"; exit 1; }
registry=$(venv/bin/python -c "import mergekit, pathlib; print(pathlib.Path(mergekit.__file__).parent)")/merge_methods
grep -A4 "SparsificationMethod.random" "$registry/registry.py" | grep -c "default_rescale=True" | grep -qx 2 || { echo "the default changed"; exit 1; }
grep -q 'RescaleNorm.l1 if parameters\["rescale"\]' "$registry/generalized_task_arithmetic.py" || { echo "another norm is used"; exit 1; }
echo "as before"
