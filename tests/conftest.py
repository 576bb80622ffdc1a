"""What all tests share: which build of the engine they run on, and which of them are quick."""

from __future__ import annotations

import importlib.util
import os
import sys

import pytest

NAME = "ossnb._core"

# Files that wait for a browser, a kernel, an emulator or a process, or run many generations. Every other test
# is quick, new ones too, but for those marked `slow`.
SLOW = {
    "test_answers_after",
    "test_approval",
    "test_arrival",
    "test_async",
    "test_bench",
    "test_bits",
    "test_browser",
    "test_builtin_tools",
    "test_busy",
    "test_cache_file",
    "test_cell_moments",
    "test_cell_tools",
    "test_cli",
    "test_commands",
    "test_conversations",
    "test_cuda_build",
    "test_cuda_device",
    "test_cuda_gate",
    "test_cuda_host",
    "test_demo_model",
    "test_derived",
    "test_devices",
    "test_docstrings",
    "test_documents",
    "test_drafts",
    "test_embeddings",
    "test_few_rows",
    "test_first_line",
    "test_fork",
    "test_forms",
    "test_given",
    "test_headers",
    "test_hub_server",
    "test_import",
    "test_injections",
    "test_inserted",
    "test_interrupts",
    "test_kept",
    "test_kernel",
    "test_kv_formats",
    "test_lab",
    "test_legal",
    "test_live_views",
    "test_local_models",
    "test_log",
    "test_loops",
    "test_lost_files",
    "test_magic",
    "test_many",
    "test_many_stateful",
    "test_mcp",
    "test_next_cell",
    "test_notebook_app",
    "test_notebooks",
    "test_other_machines",
    "test_overflow",
    "test_prefix",
    "test_python_tool",
    "test_quality",
    "test_readme",
    "test_restart",
    "test_rounds",
    "test_sandbox",
    "test_saved",
    "test_scheduler",
    "test_screen",
    "test_setup",
    "test_several",
    "test_sources",
    "test_step",
    "test_talk",
    "test_testing",
    "test_thought",
    "test_threads",
    "test_truth",
    "test_verify",
    "test_views_in_browser",
    "test_work",
}


def take_core(path):
    """Put another build of the C++ engine in the place of the installed one, before anything imports that."""
    spec = importlib.util.spec_from_file_location(NAME, path)
    assert spec is not None
    assert spec.loader is not None
    sys.modules[NAME] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[NAME])


os.environ["OSSNB_LOG"] = "off"  # whatever this user keeps, no test belongs to it

if "OSSNB_CORE" in os.environ:
    take_core(os.environ["OSSNB_CORE"])


def pytest_report_header():
    return f"engine: {os.environ['OSSNB_CORE']}" if "OSSNB_CORE" in os.environ else None


def pytest_ignore_collect(collection_path, config):
    """Do not even import slow files for `pytest -m quick`: that takes longer than many tests."""
    return True if config.option.markexpr == "quick" and collection_path.stem in SLOW else None


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.stem not in SLOW and not item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.quick)
