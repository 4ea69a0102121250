"""The call sites: every instruction of a program that calls a function which makes a system call, from its symbols."""
import pathlib
import re
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
WRAPPED = set(re.findall(r"^WRAP\((\w+)", (HERE / "wrapped.h").read_text(), re.MULTILINE))

# What else is imported from the C library: no system call, or none that a caller can see failing (memory and threads
# have harnesses of their own; stdio's output goes through write at the end of a command, whose failure only that sees).
HARMLESS = set("""
__asprintf_chk __ctype_b_loc __ctype_tolower_loc __cxa_finalize __errno_location __explicit_bzero_chk __fprintf_chk
__gmon_start__ __isoc99_sscanf __libc_start_main __memcpy_chk __memmove_chk __memset_chk __printf_chk __sched_cpucount
__snprintf_chk __sprintf_chk __stack_chk_fail __strcpy_chk __strncpy_chk __tls_get_addr __vfprintf_chk __vsnprintf_chk _exit abort
aligned_alloc asprintf calloc explicit_bzero exit ferror fflush fileno fprintf fputc fputs free freeaddrinfo fwrite
gai_strerror getauxval getenv gmtime_r in6addr_any in6addr_loopback inet_ntop inet_pton isatty madvise malloc
malloc_trim malloc_usable_size mallopt memchr memcmp memcpy memmem memmove memrchr memset mmap munmap mprotect
posix_memalign printf pthread_attr_destroy pthread_attr_init pthread_attr_setdetachstate pthread_attr_setstacksize
pthread_cond_broadcast pthread_cond_destroy pthread_cond_init pthread_cond_signal pthread_cond_timedwait
pthread_cond_wait pthread_condattr_destroy pthread_condattr_init pthread_condattr_setclock pthread_join
pthread_mutex_destroy pthread_mutex_init pthread_mutex_lock pthread_mutex_trylock pthread_mutex_unlock pthread_once
pthread_rwlock_destroy pthread_rwlock_init pthread_rwlock_rdlock pthread_rwlock_unlock pthread_rwlock_wrlock
pthread_self putc putchar puts qsort raise realloc sched_yield setenv sigaddset sigemptyset snprintf sscanf stderr
stdin stdout strcasecmp strcasestr strchr strcmp strcpy strcspn strdup strerror strerror_r strftime strlen strncasecmp
strncmp strncpy strndup strnlen strpbrk strrchr strspn strstr strtod strtof strtol strtoll strtoul strtoull strtok_r
sysconf timegm vfprintf vsnprintf usleep
""".split())


class Site:
    """A place in the source. `addresses`: (module, return address) in each program."""

    def __init__(self, call, function, file, line):
        self.call, self.function, self.file, self.line = call, function, file, line
        self.room = file.partition("/")[0]

    @property
    def name(self):
        return f"{self.file}:{self.line} {self.call}"

    def __repr__(self):
        return f"{self.call} in {self.function} ({self.file}:{self.line})"


def _run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


def unclassified(program):
    """Names that the program imports from the C library and that nobody has looked at."""
    found = set()
    for line in _run("nm", "-D", "--undefined-only", program).splitlines():
        name, _, version = line.split()[-1].partition("@")
        if version.startswith("GLIBC"):
            found.add(name)
    return sorted(found - WRAPPED - HARMLESS)


def _calls(path):
    """(address of the call, return address, name, kind) for calls of wrapped functions."""
    lines = _run("objdump", "-d", "--no-show-raw-insn", path).splitlines()
    pattern = re.compile(r"\s*([0-9a-f]+):\s+(?:bnd )?(call|jmp)\s+[0-9a-f]+ <(\w+)@plt>")
    for number, line in enumerate(lines):
        match = pattern.match(line) if "@plt>" in line else None
        if match and match[3] in WRAPPED:
            after = re.match(r"\s*([0-9a-f]+):", lines[number + 1])
            yield int(match[1], 16), int(after[1], 16) if after else 0, match[3], match[2]


def of_program(path):
    """(sites by name, {name: [(0, return address)]}, calls that end a function and so leave no address behind)."""
    calls = list(_calls(path))
    lines = _run("addr2line", "-e", path, "-f", *[hex(call[0]) for call in calls]).splitlines()
    sites, addresses, tails = {}, {}, []
    for index, (_, back, call, kind) in enumerate(calls):
        function, place = lines[2 * index], lines[2 * index + 1].partition(" (")[0]
        if "/gateway/" in place:
            file, _, line = place.rpartition("/gateway/")[2].rpartition(":")
        elif "/tests/" in place:
            continue
        else:  # inlined from a header of the C library: the function that it is in says more
            file, line = _outer(path, calls[index][0])
        site = Site(call, function, file, int(line))
        sites.setdefault(site.name, site)
        if kind == "jmp":
            tails.append(site.name)
        else:
            addresses.setdefault(site.name, []).append((0, back))
    return sites, addresses, tails


def _outer(path, address):
    for place in _run("addr2line", "-e", path, "-i", hex(address)).splitlines():
        if "/gateway/" in place:
            file, _, line = place.partition(" (")[0].rpartition("/gateway/")[2].rpartition(":")
            return file, line
    raise RuntimeError(f"{path}: nothing is known of {address:#x}; was it built with -g?")


def of_h2o(program):
    """The sites of the HTTP library that matter to us: by function name, not by line."""
    library = next((line.split()[2] for line in _run("ldd", program).splitlines() if "libh2o-evloop" in line), None)
    if library is None:
        return {}, {}
    wanted = {"accept", "accept4", "read", "recv", "write", "writev", "send", "epoll_wait"}
    calls = [call for call in _calls(library) if call[2] in wanted]
    symbols = sorted((int(parts[0], 16), parts[2]) for parts in (
        line.split() for line in _run("nm", "-D", "--defined-only", library).splitlines()) if parts[1] in "Tt")
    sites, addresses = {}, {}
    for address, back, call, kind in calls:
        owner = max((symbol for symbol in symbols if symbol[0] <= address), default=(0, "?"))[1]
        site = Site(call, owner, f"h2o/{owner}+{address:x}", 0)
        if kind == "call":
            sites[site.name] = site
            addresses.setdefault(site.name, []).append((1, back))
    return sites, addresses
