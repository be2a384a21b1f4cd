"""A proxy that cuts connections."""

import socket
import threading


class Proxy:
    """Passes bytes on between its own port and another one. Each connection is cut after `cuts()` bytes of answers."""

    def __init__(self, target, cuts):
        self._target, self._cuts = target, cuts
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.cut = 0
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self):
        return f"grpc://127.0.0.1:{self._listener.getsockname()[1]}"

    def close(self):
        self._listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._target)
            except OSError:
                client.close()
                continue
            limit = self._cuts()
            threading.Thread(target=self._pass, args=(client, server, None), daemon=True).start()
            threading.Thread(target=self._pass, args=(server, client, limit), daemon=True).start()

    def _pass(self, source, sink, limit):
        try:
            while data := source.recv(65_536):
                if limit is not None:
                    # In the middle of a message, like as not.
                    data = data[:limit]
                    limit -= len(data)
                sink.sendall(data)
                if limit == 0:
                    self.cut += 1
                    break
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()
