"""What the build takes out of its log, by the same rule as the platform."""

from chalicelib.domain.masking import MASK, SHORTEST, Masker

__all__ = ["MASK", "SHORTEST", "Masker"]
