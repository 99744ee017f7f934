"""The version of this code, once: pyproject.toml, `sevenm --version` and manifests of bundles take it from here."""

VERSION = "0.1.0"
