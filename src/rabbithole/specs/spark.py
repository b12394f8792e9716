"""Where and how large Spark runs. It changes no result, so no rule tracks it."""

from pydantic import Field

from rabbithole.specs.base import Spec

PARTITION_BYTES = 64 * 2**20
"""Raw bytes per partition: small enough to sort in a worker's memory."""


class SparkOptions(Spec):
    """master: `local` or a master URL; conf: further Spark settings; threads; memory_mb."""

    master: str = "local"
    conf: dict[str, str] = Field(default={})
    threads: int = 2
    memory_mb: int = 4096

    @property
    def local(self) -> bool:
        """Return whether driver and executors are one process on this machine."""
        return self.master.startswith("local")

    def partitions(self, size: int) -> int:
        """Return the number of partitions for `size` raw bytes: at least one per thread."""
        return max(self.threads, -(-size // PARTITION_BYTES))
