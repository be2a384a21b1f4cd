"""A server that tests begin and end as they like."""

import socket
import subprocess


class Server:
    """A server that can be killed and begun again where it was."""

    def __init__(self, program, archive, *options):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._command = [program, "serve", "--listen", f"127.0.0.1:{self.port}", "--archive", archive, *options]
        self.start()

    @property
    def address(self):
        return f"grpc://127.0.0.1:{self.port}"

    def start(self):
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout.readline().startswith("listening on ")

    def stop(self, how):
        self._process.send_signal(how)
        self._process.wait(timeout=60)
