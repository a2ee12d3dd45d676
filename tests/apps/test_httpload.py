#!/usr/bin/python3
"""What must not happen: that httpload takes a wrong response for a right one.

Its server is here, and answers as each test wants. HTTPLOAD in the environment names the program.
"""
import os
import re
import socket
import subprocess
import tempfile
import threading
import unittest

HTTPLOAD = os.environ["HTTPLOAD"]
BODY = bytes(range(256)) * 40


def header(number, *lines, status=b"200 OK"):
    return b"\r\n".join((b"HTTP/1.1 " + status, b"X-Number: %d" % number, *lines, b"", b""))


def with_length(number, body=BODY, **how):
    return header(number, b"Content-Length: %d" % len(body), **how) + body


def in_chunks(number, body=BODY):
    chunks = (body[at : at + 1000] for at in range(0, len(body), 1000))
    head = header(number, b"Transfer-Encoding: chunked")
    return head + b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in chunks) + b"0\r\n\r\n"


class Server:
    """Answers with what `answer` returns for the number of a request and for its body. It closes a
    connection after the answer, or keeps it until the client closes it."""

    def __init__(self, answer, keep):
        self.answer, self.keep = answer, keep
        self.stop = False
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=(connection,), daemon=True).start()

    def talk(self, connection):
        with connection, connection.makefile("rb") as reader:
            try:
                while (line := reader.readline()) and not self.stop:
                    number = int(re.search(rb"\?n=(\d+)", line).group(1))
                    length = 0
                    while (line := reader.readline()) != b"\r\n":
                        if line.lower().startswith(b"content-length:"):
                            length = int(line.split(b":")[1])
                    answer = self.answer(number, reader.read(length))
                    if answer is None:
                        reader.read()  # until the client gives up
                        return
                    connection.sendall(answer)
                    if not self.keep:
                        return
            except OSError:
                pass


class Loading(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.file = os.path.join(folder.name, "body")
        with open(self.file, "wb") as file:
            file.write(BODY)

    def load(self, answer, *options, keep=False):
        server = Server(answer, keep)
        self.addCleanup(server.listener.close)
        return self.load_from(server.address, *options)

    def load_from(self, address, *options):
        done = subprocess.run(
            [HTTPLOAD, *options, address, f"/={self.file}"],
            capture_output=True,
            text=True,
            timeout=60,
        )
        words = dict(word.split("=") for word in done.stdout.split())
        return done.returncode, words, done.stderr

    def right(self, answer, *options, connections, **how):
        status, words, err = self.load(answer, "-n", "40", "-c", "4", *options, **how)
        self.assertEqual((status, err), (0, ""))
        self.assertEqual((words["requests"], words["failed"]), ("40", "0"))
        self.assertEqual(words["connections"], str(connections))
        self.assertEqual(words["bytes"], str(40 * len(BODY)))
        return words["digest"]

    def wrong(self, answer, said, *options, **how):
        """Request 7 is answered wrongly; all others are right."""

        def mostly(number, body):
            return answer(number) if number == 7 else with_length(number)

        status, words, err = self.load(mostly, "-n", "20", "-c", "2", *options, **how)
        self.assertEqual((status, words["requests"], words["failed"]), (1, "20", "1"), err)
        self.assertRegex(err, f"^httpload: request 7 \\(/\\): {said}\n$")

    def test_right_responses(self):
        digests = {
            self.right(lambda n, _: with_length(n), connections=40),
            self.right(lambda n, _: with_length(n), "-k", connections=4, keep=True),
            self.right(lambda n, _: in_chunks(n), connections=40),
            self.right(lambda n, _: in_chunks(n), "-k", connections=4, keep=True),
            self.right(lambda n, _: header(n) + BODY, connections=40),
            self.right(with_length, "-p", connections=40),
            self.right(with_length, "-k", "-p", connections=4, keep=True),
        }
        self.assertEqual(len(digests), 1)

    def test_connection_that_the_server_announces_to_close(self):
        def answer(number, _):
            return header(number, b"Content-Length: %d" % len(BODY), b"Connection: close") + BODY

        self.right(answer, "-k", connections=40)

    def test_status(self):
        wrong = b"502 Bad Gateway"
        self.wrong(lambda n: with_length(n, status=wrong), "'HTTP/1.1 502 Bad Gateway'")

    def test_response_of_another_request(self):
        self.wrong(lambda n: with_length(n - 1), "the response is to request 6")
        self.wrong(
            lambda n: with_length(n).replace(b"X-Number", b"X-Nobody"),
            "the response is to request of no number",
        )

    def test_body(self):
        self.wrong(lambda n: with_length(n, BODY[:-1] + b"x"), "another body of the same length")
        self.wrong(lambda n: with_length(n, BODY[:-1]), "a body of 10239 bytes, expected 10240")
        self.wrong(lambda n: with_length(n, BODY + b"x"), "a body of 10241 bytes, expected 10240")
        self.wrong(lambda n: header(n) + BODY[:-1], "a body of 10239 bytes, expected 10240")

    def test_bytes_that_nobody_asked_for(self):
        self.wrong(lambda n: with_length(n) + b"x", "1 bytes come after the response")

    def test_stream_that_ends_early(self):
        self.wrong(lambda n: with_length(n)[:5000], "end of the stream after 5000 bytes .*")
        self.wrong(lambda n: in_chunks(n)[:-1], "end of the stream after .*")
        self.wrong(lambda n: b"", "end of the stream after 0 bytes of the response")

    def test_chunks(self):
        broken = "the chunks of the body make no sense"
        self.wrong(lambda n: in_chunks(n).replace(b"\r\n3e8\r\n", b"\r\nzzz\r\n", 1), broken)
        self.wrong(lambda n: in_chunks(n).replace(b"\r\n3e8\r\n", b"\r\n3e7\r\n", 1), broken)

    def test_server_that_does_not_answer(self):
        self.wrong(lambda n: None, "the server stopped sending the response, .* 3 s.*", "-t", "3")

    def test_server_that_does_not_close(self):
        status, words, err = self.load(lambda n, _: with_length(n), "-n", "1", "-t", "3", keep=True)
        self.assertEqual((status, words["failed"]), (1, "1"))
        self.assertIn("the server stopped closing the connection", err)

    def test_server_that_closes_what_it_keeps(self):
        status, words, err = self.load(lambda n, _: with_length(n), "-n", "20", "-c", "1", "-k")
        self.assertEqual(status, 1)
        self.assertRegex(err, "closed a connection that it keeps|end of the stream|Broken|reset")

    def test_no_server(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            address = "127.0.0.1:%d" % listener.getsockname()[1]
        # It gives up after a hundred.
        status, words, err = self.load_from(address, "-n", "1000", "-c", "1")
        self.assertEqual((status, words["failed"]), (1, "100"))
        self.assertEqual(err.count("Connection refused"), 10)

    def test_usage(self):
        for arguments in ([], ["nowhere", "/=/dev/null"], ["127.0.0.1:1", "/"], ["-n", "0", "x"]):
            done = subprocess.run([HTTPLOAD, *arguments], capture_output=True)
            self.assertEqual(done.returncode, 2, arguments)


if __name__ == "__main__":
    unittest.main()
