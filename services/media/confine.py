"""The program that stands between a worker and untrusted bytes: it gives up what the command must not have, then
becomes the command.

    python -I -S confine.py ORDER COMMAND ARGUMENT…

ORDER is the arguments of `confine`, marshalled, in hexadecimal digits. The steps stand in their order: first what needs
rights, then what takes them away, the command last. A step that fails ends the program with NOT_CONFINED: a layer is in
force, or nothing runs.

The process forks once. The parent only waits, and ends the way the command ended; the child, the first process of its
namespace where it has one, becomes the command.

It starts once per probe and per encode, so it imports only what is compiled in or tiny: json, signal, typing and
contextlib together would more than double what it costs. The structures and numbers of the kernel's interface are those
of linux/landlock.h, linux/mount.h, linux/prctl.h and linux/seccomp.h.
"""

import ctypes
import marshal
import os
import resource
import stat
import struct
import sys

NOT_CONFINED = 97
"""The exit code that says that the command was not run at all."""
NAMESPACES, LANDLOCK, SECCOMP = "namespaces", "landlock", "seccomp"
"""The layers that a kernel may offer or not; all others are always in force."""
MOST_THREADS = 512

_SIGKILL, _SIGXCPU = 9, 24

_LIBC = ctypes.CDLL(None, use_errno=True)

_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 1, 22, 24, 38
_SECCOMP_MODE_FILTER = 2
_CAPABILITY_VERSION_3 = 0x20080522

_CLONE_NEWNS, _CLONE_NEWUTS, _CLONE_NEWIPC = 0x20000, 0x4000000, 0x8000000
_CLONE_NEWUSER, _CLONE_NEWPID, _CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
_INSIDE_ID = 65534

_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_BIND, _MS_REC, _MS_PRIVATE = 2, 4, 8, 4096, 16384, 1 << 18
_MNT_DETACH = 2
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_ATTR_RDONLY, _ATTR_NOSUID, _ATTR_NODEV, _ATTR_NOEXEC = 1, 2, 4, 8
_SYS_MOUNT_SETATTR = 442

_SYS_LANDLOCK_CREATE, _SYS_LANDLOCK_ADD, _SYS_LANDLOCK_RESTRICT = 444, 445, 446
_LANDLOCK_VERSION = 1
_RULE_PATH_BENEATH = 1
_FS_EXECUTE, _FS_WRITE_FILE, _FS_READ_FILE, _FS_READ_DIR = 1, 2, 4, 8
_FS_REMOVE_DIR, _FS_REMOVE_FILE, _FS_MAKE_DIR, _FS_MAKE_REG, _FS_TRUNCATE = 1 << 4, 1 << 5, 1 << 7, 1 << 8, 1 << 14
_FS_READ = _FS_READ_FILE | _FS_READ_DIR
_FS_WORK = _FS_READ | _FS_WRITE_FILE | _FS_TRUNCATE | _FS_REMOVE_DIR | _FS_REMOVE_FILE | _FS_MAKE_DIR | _FS_MAKE_REG
_FS_OF_A_FILE = _FS_EXECUTE | _FS_READ_FILE
_FS_RIGHTS_BY_ABI = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""How many rights on files a version knows; each is a bit, and later versions know as many as the fifth."""
_NET_TCP, _SCOPE_ABSTRACT_UNIX_AND_SIGNALS = 3, 3


def confine(
    parent: int,
    layers: list[str],
    limits: dict[str, int],
    directory: str,
    readable: list[str],
    runnable: list[str],
    system_calls: bytes,
) -> None:
    """Die with the worker, be nobody, see nothing, gain nothing, stay within the limits.

    `layers` are those of the kernel to put in force. Below `directory` everything may be done but to run it; below
    `readable` files may be read, below `runnable` they may be run too. `system_calls` is the filter, a BPF program.
    Returns in a child that the caller's process waits for.
    """
    directory = os.path.realpath(directory)
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if NAMESPACES in layers:
        _leave_namespaces()
    _die_with_parent()
    if os.getppid() != parent:
        raise ProcessLookupError("the worker is gone")
    _continue_in_child(limits["RLIMIT_CPU"])
    if NAMESPACES in layers:
        _limit_processes()
        _leave_files(directory, [*readable, *runnable])
    _drop_capabilities()
    _checked(_LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl no_new_privs")
    for name, value in limits.items():
        kind = getattr(resource, name)
        _, hard = resource.getrlimit(kind)
        highest = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (highest, highest))
    if LANDLOCK in layers:
        _restrict_files(directory, readable, runnable)
    if SECCOMP in layers:
        _filter_system_calls(system_calls)


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def _die_with_parent() -> None:
    _checked(_LIBC.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0), "prctl pdeathsig")


def _continue_in_child(cpu_seconds: int) -> None:
    """Return in a child that dies with this process; this process waits for it and ends the way it did."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child:
        os.close(read_end)
        _end_like(child, cpu_seconds)
    os.close(write_end)
    _die_with_parent()
    # Nobody writes; the pipe has come to its end only if the parent died before its death would have been told.
    os.set_blocking(read_end, False)
    try:
        os.read(read_end, 1)
    except BlockingIOError:
        os.close(read_end)
    else:
        raise ProcessLookupError("the waiting process is gone")


def _end_like(child: int, cpu_seconds: int) -> None:
    """Wait for the child and end; does not return."""
    _, status, used = os.wait4(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        os._exit(code)
    number = -code
    # The first process of a namespace is not told that its time is over, only killed; that is said here. The limit is
    # counted in ticks of the clock, which on a busy machine come to twice what was really used.
    if number == _SIGKILL and used.ru_utime + used.ru_stime >= cpu_seconds / 2:
        number = _SIGXCPU
    if number not in (_SIGKILL, _SIGXCPU):
        import signal

        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    os._exit(128 + number)


def _leave_namespaces() -> None:
    """Be nobody in namespaces of its own: no network but a loopback that is down, no IPC, no other process."""
    user, group = os.geteuid(), os.getegid()
    # Where it may not, the other groups stay; they have no name in the namespace.
    _LIBC.setgroups(0, None)
    kinds = _CLONE_NEWUSER | _CLONE_NEWNS | _CLONE_NEWNET | _CLONE_NEWPID | _CLONE_NEWIPC | _CLONE_NEWUTS
    _checked(_LIBC.unshare(kinds), "unshare")
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{_INSIDE_ID} {user} 1"),
        ("gid_map", f"{_INSIDE_ID} {group} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def _limit_processes() -> None:
    """Counted in the namespace alone. The kernel counts no process of root's; there the limit of ids helps, if any."""
    resource.setrlimit(resource.RLIMIT_NPROC, (MOST_THREADS, MOST_THREADS))
    try:
        with open("/proc/sys/kernel/pid_max", "w") as file:
            file.write(str(MOST_THREADS))
    except OSError:
        pass  # a kernel before 6.14


def _leave_files(directory: str, visible: list[str]) -> None:
    """Make a root with nothing but `directory`, writable, and what is `visible`, read-only; all by the same paths."""
    _mount("none", "/", "", _MS_REC | _MS_PRIVATE)
    _mount("none", directory, "tmpfs", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
    old = f"{directory}/old"
    os.mkdir(old)
    _checked(_LIBC.pivot_root(os.fsencode(directory), os.fsencode(old)), "pivot_root")
    os.chdir("/")
    safe = _ATTR_NOSUID | _ATTR_NODEV
    # Outer directories first, or they would hide the inner ones.
    for path in sorted({*visible, directory}):
        _show(path, safe | (_ATTR_NOEXEC if path == directory else _ATTR_RDONLY))
    _checked(_LIBC.umount2(b"/old", _MNT_DETACH), "umount of the old root")
    os.rmdir("/old")
    _set_attributes("/", safe | _ATTR_RDONLY | _ATTR_NOEXEC, 0)
    os.chdir(directory)


def _show(path: str, attributes: int) -> None:
    """Bind `/old/path` at `path`; a symbolic link is made again, what does not exist is left out."""
    try:
        mode = os.lstat(f"/old{path}").st_mode
    except FileNotFoundError:
        return
    if os.path.lexists(path):
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if stat.S_ISLNK(mode):
        os.symlink(os.readlink(f"/old{path}"), path)
        return
    if stat.S_ISDIR(mode):
        os.mkdir(path)
    else:
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
    _mount(f"/old{path}", path, "", _MS_BIND | _MS_REC)
    _set_attributes(path, attributes, _AT_RECURSIVE)


def _mount(source: str, target: str, kind: str, flags: int) -> None:
    made = _LIBC.mount(os.fsencode(source), os.fsencode(target), kind.encode(), ctypes.c_ulong(flags), None)
    _checked(made, f"mount on {target}")


def _set_attributes(path: str, attributes: int, flags: int) -> None:
    wanted = ctypes.create_string_buffer(struct.pack("=4Q", attributes, 0, 0, 0), 32)
    done = _LIBC.syscall(_SYS_MOUNT_SETATTR, _AT_FDCWD, os.fsencode(path), flags, wanted, ctypes.c_size_t(32))
    _checked(done, f"attributes of the mount {path}")


def _drop_capabilities() -> None:
    """Have none, and get none back by becoming the command."""
    for capability in range(64):
        if _LIBC.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
            break
    none = _LIBC.capset(struct.pack("=Ii", _CAPABILITY_VERSION_3, 0), struct.pack("=6I", *[0] * 6))
    _checked(none, "capset")


def _restrict_files(directory: str, readable: list[str], runnable: list[str]) -> None:
    """No file but those, and, as far as this kernel's Landlock goes, no TCP and nobody outside to send a signal to."""
    abi = _checked(_LIBC.syscall(_SYS_LANDLOCK_CREATE, None, 0, _LANDLOCK_VERSION), "Landlock")
    handled = (1 << _FS_RIGHTS_BY_ABI[min(abi, max(_FS_RIGHTS_BY_ABI))]) - 1
    network = _NET_TCP if abi >= 4 else 0
    scoped = _SCOPE_ABSTRACT_UNIX_AND_SIGNALS if abi >= 6 else 0
    known = 24 if abi >= 6 else 16 if abi >= 4 else 8
    attributes = struct.pack("=3Q", handled, network, scoped)[:known]
    ruleset = _LIBC.syscall(_SYS_LANDLOCK_CREATE, attributes, ctypes.c_size_t(known), 0)
    _checked(ruleset, "Landlock ruleset")
    rights = dict.fromkeys(readable, _FS_READ) | dict.fromkeys(runnable, _FS_READ | _FS_EXECUTE)
    for path, allowed in (rights | {directory: _FS_WORK}).items():
        try:
            beneath = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        allowed &= handled if stat.S_ISDIR(os.fstat(beneath).st_mode) else _FS_OF_A_FILE
        rule = struct.pack("=Qi", allowed, beneath)
        added = _LIBC.syscall(_SYS_LANDLOCK_ADD, ruleset, _RULE_PATH_BENEATH, rule, 0)
        _checked(added, f"Landlock rule for {path}")
        os.close(beneath)
    _checked(_LIBC.syscall(_SYS_LANDLOCK_RESTRICT, ruleset, 0), "Landlock restriction")
    os.close(ruleset)


def _filter_system_calls(program: bytes) -> None:
    instructions = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog: how many instructions of eight bytes, and where.
    filter_ = struct.pack("@HP", len(program) // 8, ctypes.addressof(instructions))
    _checked(_LIBC.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, filter_, 0, 0), "seccomp filter")


if __name__ == "__main__":
    try:
        confine(**marshal.loads(bytes.fromhex(sys.argv[1])))  # noqa: S302 - from the worker
        os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 - the command is ours, without a shell
    except Exception as error:
        print(f"not confined: {error!r}", file=sys.stderr, flush=True)  # noqa: T201
        os._exit(NOT_CONFINED)
