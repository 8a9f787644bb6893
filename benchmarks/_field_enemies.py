"""Thieves of a field, each a chain of attacks of the table: what ``field_enemies.py`` measures, the cheapest first."""

STUDENT = "retrain(epochs=12)"
OWN_START = "retrain from the host's first weights"

HEADS = (
    "trim-head(keep=0.75)", "trim-head(keep=0.5)", "trim-head(keep=0.25)", "trim-head(keep=0.15)",
    "own-field(eps=0.35)", "own-field(eps=1.0)", "trim-head(keep=0.25)+own-field(eps=0.35)",
    "refit-head(targets=labels)", "refit-head(targets=labels, share=0.3)", "refit-head(targets=labels, share=0.1)",
    "refit-head(targets=labels, share=0.02)", "refit-head(targets=labels, keep=0.25)",
    "refit-head(targets=answers)", "refit-head(targets=answers, keep=0.25)", "refit-head(targets=averaged)",
    "refit-head(targets=averaged, keep=0.5)", "refit-head(targets=averaged, keep=0.25)", "low-rank(rank=0.4)",
    "finetune(form=rtll, rate=0.01)",
)  # fmt: skip
"""On the weights of the marked network; seconds each."""
TUNED = (
    "finetune(rate=0.01)", "finetune(rate=0.05)", "self-distil(rate=0.05, alpha=1.0, epochs=5)",
    "self-distil(rate=0.05, alpha=0.2, epochs=5)", "refit(peak=0.1, epochs=12)",
    "adversarial(eps=0.03, step=0.015, iterations=3, share=0.25, rate=0.01)",
)  # fmt: skip
STUDENTS = (
    STUDENT, f"{STUDENT}+own-field(eps=0.35)", f"{STUDENT}+own-field(eps=1.0)", f"{STUDENT}+trim-head(keep=0.5)",
    f"{STUDENT}+trim-head(keep=0.25)", f"{STUDENT}+refit-head(targets=labels)", f"{STUDENT}+refit-head(targets=averaged)",
    f"{STUDENT}+refit-head(targets=averaged, keep=0.25)",
    "retrain-voted(asks=5, epochs=12)", "retrain-augmented(epochs=12)", "retrain-mixed(epochs=12)",
    "active(share=0.5, round_epochs=12, epochs=24)", "retrain-smoothed(epochs=12)", OWN_START, "ensemble(epochs=12)",
    "retrain-neighbours(epochs=12)", "adversarial-extraction(eps=0.03, step=0.015, iterations=3, epochs=12)",
)  # fmt: skip
ENEMIES = ("none", *HEADS, *STUDENTS, *TUNED)
