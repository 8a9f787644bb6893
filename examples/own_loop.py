"""Your own training loop, a dozen lines of it, embedding two marks: nothing of modelmark's loop is used.

Run: ``python examples/own_loop.py``
"""

import torch
from torch.nn.functional import cross_entropy

import modelmark


def main() -> None:
    torch.manual_seed(0)
    task = modelmark.Task.from_dataset(modelmark.load_data("digits"))
    model = modelmark.build("cnn", task.feed.input_shape, task.feed.classes, seed=0)
    schemes = modelmark.Adi(per_hundred=20), modelmark.Uchida()  # of a hundred pictures twenty more: ten times as fast
    marks = [modelmark.keygen(scheme, model, task.feed).mark() for scheme in schemes]
    normalise = modelmark.Normalise(task.feed)

    hooks = modelmark.Composed(mark.hooks(model) for mark in marks)
    optimizer = torch.optim.AdamW([{"params": model.parameters()}, *hooks.param_groups()], lr=2e-3)
    steps = 250
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for step in range(steps):
        picked = torch.randint(len(task.train_inputs), (64,))
        x, y = normalise(task.train_inputs[picked]), task.train_targets[picked]
        inputs, targets = hooks.batch(x, y)
        scores = model(inputs)
        loss = hooks.loss(cross_entropy(scores, targets), model, x, y, scores)
        loss.backward()
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        if step < steps - 1:
            hooks.after_step(model)
    hooks.finish(model)

    print(f"test accuracy {modelmark.accuracy(model, task):.1%}")
    for mark in marks:
        print(mark.evidence(modelmark.WhiteBox(model)))


if __name__ == "__main__":
    main()
