import os
import signal
import threading

import pytest

from orchestration.interruptible import in_thread


def test_work_is_done_in_another_thread_and_its_result_returned():
    assert in_thread(lambda: threading.current_thread() is threading.main_thread()) is False


def test_what_the_work_raises_is_raised():
    with pytest.raises(ZeroDivisionError):
        in_thread(lambda: 1 / 0)


def test_an_interrupt_ends_the_wait():
    # A shell starts background work with interrupts ignored; what is tested is ours, not the shell's.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    release = threading.Event()

    def interrupt_and_wait():
        os.kill(os.getpid(), signal.SIGINT)
        release.wait(30)

    with pytest.raises(KeyboardInterrupt):
        in_thread(interrupt_and_wait)
    release.set()
    signal.signal(signal.SIGINT, before)
