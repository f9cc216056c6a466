"""The local launcher on stub jobs: what ends how, what is started again, and what two launchers do to each other."""

import os
import signal
import subprocess
import sys
import time
import types
from pathlib import Path

import pytest
from stub_jobs import job, script, starts

from grux.errors import UsageError
from grux.launch import fence, outcome, shares
from grux.launch.local import launch
from grux.launch.overview import Silent
from grux.launch.settings import Settings
from grux.results.record import read_run

ROOT = Path(__file__).resolve().parents[2]

SAVED = "(status('interrupted', kind='Interrupted', message='saved'), sys.exit(75))"
ENDS = {
    # program: state, exit code, words of the first line, how the run folder reads afterwards
    "done()": ("done", 0, "", "done"),
    "status('failed', kind='DataError', message='no such file.'); sys.exit(3)": (
        *("failed", 3, "DataError: no such file.", "failed"),
    ),
    "status('failed', kind='Diverged', message='lower it.'); sys.exit(4)": (
        "failed",
        4,
        "Diverged: lower it.",
        "failed",
    ),
    "print('grux: bad key.', file=sys.stderr); sys.exit(2)": ("failed", 2, "bad key.", "failed"),
    "raise ZeroDivisionError('oh')": ("failed", 1, "ZeroDivisionError: oh", "failed"),
    "sys.exit(0)": ("failed", 1, "exit code 0 and left no result.json", "failed"),
    "os._exit(9)": ("failed", 9, "exit code 9", "failed"),
    "status('done')": ("failed", 1, "left no result.json", "failed"),
    "os.kill(os.getpid(), signal.SIGKILL)": ("killed", 137, "signal 9 (SIGKILL)", "failed"),
    "os.kill(os.getpid(), signal.SIGSEGV)": ("killed", 139, "signal 11 (SIGSEGV)", "failed"),
    "status('failed', kind='OutOfMemory', message='Memory ran out.'); sys.exit(5)": (
        *("out of memory", 5, "Memory ran out.", "failed"),
    ),
    "status('interrupted', kind='Interrupted', message='Stopped.'); sys.exit(75)": (
        *("interrupted", 75, "Stopped.", "interrupted"),
    ),
    "done(); os.kill(os.getpid(), signal.SIGKILL)": ("done", 0, "", "done"),
}


def test_every_end_is_told_apart():
    programs = {f"j{number}": program for number, program in enumerate(ENDS)}
    outcomes = launch([job(name) for name in programs], Settings(jobs=2), command=script(programs))
    for found, (state, code, words, reads) in zip(outcomes, ENDS.values(), strict=True):
        assert (found.state, found.exit_code) == (state, code), found
        assert words in found.first_line and bool(found.first_line) == (state != "done")
        run = read_run(found.folder)
        assert run.state == reads and (reads == "done" or found.first_line.split(": ")[-1] in str(run.problem))
        assert found.attempts == 1 and found.seconds > 0


def test_what_a_job_prints_is_in_its_folder():
    programs = {"a": "print('to stdout'); print('to stderr', file=sys.stderr); done()"}
    (found,) = launch([job("a")], Settings(), command=script(programs))
    text = (found.folder / "log.txt").read_text()
    assert "attempt 1: " in text and "to stdout\n" in text and "to stderr\n" in text


def test_again_only_what_is_missing_runs():
    programs = {"a": "done()", "b": "done() if starts > 1 else sys.exit(1)", "c": "done()"}
    jobs = [job(name) for name in programs]
    first = launch(jobs, Settings(jobs=2), command=script(programs))
    assert [found.state for found in first] == ["done", "failed", "done"]
    again = launch(jobs, Settings(jobs=2), command=script(programs))
    assert [found.state for found in again] == ["done"] * 3 and [found.attempts for found in again] == [0, 1, 0]
    assert [starts(name) for name in programs] == [1, 2, 1]


def test_retries_are_for_what_may_end_otherwise():
    programs = {
        "kill": "done() if starts == 3 else os.kill(os.getpid(), signal.SIGKILL)",
        "usage": "sys.exit(2)",
        "diverged": "sys.exit(4)",
        "bug": "sys.exit(1)",
    }
    found = launch([job(name) for name in programs], Settings(jobs=2, retries=2), command=script(programs))
    assert [one.state for one in found] == ["done", "failed", "failed", "failed"]
    assert [starts(name) for name in programs] == [3, 1, 1, 3] == [one.attempts for one in found]


def test_the_kernels_kill_is_out_of_memory(monkeypatch):
    counts = iter(range(100))
    monkeypatch.setattr("grux.launch.local.kernel_kills", lambda: next(counts))
    programs = {"a": "os.kill(os.getpid(), signal.SIGKILL)"}
    (found,) = launch([job("a")], Settings(), command=script(programs))
    assert (found.state, found.exit_code) == ("out of memory", 5) and "no memory left" in found.first_line


def test_more_memory_than_its_share_ends_a_job():
    if not Path("/proc/self").exists():
        pytest.skip("watched through /proc")
    # The memory of what a job starts counts as its own.
    hungry = "import time; x = b'1' * (200 << 20); time.sleep(300)"
    programs = {
        "big": f"import subprocess; subprocess.run([sys.executable, '-c', {hungry!r}])",
        "small": "time.sleep(0.5); done()",
    }
    big, small = launch([job("big"), job("small")], Settings(jobs=2, memory=0.15), command=script(programs))
    assert (big.state, big.exit_code) == ("out of memory", 5) and "launcher.memory=0.15" in big.first_line
    assert small.state == "done" and read_run(big.folder).status["kind"] == "OutOfMemory"


def test_a_job_over_its_time_saves_and_is_not_started_again(monkeypatch):
    ready = job("a").folder / "ready"
    clock = types.SimpleNamespace(monotonic=lambda: time.monotonic() + 3600 * ready.exists(), sleep=time.sleep)
    monkeypatch.setattr("grux.launch.local.time", clock)
    programs = {"a": f"signal.signal(signal.SIGTERM, lambda *_: {SAVED}); (folder / 'ready').touch(); time.sleep(300)"}
    (found,) = launch([job("a")], Settings(time_limit=30, retries=3), command=script(programs))
    assert (found.state, found.exit_code) == ("timed out", 124) and "launcher.time_limit=30" in found.first_line
    assert starts("a") == 1 and read_run(found.folder).state == "interrupted"


def test_a_job_in_other_hands_is_left_alone():
    folder = job("a").folder
    folder.mkdir(parents=True)
    (folder / "lock").write_text(f'{{"pid": {os.getpid()}, "host": "{os.uname().nodename}"}}')
    programs = {"a": "done()", "b": "done()"}
    found = launch([job("a"), job("b")], Settings(), command=script(programs))
    assert [one.state for one in found] == ["busy", "done"] and starts("a") == 0
    assert f"process {os.getpid()} on" in found[0].first_line and found[0].exit_code == 75


def test_a_job_that_was_in_other_hands_and_is_done_by_now():
    folder = job("a").folder
    folder.mkdir(parents=True)
    (folder / "lock").write_text(f'{{"pid": {os.getpid()}, "host": "{os.uname().nodename}"}}')
    end = "a = folder.parent / 'a'; os.link(folder / 'result.json', a / 'result.json'); os.remove(a / 'lock')"
    others = f"done(); {end}"
    found = launch([job("a"), job("b")], Settings(), command=script({"a": "done()", "b": others}))
    assert [one.state for one in found] == ["done", "done"] and starts("a") == 0


def test_a_job_that_another_process_finishes_meanwhile_is_not_run():
    both = "done(); other = folder.parent / 'b'; other.mkdir(); os.link(folder / 'result.json', other / 'result.json')"
    found = launch([job("a"), job("b")], Settings(jobs=1), command=script({"a": both, "b": "done()"}))
    assert [one.state for one in found] == ["done", "done"] and starts("b") == 0


def test_below_a_launcher_none_is_started(monkeypatch):
    monkeypatch.setenv(fence.DEPTH, "1")
    with pytest.raises(UsageError, match="starts no jobs itself"):
        launch([job("a")], Settings(), command=script({"a": "done()"}))
    assert starts("a") == 0


def test_jobs_know_that_they_are_jobs():
    launch([job("a")], Settings(), command=script({"a": "done()"}))
    assert (job("a").folder / "starts").read_text() == "1\n"


SWEEP = """
import sys
sys.path.insert(0, {tests!r})
from stub_jobs import job, script
from grux.launch.local import launch
from grux.launch.overview import Silent
from grux.launch.settings import Settings
saves = "signal.signal(signal.SIGTERM, lambda *_: {on_term}); (folder / 'ready').touch(); time.sleep(300)"
found = launch([job(n) for n in "abc"], Settings(jobs=2), command=script(dict.fromkeys("abc", saves)))
print([one.state for one in found], [one.first_line for one in found])
"""


@pytest.mark.parametrize("stubborn", [False, True])
def test_ctrl_c_stops_all_and_a_second_one_kills(stubborn: bool):
    """The first is passed on as SIGTERM, and no more are begun; a job that does not stop dies at the second."""
    on_term = "(folder / 'asked').touch()" if stubborn else SAVED
    program = SWEEP.format(tests=str(ROOT / "tests"), on_term=on_term)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True)
    wait_for([job(name).folder / "ready" for name in "ab"])
    process.send_signal(signal.SIGINT)
    if stubborn:
        wait_for([job(name).folder / "asked" for name in "ab"])
        process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=300)
    assert out.startswith("['interrupted', 'interrupted', 'interrupted']") and "not started" in out
    assert not (job("c").folder / "starts").exists()
    assert stubborn or "saved" in out
    assert [read_run(job(name).folder).state for name in "ab"] == ["interrupted"] * 2


def test_an_error_of_the_launcher_has_jobs_save():
    """A reader that went away, say: the jobs do not go on unwatched, and lose nothing."""

    class Broken(Silent):
        def tick(self, running, waiting):
            if (job("a").folder / "ready").exists():
                raise BrokenPipeError

    programs = {"a": f"signal.signal(signal.SIGTERM, lambda *_: {SAVED}); (folder / 'ready').touch(); time.sleep(300)"}
    with pytest.raises(BrokenPipeError):
        launch([job("a")], Settings(), command=script(programs), overview=Broken())
    assert read_run(job("a").folder).problem == "Interrupted: saved"


def wait_for(paths: list[Path]) -> None:
    limit = time.monotonic() + 300
    while not all(path.exists() for path in paths):
        assert time.monotonic() < limit, f"{paths} did not come"
        time.sleep(0.02)


def test_cores_are_divided():
    if not hasattr(os, "sched_getaffinity"):
        pytest.skip("this platform binds nobody to cores")
    cores = sorted(os.sched_getaffinity(0))
    tell = "told = sorted(os.sched_getaffinity(0)), os.environ['NPROC']; (folder / 'cores').write_text(str(told)); "
    tell += "time.sleep(0.3); done()"
    jobs = [job(f"j{number}") for number in range(len(cores))]
    launch(jobs, Settings(jobs=len(cores)), command=script({one.run_id: tell for one in jobs}))
    told = [(one.folder / "cores").read_text() for one in jobs]
    assert sorted(told) == sorted(str(([core], "1")) for core in cores)
    assert sorted(os.sched_getaffinity(0)) == cores
    launch([job("alone")], Settings(jobs=1), command=script({"alone": tell}))
    assert (job("alone").folder / "cores").read_text() == str((cores, str(len(cores))))


def test_gpus_and_their_memory_are_divided(monkeypatch):
    monkeypatch.setenv("JAX_PLATFORMS", "cuda,cpu")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    monkeypatch.delenv("XLA_CLIENT_MEM_FRACTION", raising=False)
    told = [share.environment for share in shares.divide(3)]
    assert [one["CUDA_VISIBLE_DEVICES"] for one in told] == ["2", "5", "2"]
    assert [one.get("XLA_CLIENT_MEM_FRACTION") for one in told] == ["0.450", None, "0.450"]
    assert shares.how_many("auto", 9) == 2 and shares.how_many("auto", 9, devices=2) == 1
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3,4")
    told = [share.environment for share in shares.divide(shares.how_many("auto", 9, devices=2))]
    assert [one["CUDA_VISIBLE_DEVICES"] for one in told] == ["0,1", "2,3"]
    assert shares.divide(1)[0].environment["CUDA_VISIBLE_DEVICES"] == "0,1,2,3,4"
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    assert shares.gpus() == []


@pytest.mark.parametrize(("cores", "memory", "jobs"), [(8, 64, 8), (8, 6, 3), (2, 1, 1), (64, 0, 10)])
def test_auto_is_a_job_for_each_core_with_room_in_memory(monkeypatch, cores: int, memory: int, jobs: int):
    monkeypatch.setattr(shares, "available_cores", lambda: cores)
    monkeypatch.setattr(shares, "machine_memory", lambda: memory << 30)
    monkeypatch.setattr(shares, "gpus", lambda: [])
    assert shares.how_many("auto", 10) == jobs and shares.how_many(4, 10) == 4 and shares.how_many(4, 3) == 3


def test_jobs_that_share_devices_get_as_many(monkeypatch):
    monkeypatch.setattr(shares, "available_cores", lambda: 8)
    monkeypatch.setattr(shares, "machine_memory", lambda: 0)
    monkeypatch.setattr(shares, "gpus", lambda: [])
    assert [shares.how_many("auto", 99, devices=wanted) for wanted in (1, 2, 3, 8, 16)] == [8, 4, 2, 1, 1]
    asked = []
    monkeypatch.setattr("grux.launch.local.how_many", lambda *given: asked.append(given) or 1)
    launch([job("a", mesh={"data": 4, "hosts": 1})], Settings(), command=script({"a": "done()"}))
    assert asked == [("auto", 1, 4)]


def test_the_machine_says_what_it_has():
    assert shares.machine_memory() >= 1 << 28 or shares.machine_memory() == 0
    assert shares.kernel_kills() >= 0 and outcome.TIMED_OUT == 124
