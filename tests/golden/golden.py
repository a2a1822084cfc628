"""What the scripts of this folder that ask PyTorch share: random inputs, and named tensors saved as safetensors."""

import json
import pathlib

import numpy as np
import torch
from safetensors.numpy import save_file

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)


class Golden:
    def __init__(self, seed):
        self.rng, self.tensors = np.random.default_rng(seed), {}

    def normal(self, *shape, scale=1.0):
        """f32-representable values, so that the f32 and the f64 test start from the same numbers."""
        return torch.from_numpy((self.rng.standard_normal(shape) * scale).astype(np.float32).astype(np.float64))

    def put(self, name, value, dtype=None):
        """f32 where it is exact or asked for, else f64; integers as i32, booleans as u8."""
        array = value.detach().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
        if array.dtype == np.int64:
            array = array.astype(np.int32)
        elif array.dtype == np.bool_:
            array = array.astype(np.uint8)
        elif array.dtype == np.float64 and (dtype == np.float32 or np.array_equal(array, array.astype(np.float32))):
            array = array.astype(np.float32)
        self.tensors[name] = np.array(array, order="C")  # a copy: optimizers go on changing theirs

    def save(self, file, config=None):
        path = pathlib.Path(__file__).with_name(file)
        metadata = {"config": json.dumps({**config, "torch": torch.__version__})} if config else None
        save_file(self.tensors, path, metadata=metadata)
        print(f"{path}: {len(self.tensors)} tensors, {path.stat().st_size} bytes")
