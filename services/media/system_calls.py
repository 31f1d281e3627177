"""The system calls that a confined program may make, as a filter that the kernel runs.

What decoding and encoding need: memory, threads, files, time. Whatever is not listed does not exist for the program
(ENOSYS, on which the C library falls back where it has another way): no socket, no other process, no tracing, no
mount, no key, no io_uring. libseccomp knows the numbers of each machine.
"""

import errno
import tempfile

_MEMORY = ("brk", "mmap", "mprotect", "munmap", "mremap", "madvise", "membarrier")
_THREADS = (
    *("futex", "set_robust_list", "get_robust_list", "set_tid_address", "rseq", "gettid", "sched_yield"),
    *("sched_getaffinity", "sched_getparam", "sched_getscheduler", "arch_prctl", "exit", "exit_group"),
)
_FILES = (
    *("open", "openat", "close", "read", "readv", "pread64", "preadv", "write", "writev", "pwrite64", "pwritev"),
    *("lseek", "stat", "fstat", "lstat", "newfstatat", "statx", "statfs", "fstatfs", "access", "faccessat"),
    *("faccessat2", "readlink", "readlinkat", "getdents64", "getcwd", "dup", "dup2", "dup3", "pipe", "pipe2"),
    *("poll", "ppoll", "select", "pselect6", "ftruncate", "fallocate", "fadvise64", "fsync", "fdatasync", "umask"),
    *("mkdir", "mkdirat", "rmdir", "unlink", "unlinkat", "rename", "renameat", "renameat2"),
)
_SIGNALS = ("rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "restart_syscall")
_TIME = ("nanosleep", "clock_nanosleep", "clock_gettime", "clock_getres", "gettimeofday", "time", "times", "getrusage")
_ITSELF = ("getpid", "getuid", "geteuid", "getgid", "getegid", "getrandom", "uname", "sysinfo", "execve")
"""`execve` is what makes the program of us; files and privileges see to it that it gains nothing by another one."""
_ALLOWED = (*_MEMORY, *_THREADS, *_FILES, *_SIGNALS, *_TIME, *_ITSELF)

_CLONE_THREAD = 0x10000
_PR_SET_NAME = 15
_TCGETS, _FIOCLEX = 0x5401, 0x5451
_F_DUPFD, _F_GETFD, _F_SETFD, _F_GETFL, _F_SETFL, _F_DUPFD_CLOEXEC = 0, 1, 2, 3, 4, 1030


def build_filter() -> bytes:
    """The BPF program for this machine. Raises OSError or RuntimeError where libseccomp is missing or too old."""
    # Looks for the C library when it is imported, and raises when there is none.
    import pyseccomp

    rules = pyseccomp.SyscallFilter(pyseccomp.ERRNO(errno.ENOSYS))
    for name in _ALLOWED:
        if pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name) != -1:
            rules.add_rule(pyseccomp.ALLOW, name)
    zero, one = 0, 1
    # Threads, no processes. `clone3` hides its flags from filters; without it the C library uses `clone`.
    rules.add_rule(pyseccomp.ALLOW, "clone", pyseccomp.Arg(zero, pyseccomp.MASKED_EQ, _CLONE_THREAD, _CLONE_THREAD))
    rules.add_rule(pyseccomp.ALLOW, "prctl", pyseccomp.Arg(zero, pyseccomp.EQ, _PR_SET_NAME))
    # Its own limits, not another process's.
    rules.add_rule(pyseccomp.ALLOW, "prlimit64", pyseccomp.Arg(zero, pyseccomp.EQ, 0))
    # Whether a file is a terminal, which every buffered file asks, and that it ends with the program.
    for request in (_TCGETS, _FIOCLEX):
        rules.add_rule(pyseccomp.ALLOW, "ioctl", pyseccomp.Arg(one, pyseccomp.EQ, request))
    # Not F_SETOWN, by which the kernel sends signals to others.
    for command in (_F_DUPFD, _F_GETFD, _F_SETFD, _F_GETFL, _F_SETFL, _F_DUPFD_CLOEXEC):
        rules.add_rule(pyseccomp.ALLOW, "fcntl", pyseccomp.Arg(one, pyseccomp.EQ, command))
    with tempfile.TemporaryFile() as file:
        rules.export_bpf(file)
        file.seek(0)
        return file.read()
