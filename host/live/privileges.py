"""Who the process is once what needs privileges is open.

One idea: it becomes another user for good, and looks whether that is so before it goes on: everything made after it
(engines, rings, captures) belongs to that user, and nothing that arrives can be used to be root again.
"""

from __future__ import annotations

import os
import pwd
import re
from contextlib import suppress
from pathlib import Path

CAPABILITIES = re.compile(r"^Cap(?:Prm|Eff|Amb):\s*([0-9a-f]+)$", re.MULTILINE)
ROOT = 0


class PrivilegeError(RuntimeError):
    """The process cannot become that user; the message says why and what to do."""


def become(name: str) -> None:
    """Becomes the user, with the user's groups and home, and no capability. Raises PrivilegeError.

    Threads that run already change with it. It cannot be undone, which is verified."""
    try:
        user = pwd.getpwnam(name)
    except (KeyError, ValueError):
        raise PrivilegeError(f"there is no user {name!r}; name one of this machine, nobody for example") from None
    if user.pw_uid == ROOT:
        raise PrivilegeError(f"{name} is root, which keeps every privilege; name another user")
    if os.geteuid() != ROOT:
        raise PrivilegeError(
            f"only root can become another user, and this process is user {os.geteuid()}; leave --user out"
        )
    os.initgroups(name, user.pw_gid)
    os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
    os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
    _verify(name, user)
    os.environ.update(HOME=user.pw_dir, USER=name, LOGNAME=name)
    for path in (os.__file__, __file__):
        if not os.access(path, os.R_OK):
            raise PrivilegeError(f"{name} cannot read {path}, and this program is made of it; install it elsewhere")


def _verify(name: str, user: pwd.struct_passwd) -> None:
    held = [int(word, 16) for word in CAPABILITIES.findall(Path("/proc/self/status").read_text())]
    mine = os.getresuid() == (user.pw_uid,) * 3 and os.getresgid() == (user.pw_gid,) * 3
    with suppress(PermissionError):
        os.setresuid(ROOT, ROOT, ROOT)
        mine = False
    if not mine or any(held):
        raise PrivilegeError(f"privileges stay after becoming {name}: capabilities {held}, user {os.getresuid()}")
