"""Memory and cores, on machines and in containers made of a few files."""

import os

import pytest

from ossnb.system import machine

GB = 1 << 30
MEMINFO = f"MemTotal: {32 * GB // 1024} kB\nMemFree: 1 kB\nMemAvailable: {24 * GB // 1024} kB\n"


@pytest.fixture
def root(tmp_path):
    """A machine with 32 GB and four cores of two threads each; CPUs n and n + 4 share one."""
    write(tmp_path, "proc/meminfo", MEMINFO)
    for cpu in range(8):
        siblings = f"{cpu % 4},{cpu % 4 + 4}\n"
        write(tmp_path, f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list", siblings)
    return tmp_path


@pytest.fixture(autouse=True)
def affinity(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)


def write(root, path, text):
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def test_a_plain_machine(root):
    assert machine.total_memory(root) == 32 * GB
    assert machine.available_memory(root) == 24 * GB
    assert machine.physical_cores(root) == 4


def test_threads_are_at_most_four_a_core():
    most = 4 * max(os.cpu_count(), machine.physical_cores())
    assert [machine.check_threads(n) for n in (1, most)] == [1, most]
    for n in (most + 1, 0, -1, True, 1.0, "1", None):
        with pytest.raises(ValueError, match="threads must be"):
            machine.check_threads(n)


def test_affinity_counts_cores_not_threads(root, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {1, 5, 2})
    assert machine.physical_cores(root) == 2


def test_cgroup_v2_limits_of_parents_apply(root):
    write(root, "proc/self/cgroup", "0::/user/notebook\n")
    group = "sys/fs/cgroup/user"
    write(root, f"{group}/memory.max", str(8 * GB))
    write(root, f"{group}/memory.current", str(5 * GB))
    write(root, f"{group}/memory.stat", f"anon 1\nactive_file {GB}\ninactive_file {2 * GB}\n")
    write(root, f"{group}/notebook/memory.max", "max\n")
    write(root, f"{group}/notebook/memory.current", str(GB))
    write(root, f"{group}/notebook/cpu.max", "150000 100000\n")

    assert machine.total_memory(root) == 8 * GB
    assert machine.available_memory(root) == 6 * GB  # 3 GB of the 5 are cached files
    assert machine.physical_cores(root) == 2  # 1.5 CPUs' worth


def test_cgroup_v1_seen_from_inside_a_container(root):
    """The path names the host's group; inside, the group is the mount's top."""
    write(root, "proc/self/cgroup", "4:memory:/docker/abc\n1:cpu,cpuacct:/docker/abc\n0::/\n")
    memory, cpu = "sys/fs/cgroup/memory", "sys/fs/cgroup/cpu,cpuacct"
    write(root, f"{memory}/memory.limit_in_bytes", str(4 * GB))
    write(root, f"{memory}/memory.usage_in_bytes", str(4 * GB))
    write(root, f"{memory}/memory.stat", f"active_file 1\ntotal_active_file {GB}\ntotal_inactive_file {GB}\n")
    write(root, f"{cpu}/cpu.cfs_quota_us", "100000")
    write(root, f"{cpu}/cpu.cfs_period_us", "100000")

    assert machine.total_memory(root) == 4 * GB
    assert machine.available_memory(root) == 2 * GB
    assert machine.physical_cores(root) == 1


def test_cgroups_without_limits_change_nothing(root):
    write(root, "proc/self/cgroup", "4:memory:/\n1:cpu:/\n0::/../..\n")
    write(root, "sys/fs/cgroup/memory/memory.limit_in_bytes", str((1 << 63) - 4096))
    write(root, "sys/fs/cgroup/memory/memory.usage_in_bytes", "1")
    write(root, "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1")
    write(root, "sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000")

    assert machine.total_memory(root) == 32 * GB
    assert machine.available_memory(root) == 24 * GB
    assert machine.physical_cores(root) == 4


def test_a_machine_that_tells_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2})
    assert machine.total_memory(tmp_path) > 0
    assert machine.available_memory(tmp_path) == machine.total_memory(tmp_path) // 2
    assert machine.physical_cores(tmp_path) == 3
    assert machine.cpu_name(tmp_path)


def test_cpu_name(root):
    write(root, "proc/cpuinfo", "processor\t: 0\nmodel name\t: AMD EPYC 9575F\nflags\t: avx2\n")
    assert machine.cpu_name(root) == "AMD EPYC 9575F"


def test_this_machine():
    assert 0 < machine.available_memory() <= machine.total_memory()
    assert machine.physical_cores() >= 1
    assert machine.page_size() >= 4096


def test_free_disk_of_a_folder_to_be(tmp_path):
    assert machine.free_disk(tmp_path / "not" / "yet") > 0
