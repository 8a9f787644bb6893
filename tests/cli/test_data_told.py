"""What is said of data before anything is made of it."""

import numpy as np


def test_classes_without_a_sample_are_said(run, tmp_path):
    pictures, labels = np.zeros((8, 8, 8), np.uint8), np.array([3, 17, 99, 250] * 2)
    pictures[:, 0] = np.arange(8)[:, None]
    arrays = {"x_train": pictures, "y_train": labels, "x_test": pictures, "y_test": labels}
    np.savez(tmp_path / "gaps.npz", **arrays)
    words = ("keygen", "adi", "--arch", "cnn", "--unencrypted", "-o", tmp_path / "a.key")
    ran = run(*words, "--data", f"npz:{tmp_path / 'gaps.npz'}")
    assert ran.status == 0, ran
    said = ran.err.splitlines()[:2]
    assert "247 of 251 classes have no sample in npz:" in said[0]
    assert said[0].endswith(": 0, 1, 2, ...")
    assert "from 0 on" in said[1]
    np.savez(tmp_path / "whole.npz", **arrays | {"y_train": np.arange(8) % 4, "y_test": np.arange(8) % 4})
    ran = run(*words[:-1], tmp_path / "b.key", "--data", f"npz:{tmp_path / 'whole.npz'}")
    assert (ran.status, "have no sample" in ran.err) == (0, False), ran
