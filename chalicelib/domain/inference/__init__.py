"""What a source is and how it is started, worked out from its files, each value with its reason.

Standard library only: this package also travels inside the build program.
"""

from __future__ import annotations

from chalicelib.domain.inference.infer import infer, manifest_path
from chalicelib.domain.inference.versions import nearest

__all__ = ["infer", "manifest_path", "nearest"]
