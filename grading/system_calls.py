"""The system calls that submissions may not make.

The namespaces are the boundary. This filter takes away what a Python program never needs and what
the kernel's own bugs have most often been found behind.
"""

import errno
import os
from functools import cache

REFUSED = """
    unshare setns mount umount umount2 pivot_root chroot move_mount open_tree fsopen fsconfig fsmount fspick
    mount_setattr name_to_handle_at open_by_handle_at quotactl swapon swapoff
    ptrace process_vm_readv process_vm_writev process_madvise kcmp pidfd_getfd
    bpf perf_event_open userfaultfd init_module finit_module delete_module kexec_load kexec_file_load reboot
    syslog acct iopl ioperm modify_ldt lookup_dcookie settimeofday clock_settime clock_adjtime adjtimex
    sethostname setdomainname vhangup nfsservctl personality
    add_key request_key keyctl memfd_create memfd_secret shmget msgget semget mq_open
    seccomp io_uring_setup io_uring_enter io_uring_register
"""
"""Other roots and file systems (two lines), other processes, the kernel itself (three lines), keys and
memory that belongs to no process, and ways around this filter."""

NEW_NAMESPACES = 0x7E020080
"""The flags of ``clone`` that ask for a namespace: CLONE_NEWNS and its like."""

TIOCSTI, TIOCLINUX = 0x5412, 0x541C
"""The requests of ``ioctl`` that type into a terminal."""

FAMILIES = (1, 2, 10, 16)
"""The kinds of socket that are left, and lead nowhere: AF_UNIX, AF_INET, AF_INET6 and AF_NETLINK."""


class NoFilter(Exception):
    """The library that makes the filter is missing."""


@cache
def compiled_filter() -> bytes:
    """The filter, as the kernel takes it.

    Raises
    ------
    NoFilter
        If libseccomp is not installed.
    """
    try:
        import pyseccomp
    except (ImportError, OSError, RuntimeError) as problem:  # there is none but on Linux
        raise NoFilter(
            f"system calls cannot be filtered ({problem}). On Debian or Ubuntu: apt install libseccomp2"
        ) from None
    program = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    refuse = pyseccomp.ERRNO(errno.EPERM)
    for name in REFUSED.split():
        try:
            program.add_rule(refuse, name)
        except (ValueError, OSError, RuntimeError):  # a call that this library or machine does not know
            continue
    # The flags of clone3 cannot be seen from here. Without it, libc takes clone.
    program.add_rule(pyseccomp.ERRNO(errno.ENOSYS), "clone3")
    for bit in range(32):
        if NEW_NAMESPACES >> bit & 1:
            flag = 1 << bit
            program.add_rule(refuse, "clone", pyseccomp.Arg(0, pyseccomp.MASKED_EQ, flag, flag))
    for request in (TIOCSTI, TIOCLINUX):
        program.add_rule(refuse, "ioctl", pyseccomp.Arg(1, pyseccomp.MASKED_EQ, 0xFFFFFFFF, request))
    for family in range(46):
        if family not in FAMILIES:
            program.add_rule(refuse, "socket", pyseccomp.Arg(0, pyseccomp.EQ, family))
    netlink_other_than_route = (pyseccomp.Arg(0, pyseccomp.EQ, 16), pyseccomp.Arg(2, pyseccomp.NE, 0))
    program.add_rule(refuse, "socket", *netlink_other_than_route)
    return _exported(program)


def _exported(program):
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as source, os.fdopen(writing, "wb") as target:
        program.export_bpf(target)
        target.close()
        return source.read()
