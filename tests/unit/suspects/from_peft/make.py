"""Make the folders beside this one with peft 0.21.2, transformers 5.24.0, torch 2.13.0: ``python make.py``. Not run by tests.

``truth.npz`` holds what ``merge_and_unload`` makes of each weight that the adapter changes.
"""

import json
from pathlib import Path

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from torch import nn
from transformers.pytorch_utils import Conv1D

HERE = Path(__file__).parent


class Net(nn.Module):
    """A layer of each kind that LoRA adapts, one of them square."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.emb, self.conv = nn.Embedding(20, 16), nn.Conv1d(16, 12, 3)
        self.fc, self.square, self.turned = nn.Linear(16, 24), nn.Linear(24, 24), Conv1D(8, 24)
        self.same, self.head = Conv1D(24, 24), nn.Linear(8, 4)

    def forward(self, x):
        return self.head(self.turned(self.same(self.square(self.fc(self.emb(x))))))


CASES = {
    "lora": {"target_modules": ["fc", "square", "emb", "conv"], "lora_alpha": 6},
    "rslora": {"target_modules": ["fc", "square"], "use_rslora": True},
    "patterns": {"target_modules": ["fc", "square"], "rank_pattern": {"fc": 2}, "alpha_pattern": {"^square": 20, "fc": 3}},
    "dora": {"target_modules": ["fc", "square", "conv", "emb"], "use_dora": True},
    "turned": {"target_modules": ["turned", "same"], "fan_in_fan_out": True},
    "dora_turned": {"target_modules": ["turned", "same"], "fan_in_fan_out": True, "use_dora": True},
    "saved": {"target_modules": ["fc"], "modules_to_save": ["head"]},
}  # fmt: skip


def main():
    save_file(Net().state_dict(), HERE / "base.safetensors")
    for name, words in CASES.items():
        model = get_peft_model(Net(), LoraConfig(r=4, init_lora_weights=False, **words))
        with torch.no_grad():
            for key, value in model.named_parameters():
                if "magnitude" in key or "modules_to_save" in key:
                    value *= 1 + 0.3 * torch.rand_like(value)
        model.save_pretrained(HERE / name)
        (HERE / name / "README.md").unlink()
        before, merged = Net().state_dict(), model.merge_and_unload().state_dict()
        truth = {key: value.numpy() for key, value in merged.items() if not torch.equal(value, before[key])}
        np.savez_compressed(HERE / name / "truth.npz", **truth)
        config = json.loads((HERE / name / "adapter_config.json").read_text())
        config["base_model_name_or_path"] = "someone/base"
        (HERE / name / "adapter_config.json").write_text(json.dumps(config))


if __name__ == "__main__":
    main()
