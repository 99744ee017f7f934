"""The optional C runtime; everything else is in pyproject.toml.

The extension is optional: where there is no C compiler the install still succeeds, and sevenm runs on the reference
model and says so.
"""

from setuptools import setup

setup(cffi_modules=["host/build_native.py:ffibuilder"])
