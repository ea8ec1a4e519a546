"""A web server on this machine that can be told to misbehave."""

import socket
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server(ThreadingHTTPServer):
    """Serves ``files`` by path.

    Attributes:
        files: content by name.
        cut: bytes after which the first so many connections break, one number for each.
        ranges: whether parts of files are sent.
        status: sent instead of files where not None.
        etag: of every file.
        asked: the Range header of each request.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.cut, self.ranges, self.status, self.etag, self.asked = {}, [], True, None, '"1"', []

    def url(self, name):
        return f"http://127.0.0.1:{self.server_port}/{name}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        asked = self.headers.get("Range")
        server.asked.append(asked)
        content = server.files.get(self.path[1:])
        if server.status or content is None:
            self.send_error(server.status or 404)
            return
        start = 0
        if asked and server.ranges and self.headers.get("If-Range") == server.etag:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            if start >= len(content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(content)}")
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(content) - start))
        if server.etag:
            self.send_header("ETag", server.etag)
        self.end_headers()
        sent = content[start:]
        self.wfile.write(sent[: server.cut.pop(0)] if server.cut else sent)

    def log_message(self, *args):
        pass


@contextmanager
def serving():
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def answering(*answers, pause=0.0):
    """A server that sends these bytes to one connection after the other, the last to all that follow.

    Args:
        answers: of each connection; a tuple is sent piece by piece, with ``pause`` seconds between. A piece that can
            be called is called instead: what follows waits until it returns.

    Yields:
        its address, and a list of the requests that came.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    requests, left = [], list(answers)

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            answer = left.pop(0) if len(left) > 1 else left[0]
            threading.Thread(target=send, args=(connection, answer), daemon=True).start()

    def send(connection, answer):
        with connection:
            try:
                requests.append(connection.recv(1 << 16).decode("latin-1"))
                for piece in answer if isinstance(answer, tuple) else (answer,):
                    if callable(piece):
                        piece()
                    else:
                        connection.sendall(piece)
                    time.sleep(pause)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(1 << 16):
                    pass
            except OSError:
                pass

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", requests
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
