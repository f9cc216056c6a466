"""Stop signals raise a flag and nothing else; a second Ctrl-C does not wait."""

import signal
import threading

import pytest

from grux.training.interrupts import STOP_SIGNALS, StopFlag


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR2])
def test_a_signal_raises_the_flag(number: signal.Signals):
    with StopFlag() as stop:
        assert not stop and stop.name == ""
        signal.raise_signal(number)
        assert stop and stop.name == number.name


def test_the_second_interrupt_does_not_wait():
    with StopFlag() as stop:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)  # schedulers repeat it
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert stop


def test_former_handlers_come_back():
    before = [signal.getsignal(number) for number in STOP_SIGNALS]
    with pytest.raises(RuntimeError), StopFlag():
        assert [signal.getsignal(number) for number in STOP_SIGNALS] != before
        raise RuntimeError
    assert [signal.getsignal(number) for number in STOP_SIGNALS] == before


def test_outside_the_main_thread_there_are_no_handlers():
    seen = []

    def work() -> None:
        with StopFlag() as stop:
            seen.append(bool(stop))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]
