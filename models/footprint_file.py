"""A trained network as bytes that hold data only (safetensors): parameters, configuration, terms.

Nothing in such bytes is executed when they are read. The SHA-256 of the file says which network it is.
"""

import hashlib
import json
from dataclasses import asdict

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn

from models.footprint_cnn import CNNConfig, FastFootprintCNN, FootprintCNN
from models.footprint_net import FootprintNet, NetConfig
from models.footprint_train import Network

FORMAT = "1"
_KINDS: dict[str, tuple[type[nn.Module], type]] = {
    "footprint_net": (FootprintNet, NetConfig),
    "footprint_cnn": (FootprintCNN, CNNConfig),
    "fast_footprint_cnn": (FastFootprintCNN, CNNConfig),
}


def network_bytes(net: Network) -> bytes:
    """Return the network as a safetensors file. The same parameters give the same bytes."""
    kind = next(name for name, (made, _) in _KINDS.items() if type(net) is made)
    state = {name: value.detach().cpu().contiguous() for name, value in net.state_dict().items()}
    about = {"format": FORMAT, "kind": kind, "config": json.dumps(asdict(net.config))}
    return save(state, metadata={"network": json.dumps(about)})


def network_of(data: bytes) -> Network:
    """Return the network that `network_bytes` wrote, not in training.

    Raises
    ------
    ValueError
        The bytes are no such file, of an unknown format or kind, or lack a parameter.
    """
    try:
        state = load(data)
        length = int.from_bytes(data[:8], "little")
        about = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["network"])
        if about["format"] != FORMAT or about["kind"] not in _KINDS:
            raise ValueError(f"unknown network {about['kind']!r} of format {about['format']!r}")
        made, config = _KINDS[about["kind"]]
        values = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in json.loads(about["config"]).items()
        }
        net = made(config(**values))
        net.load_state_dict(state)
    except (SafetensorError, KeyError, TypeError, RuntimeError, UnicodeDecodeError) as error:
        raise ValueError(f"the bytes hold no network: {error}") from error
    found: Network = net.eval()  # type: ignore[assignment]
    return found


def network_sha256(data: bytes) -> str:
    """Return the SHA-256 of a network's bytes."""
    return hashlib.sha256(data).hexdigest()


def n_parameters(net: nn.Module) -> int:
    """Return how many numbers the network learns."""
    return sum(value.numel() for value in net.parameters() if isinstance(value, torch.Tensor))
