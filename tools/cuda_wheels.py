#!/usr/bin/env python3
"""Prints the folders of the CUDA libraries that PyTorch's wheels bring, separated by ':'.

    python3 tools/cuda_wheels.py lib        of shared libraries, for KG_CUDA_LIBRARIES
    python3 tools/cuda_wheels.py include    of headers, for a build
    python3 tools/cuda_wheels.py bin        of programs such as compute-sanitizer
"""

import pathlib
import site
import sys
import sysconfig


def folders(kind):
    roots = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), site.getusersitepackages(), *sys.path[1:]]
    found = []
    for root in dict.fromkeys(root for root in roots if root):
        found += sorted(str(path) for path in pathlib.Path(root).glob(f"nvidia/*/{kind}") if path.is_dir())
    return list(dict.fromkeys(found))


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in ("lib", "include", "bin"):
        sys.exit(__doc__)
    print(":".join(folders(sys.argv[1])))
