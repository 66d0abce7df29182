"""Runs a program under a list of system calls, without memory that is written and executed and without making
anything set-user-id or set-group-id, as systemd would.

    confined.py UMASK NAMES COMMAND...        NAMES: the system calls it may use, with commas

Run by itself, as whoever shall be confined: it needs Python's standard library and libseccomp.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import sys

NO_NEW_PRIVILEGES = 38  # prctl(2)
NO_WRITE_AND_EXECUTE = 65
ALLOW = 0x7FFF0000  # seccomp_init(3)
REFUSE = 0x00050001  # with EPERM
NO_SUCH_FAMILY = 0x00050000 | errno.EAFNOSUPPORT
HAS_BITS = 7  # SCMP_CMP_MASKED_EQ
EQUALS = 4  # SCMP_CMP_EQ
SET_IDS = (0o4000, 0o2000)
MODES = {"chmod": 1, "fchmod": 1, "fchmodat": 2, "mkdir": 1, "mkdirat": 2}  # which argument is the mode


class Comparison(ctypes.Structure):
    """struct scmp_arg_cmp"""

    _fields_ = (
        ("argument", ctypes.c_uint),
        ("how", ctypes.c_int),
        ("mask", ctypes.c_uint64),
        ("value", ctypes.c_uint64),
    )


def confine(names: list[str]) -> None:
    libc, seccomp = ctypes.CDLL(None), ctypes.CDLL("libseccomp.so.2")
    for setting in (NO_NEW_PRIVILEGES, NO_WRITE_AND_EXECUTE):
        assert libc.prctl(setting, 1, 0, 0, 0) == 0, setting
    seccomp.seccomp_init.restype = ctypes.c_void_p
    calls = ctypes.c_void_p(seccomp.seccomp_init(REFUSE))
    for name in names:
        number = seccomp.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:  # the others are not of this machine
            assert seccomp.seccomp_rule_add(calls, ALLOW, number, 0) == 0, name
    assert seccomp.seccomp_load(calls) == 0


def confine_modes() -> None:
    """RestrictSUIDSGID=yes, as far as our programs could go against it."""
    rules = [(name, Comparison(argument, HAS_BITS, bit, bit)) for name, argument in MODES.items() for bit in SET_IDS]
    _forbid(REFUSE, rules)


def without_ipv6() -> None:
    """As on a kernel that was told `ipv6.disable=1`."""
    assert ctypes.CDLL(None).prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0
    _forbid(NO_SUCH_FAMILY, [("socket", Comparison(0, EQUALS, socket.AF_INET6, 0))])


def _forbid(answer: int, rules: list[tuple[str, Comparison]]) -> None:
    seccomp = ctypes.CDLL("libseccomp.so.2")
    seccomp.seccomp_init.restype = ctypes.c_void_p
    calls = ctypes.c_void_p(seccomp.seccomp_init(ALLOW))
    for name, rule in rules:
        number = seccomp.seccomp_syscall_resolve_name(name.encode())
        assert seccomp.seccomp_rule_add_array(calls, answer, number, 1, ctypes.byref(rule)) == 0, name
    assert seccomp.seccomp_load(calls) == 0


if __name__ == "__main__":
    umask, names, *command = sys.argv[1:]
    os.umask(int(umask, 8))
    confine_modes()
    confine(names.split(","))
    os.execvp(command[0], command)
