"""The page on training: each block is run, in one process or in two, and what comes out is marked as a bare loop marks it.

The blocks of torch alone are the fast siblings of those of transformers, accelerate and Lightning, which are slow tests.
"""

import re
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

import gloo
import modelmark
from modelmark.key.secret import Secret
from modelmark.marks.keys import keygen
from modelmark.seeding import seeded

PAGE = Path(__file__).resolve().parents[2] / "docs" / "training.md"
SECRET, STEPS = Secret(bytes(range(32))), 240
BITS, NET = 160, 80.0
SHORT, STRONG = 50, modelmark.Uchida(strength=0.6)


def blocks(title):
    """Return the code below a heading."""
    section = PAGE.read_text().split(f"\n## {title}\n")[1].split("\n## ")[0]
    return re.findall(r"```python\n(.*?)```", section, re.DOTALL)


def run(title, number=0, **given):
    """Run a block with names that the page takes for granted; return all names there are then."""
    names = {"torch": torch, "cross_entropy": cross_entropy, "modelmark": modelmark, "DataLoader": DataLoader} | given
    exec(compile(blocks(title)[number], f"{PAGE.name}: {title}", "exec"), names)
    return names


def digits():
    task = modelmark.Task.from_dataset(modelmark.load_data("digits"))
    return task, TensorDataset(modelmark.Normalise(task.feed)(task.train_inputs), task.train_targets)


def net(first=320, second=25):
    with seeded(0):
        return nn.Sequential(
            nn.Flatten(), nn.Linear(64, first), nn.ReLU(), nn.Linear(first, second), nn.ReLU(), nn.Linear(second, 10)
        )


def vit():
    from transformers import ViTConfig, ViTForImageClassification

    with seeded(0):
        return ViTForImageClassification(
            ViTConfig(image_size=8, patch_size=2, num_channels=1, hidden_size=48, num_hidden_layers=2, num_labels=10,
                      num_attention_heads=4, intermediate_size=320)
        )  # fmt: skip


def mark_of(scheme, model):
    task, _ = digits()
    return keygen(scheme, model, task.feed, task=task, secret=SECRET).mark()


def batches(rank=0, of=1, batch=32, steps=STEPS):
    """Return a loader of some batches, or of this process's share of each."""
    _, dataset = digits()
    picked = torch.randint(len(dataset), (steps * batch,), generator=torch.Generator().manual_seed(1))
    dataset = TensorDataset(*dataset[picked])
    return DataLoader(dataset, batch // of, sampler=range(rank, len(dataset), of))


def adamw(model):
    return torch.optim.AdamW(model.parameters(), lr=2e-3)


def require(mark, model):
    """All bits, and what they are worth: the same whichever loop it was."""
    found = mark.evidence(modelmark.WhiteBox(model))
    assert (found.matches, found.trials, found.net_bits, found.established) == (BITS, BITS, NET, True), str(found)


def test_a_bare_loop(capsys):
    model, mark = net(), mark_of(modelmark.Uchida(), net())
    run("A bare loop", mark=mark, model=model, optimizer=adamw(model), loader=batches())
    require(mark, model)
    shown = blocks("A bare loop")[0].split("# ")[1].strip()
    assert re.sub(r"0\.\d+", "N", capsys.readouterr().out.strip()) == re.sub(r"0\.\d+", "N", shown)


def test_a_loop_that_calls_hooks():
    model, mark = net(), mark_of(STRONG, net())
    run("A loop that calls hooks", mark=mark, model=model, SGD=torch.optim.SGD, loader=batches(steps=SHORT))
    require(mark, model)


@pytest.mark.parametrize("number", [0, 1])
def test_carriers_in_data(number):
    model, mark = net(), mark_of(modelmark.Adi(per_hundred=20), net())
    _, dataset = digits()
    with seeded(0):
        names = run("Carriers in your data", number, adi=mark, dataset=dataset)
        optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3)
        for _ in range(3):
            for x, y in names["loader"]:
                cross_entropy(model(x), y).backward()
                optimizer.step()
                optimizer.zero_grad()
    assert mark.evidence(modelmark.WhiteBox(model)).established


def pieces(rank):
    model = net()
    names = run("FSDP2", mark=mark_of(STRONG, net()), model=model, loader=batches(rank, 2, steps=SHORT))
    return names["attached"].reach, {name: value.full_tensor() for name, value in model.state_dict().items()}


@pytest.mark.slow  # every day tests/unit/test_attach_processes.py trains a model in pieces
def test_fsdp2(tmp_path):
    for reach, weights in gloo.run(pieces, tmp_path):
        assert reach.done
        model = net()
        model.load_state_dict(weights)
        require(mark_of(STRONG, net()), model)


def libraries(test):
    """Mark a test of other libraries, whose warnings are their own."""
    return pytest.mark.slow(pytest.mark.filterwarnings("ignore")(test))


def named(samples):
    x, y = zip(*samples, strict=True)
    return {"pixel_values": torch.stack(x), "labels": torch.stack(y)}


class Scored(nn.Sequential):
    """The network as the trainer takes any: of inputs and labels by name it makes a loss and scores."""

    def forward(self, pixel_values, labels=None):
        logits = super().forward(pixel_values)
        return {"logits": logits} if labels is None else {"loss": cross_entropy(logits, labels), "logits": logits}


def scored(*sizes):
    return Scored(*net(*sizes).children())


def arguments(rate=2e-3, **more):
    from transformers import TrainingArguments

    return TrainingArguments(
        "out", learning_rate=rate, per_device_train_batch_size=32, use_cpu=True, report_to="none", disable_tqdm=True, **more
    )  # fmt: skip


@libraries
def test_the_trainer(tmp_path, monkeypatch):
    pytest.importorskip("transformers", reason="the page's block is of transformers")
    monkeypatch.chdir(tmp_path)
    model, mark, adi = scored(), mark_of(modelmark.Uchida(), net()), mark_of(modelmark.Adi(per_hundred=25), net())
    _, dataset = digits()
    names = run("transformers: Trainer", mark=mark, model=model, dataset=dataset, collate=adi.collator(named))
    assert names["attached"].steps == 400
    require(mark, model.eval())
    assert adi.evidence(modelmark.WhiteBox(model)).established


@libraries
def test_the_trainer_and_everything_it_does_to_gradients_and_a_resume(tmp_path, monkeypatch):
    transformers = pytest.importorskip("transformers", reason="what is tested is its Trainer")
    monkeypatch.chdir(tmp_path)
    _, dataset = digits()
    mark, told = mark_of(STRONG, net()), {"gradient_accumulation_steps": 2, "max_grad_norm": 0.5, "bf16": True}
    for steps, resume in ((100, None), (200, "out/checkpoint-100")):
        model = scored()
        trainer = transformers.Trainer(
            model, arguments(max_steps=steps, save_steps=100, **told), train_dataset=dataset, data_collator=named
        )
        with mark.attach(trainer.create_optimizer(), model) as attached:
            trainer.train(resume_from_checkpoint=resume)
        assert attached.steps == 100  # once a step, though a step has two passes
    require(mark, model.eval())


@libraries
def test_the_trainer_with_a_vision_transformer_and_an_optimiser_of_the_readers(tmp_path, monkeypatch):
    transformers = pytest.importorskip("transformers", reason="the network is of transformers")
    monkeypatch.chdir(tmp_path)
    model, mark = vit(), mark_of(modelmark.Uchida(layer="vit.layers.1.mlp.fc2", strength=0.3), vit())
    _, dataset = digits()
    optimizer = adamw(model)
    with mark.attach(optimizer, model):
        trainer = transformers.Trainer(
            model, arguments(max_steps=150, lr_scheduler_type="constant"),
            train_dataset=dataset, data_collator=named, optimizers=(optimizer, None),
        )  # fmt: skip
        trainer.train()
    require(mark, model.eval())


@libraries
def test_the_trainer_with_a_mark_that_needs_the_batch(tmp_path, monkeypatch):
    transformers = pytest.importorskip("transformers", reason="the page's block is of transformers")
    monkeypatch.chdir(tmp_path)
    model, mark = scored(256, 256), mark_of(modelmark.DeepSigns(bits=24), net(256, 256))
    _, dataset = digits()
    names = run("transformers: a mark that needs the batch", deepsigns=mark, model=model, Trainer=transformers.Trainer)
    trainer = names["Marking"](
        model, arguments(5e-3, max_steps=600, bf16=True, eval_strategy="steps", eval_steps=300),
        train_dataset=dataset, eval_dataset=TensorDataset(*dataset[:64]), data_collator=named,
    )  # fmt: skip
    trainer.train()
    assert mark.evidence(modelmark.WhiteBox(model.eval())).established


def accelerated(rank, *, of=1, pieces=False, behind=False):
    """Run the block of accelerate; ``behind``: attached when everything is prepared already."""
    from accelerate import Accelerator, FullyShardedDataParallelPlugin
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state(True)
    model, task_mark = net(), mark_of(modelmark.Uchida(), net())
    plugin = FullyShardedDataParallelPlugin(fsdp_version=2) if pieces else None
    make = partial(Accelerator, cpu=True, fsdp_plugin=plugin)
    names = {"model": model, "optimizer": adamw(model), "loader": batches(batch=32 // of), "mark": task_mark}
    if behind:
        model, names["optimizer"] = make().prepare(model, names["optimizer"])
        names |= {"model": model}
    found = run("accelerate", Accelerator=make, **names)
    weights = found["model"].state_dict()
    whole = {name.removeprefix("module."): getattr(v, "full_tensor", lambda v=v: v)() for name, v in weights.items()}
    return found["reach"], found["attached"].steps, whole


def require_accelerated(reach, steps, weights, of):
    assert reach.done
    assert steps == STEPS // of
    model = net()
    model.load_state_dict(weights)
    require(mark_of(modelmark.Uchida(), net()), model)


@libraries
@pytest.mark.parametrize("behind", [False, True])
def test_accelerate(behind):
    pytest.importorskip("accelerate", reason="the page's block is of accelerate")
    require_accelerated(*accelerated(0, behind=behind), 1)


@libraries
@pytest.mark.parametrize("pieces", [False, True], ids=["DDP", "FSDP2"])
def test_accelerate_with_two_processes(pieces, tmp_path):
    pytest.importorskip("accelerate", reason="the page's block is of accelerate")
    found = gloo.run(partial(accelerated, of=1, pieces=pieces), tmp_path)
    assert all(map(torch.equal, found[0][2].values(), found[1][2].values()))
    for each in found:
        require_accelerated(*each, 2)


@libraries
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_lightning(precision, tmp_path):
    lightning = pytest.importorskip(
        "lightning", reason="the page's block is of Lightning: pip install 'modelmark[lightning]'"
    )
    model, mark = net(), mark_of(modelmark.Uchida(), net())
    names = run("Lightning", lightning=lightning, mark=mark)
    trainer = lightning.Trainer(
        max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        default_root_dir=tmp_path, precision=precision, gradient_clip_val=1.0,
    )  # fmt: skip
    module = names["Classifier"](model)
    trainer.fit(module, batches())
    assert module.attached.reach.done
    assert module.attached.steps == STEPS
    require(mark, model)


def test_the_page_is_short():
    assert len(PAGE.read_text().splitlines()) < 190
