"""The broker's jars: exact versions and SHA-256 from `jars.lock.toml`, fetched by jgo into a cache, checked at every start.

`python -m faultline.stack.jars` resolves `COORDINATES` anew and rewrites the lock.
"""

from __future__ import annotations

import fcntl
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import requests
from jgo.env import LockedDependency, LockFile
from jgo.env._lockfile import compute_sha256
from jgo.maven import Artifact, MavenContext
from jgo.parse import Endpoint

from shared.errors import FaultlineError

COORDINATES = "org.apache.kafka:kafka_2.13:4.4.0+org.apache.logging.log4j:log4j-slf4j-impl:2.25.5!"
"""Kafka with the log binding of its own distribution, which can write its log as JSON lines.

`!`: without the versions that log4j's own parent manages, which would bring an older Kafka client."""

NOT_NEEDED = (("org.apache.kafka", "kafka-tools-api"),)
"""Named by Kafka's own pom but never published; only the console tools would use it."""

LOCK_FILE = Path(__file__).with_name("jars.lock.toml")
_DOWNLOADS = 6


def classpath(cache: Path, progress: Callable[[str], None] = lambda _line: None) -> list[Path]:
    """The jars of the lock, present and with the right hash. `progress` hears what is being fetched.

    Raises FaultlineError where a jar cannot be fetched, or has another hash than the lock says.
    """
    lock = LockFile.load(LOCK_FILE)
    context = MavenContext(repo_cache=cache, local_repos=[], timeout=30)
    with _locked(cache):
        return _present(lock, context, progress)


@contextmanager
def _locked(cache: Path) -> Iterator[None]:
    """Two stacks that start together fetch one after the other."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        lock = (cache / ".lock").open("w")
    except OSError as error:
        raise _unwritable(cache, error) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _present(lock: LockFile, context: MavenContext, progress: Callable[[str], None]) -> list[Path]:
    missing = [jar for jar in lock.dependencies if not _path(context, jar).exists()]
    if missing:
        progress(f"fetching {len(missing)} jars of the broker (once, about 60 MB)")
        _fetch(context, missing)
    wrong = [jar for jar in lock.dependencies if compute_sha256(_path(context, jar)) != jar.sha256]
    for jar in wrong:
        # Half a download, most likely: fetched once more before anybody is blamed.
        _path(context, jar).unlink()
    _fetch(context, wrong)
    for jar in wrong:
        if compute_sha256(_path(context, jar)) != jar.sha256:
            raise FaultlineError(
                f"{jar.artifactId}-{jar.version}.jar is not the file that {LOCK_FILE.name} names.",
                cause="a repository or a proxy on the way serves another file.",
                remedy=f"remove {_path(context, jar)} and try from another network; do not use this file.",
            )
    return [_path(context, jar) for jar in lock.dependencies]


def _path(context: MavenContext, jar: LockedDependency) -> Path:
    path: Path | None = _artifact(context, jar).cached_path
    if path is None:
        raise ValueError("a context without a cache directory")
    return path


def _artifact(context: MavenContext, jar: LockedDependency) -> Artifact:
    component = context.project(jar.groupId, jar.artifactId).at_version(jar.version)
    return component.artifact(classifier=jar.classifier or "", packaging=jar.packaging)


def _fetch(context: MavenContext, jars: list[LockedDependency]) -> None:
    try:
        with ThreadPoolExecutor(_DOWNLOADS) as pool:
            list(pool.map(lambda jar: _artifact(context, jar).resolve(), jars))
    # The more special ones first: requests' errors are OSErrors too.
    except requests.exceptions.SSLError as error:
        raise FaultlineError(
            "The Maven repository's certificate is not trusted here.",
            cause="a proxy on the way puts its own certificate in, and Python does not know it.",
            remedy="set REQUESTS_CA_BUNDLE to the system's list (often /etc/ssl/certs/ca-certificates.crt) and start again.",
        ) from error
    except (requests.RequestException, RuntimeError) as error:
        raise FaultlineError(
            f"Cannot fetch the broker's jars from the Maven repository ({_shortly(error)}).",
            cause="no network; the first start needs it once, later ones do not.",
            remedy=f"connect and start again, or copy {context.repo_cache} from a machine that has it.",
        ) from error
    except OSError as error:
        raise _unwritable(context.repo_cache, error) from error


def _unwritable(cache: Path, error: OSError) -> FaultlineError:
    return FaultlineError(
        f"Cannot write the broker's jars to {cache}: {error.strerror}.",
        cause="the disk is full, or the directory belongs to another user.",
        remedy="free about 100 MB, or set FAULTLINE_JAR_CACHE to another directory.",
    )


def _shortly(error: Exception) -> str:
    return type(error).__name__ if isinstance(error, requests.RequestException) else str(error)[:120]


def write_lock(cache: Path) -> int:
    """Resolve `COORDINATES` with their dependencies, and write the lock. Returns how many jars it names."""
    context = MavenContext(repo_cache=cache, timeout=30)
    unwanted = [context.project(group, artifact) for group, artifact in NOT_NEEDED]
    wanted = [
        context.create_dependency(replace(coordinate, scope="compile"), exclusions=unwanted)
        for coordinate in Endpoint.parse(COORDINATES).coordinates
    ]
    inputs, transitive = context.resolver.resolve(wanted)
    resolved = [*inputs, *(jar for jar in transitive if jar.scope in ("compile", "runtime"))]
    LockFile.from_resolved_dependencies(resolved, environment_name="broker").save(LOCK_FILE)
    return len(resolved)


if __name__ == "__main__":
    count = write_lock(Path(sys.argv[1]) if len(sys.argv) > 1 else Path.home() / ".cache/faultline/jars")
    print(f"{LOCK_FILE.name}: {count} jars")
