"""What a package manager of this machine is told: where it fetches and whom it trusts.

Read from its own files and variables and from the tool itself; no registry is known here.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

# Variables of the package managers that say where to fetch and whom to trust. Nothing that
# publishes: a build script could read it.
_PASSED = re.compile(
    r"""(?ix) ^ (
      PIP_(INDEX_URL|EXTRA_INDEX_URL|FIND_LINKS|NO_INDEX|CERT|TRUSTED_HOST|DEFAULT_TIMEOUT|RETRIES
          |PREFER_BINARY|ONLY_BINARY|NO_BINARY|DISABLE_PIP_VERSION_CHECK)
    | UV_(DEFAULT_INDEX|INDEX|INDEX_URL|EXTRA_INDEX_URL|FIND_LINKS|NO_INDEX|INDEX_STRATEGY
         |SYSTEM_CERTS|NATIVE_TLS|INSECURE_HOST|HTTP_TIMEOUT|OFFLINE|PYTHON_INSTALL_MIRROR)
    | NPM_CONFIG_(REGISTRY|CAFILE|CA|STRICT_SSL|NODEDIR|FETCH_TIMEOUT|FETCH_RETRIES)
    | COREPACK_NPM_REGISTRY | YARN_(REGISTRY|NPM_REGISTRY_SERVER|HTTPS_CA_FILE_PATH|CA_FILE_PATH)
    | CARGO_(HTTP_CAINFO|NET_OFFLINE|NET_RETRY|SOURCE_\w+|REGISTRIES_\w+_INDEX)
    ) $ """
)


@dataclass
class Settings:
    """What one package manager is told: addresses, folders, certificates, files to hand on."""

    addresses: list[str] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)  # where inside, and what
    env: dict[str, str] = field(default_factory=dict)

    def hosts(self) -> frozenset[str]:
        """The hosts of the addresses, each as "host:port"."""
        return frozenset(filter(None, map(host, self.addresses)))

    def folders(self) -> list[Path]:
        """Folders of this machine that serve as an index: they must be seen inside."""
        found = []
        for address in self.addresses:
            if address.startswith("file:"):
                folder = Path(unquote(urlsplit(address).path))
                # The pages of an index point to files beside it ("../../files/…").
                beside = folder.name == "simple" and len(folder.parts) > 2
                found.append(folder.parent if beside else folder)
        found += [Path(address) for address in self.addresses if address.startswith("/")]
        return [path for path in dict.fromkeys(found) if path.exists()]


def variables() -> dict[str, str]:
    """The package managers' variables that builds are given."""
    return {name: value for name, value in os.environ.items() if _PASSED.match(name)}


def host(address: str) -> str | None:
    """The host of a web address as "host:port"; None for any other address."""
    parts = urlsplit(address.strip().removeprefix("sparse+").removeprefix("registry+"))
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return None
    name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{name.lower()}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
