import pytest
import torch
from torch import nn


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 10)).eval()


@pytest.fixture
def state(network):
    return network.state_dict()


@pytest.fixture
def shapes(state):
    return {name: tuple(tensor.shape) for name, tensor in state.items()}
