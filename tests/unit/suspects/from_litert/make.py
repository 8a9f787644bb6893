"""Make the file beside this one, with litert-torch 0.10.0: ``PYTHONPATH=../../.. python make.py``. Not run by the tests."""

import litert_torch
import torch

from formats import Answering


def main() -> None:
    litert_torch.convert(Answering(), (torch.zeros(1, 1, 8, 8),)).export("answering.tflite")


if __name__ == "__main__":
    main()
