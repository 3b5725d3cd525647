"""The simulator that is judged: a process of our own, or the one that ALMONER_SIMULATOR (host:port) names."""

import os
import re
import subprocess
import tempfile
import unittest

API_KEY = "sk_test_almoner"


class Simulator:
    """A running `almoner gateway-sim`."""

    def __init__(self, *options, faults=None):
        self._folder = tempfile.TemporaryDirectory()
        arguments = ["--listen", "127.0.0.1:0", "--data", self._folder.name, *options]
        if faults:
            path = os.path.join(self._folder.name, "faults.toml")
            with open(path, "w") as file:
                file.write(faults)
            arguments += ["--faults", path]
        command = [os.environ["ALMONER_BIN"], "gateway-sim", *arguments]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        line = self._process.stdout.readline()
        found = re.search(r"http://(\S+)", line)
        if not found:
            self.stop()
            raise RuntimeError(f"the simulator did not start: {line!r}")
        self.url = found.group(0)

    def stop(self):
        self._process.terminate()
        code = self._process.wait(timeout=30)
        self._process.stdout.close()
        self._folder.cleanup()
        return code


class Given:
    """One that somebody else started."""

    def __init__(self, address):
        self.url = f"http://{address}"

    def stop(self):
        return 0


def start():
    """The simulator for judges that need no particular options."""
    given = os.environ.get("ALMONER_SIMULATOR")
    return Given(given) if given else Simulator("--search-lag-ms", "50")


def start_with(*options, faults=None):
    """A simulator with these options, which only a process of our own can have."""
    if "ALMONER_BIN" not in os.environ:
        raise unittest.SkipTest("ALMONER_BIN is not set")
    return Simulator(*options, faults=faults)
