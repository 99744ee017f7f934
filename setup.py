"""Package discovery over the five top-level folders, and the optional C runtime.

Everything else is in pyproject.toml. The extension is optional: where there is no C compiler the
install still succeeds, and sevenm runs on the reference model and says so.
"""

from pathlib import Path

from setuptools import find_packages, setup

FOLDERS = ("compiler", "hdl", "host", "sim", "cli")

packages = []
for folder in FOLDERS:
    packages.append(f"sevenm.{folder}")
    packages += [f"sevenm.{folder}.{name}" for name in find_packages(folder)]

setup(
    packages=packages,
    cffi_modules=["host/build_native.py:ffibuilder"] if Path("host/build_native.py").exists() else [],
)
