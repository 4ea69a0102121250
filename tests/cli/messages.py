"""Help, usage, unreachable gateways; send, call, and their refusals."""
import json
import socket
import threading

import processes
import wire
from world import COMMANDS, equal, test, want, within

# ---- Help and usage ----

@test("help: fits a screen, shows an example, names every command")
def help_texts(w):
    text = w.out("--help")
    for command in COMMANDS:
        within(f"  {command} ", text)
        shown = w.out(command, "--help")
        lines = shown.splitlines()
        want(5 <= len(lines) <= 40, f"{command} --help has {len(lines)} lines")
        want(max(map(len, lines)) <= 110, f"{command} --help is too wide")
        within("\nexample: holdfast " + command, shown)
    for title in ("Running", "Messages", "State", "Data on disk"):
        within(title, text)
    want("\033" not in text, "no colours into a pipe")


@test("usage: a typo gets the nearest word, exit 2")
def typos(w):
    within("did you mean send?", w.error(2, "sned"))
    within("did you mean --timeout?", w.error(2, "call", "cli/f/a", "--timeuot", "3s"))
    within("lists the commands", w.error(2, "xyzzyplugh"))
    w.error(2)
    for words in (["send"], ["send", "cli/f"], ["call"], ["call", "cli/f/a", "1", "2"], ["state"], ["state", "fly"],
                  ["state", "set", "cli/f/a"], ["state", "list", "cli"], ["parked", "skip"], ["parked", "show"], ["egress"],
                  ["egress", "pull", "out"], ["snapshot"], ["snapshot", "inspect", "x"], ["bench"], ["bench", "cli/f/a/b"],
                  ["bench", "cli/f", "-c", "0"], ["bench", "cli/f", "-d", "long"], ["check", "a", "b"], ["dev"], ["run"],
                  ["validate"], ["status", "--output", "xml"], ["call", "cli/f/a", "--timeout", "soon"],
                  ["send", "cli/f/a", "1", "--type", "noslash"], ["egress", "pull", "cli/out", "--wait", "x"]):
        within("hint: ", w.error(2, *words))


@test("version: text and JSON")
def version(w):
    within("holdfast", w.out("version"))
    within("record format", w.out("--version"))
    want(w.json("version")["record_format"] >= 1, "formats")


# ---- Reaching it ----

@test("unreachable: exit 4 and a sentence")
def unreachable(w):
    nobody = f"127.0.0.1:{processes.free_port()}"
    for words in (["send", "cli/f/a", "1", "--listen", nobody], ["call", "cli/f/a", "1", "--address", nobody],
                  ["status", "--admin", nobody], ["parked", "--admin", nobody], ["state", "list", "cli/f", "--listen", nobody],
                  ["bench", "cli/f", "--listen", nobody], ["snapshot", "now", "--admin", nobody],
                  ["functions", "--admin", nobody], ["send", "cli/f/a", "1", "--listen", "unix:" + str(w.folder / "none")]):
        within("cannot reach the gateway at", w.error(4, *words))
    within("plain HTTP only", w.error(2, "send", "cli/f/a", "1", "--listen", "https://127.0.0.1:1"))
    within("host:port", w.error(2, "send", "cli/f/a", "1", "--listen", "here"))


@test("an endless silence is a time-out, a broken answer no answer")
def broken_servers(w):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(8)

        def serve():
            for answer in (b"", b"SSH-2.0-x\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc",
                           b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 Accepted\r\ntransfer-encoding: chunked\r\n\r\n"
                           b"8\r\n{\"messag\r\n6\r\ne\":\"1\"\r\n1\r\n}\r\n0\r\n\r\n"):
                connection, _ = listener.accept()
                connection.settimeout(10)
                connection.recv(65536)
                connection.sendall(answer)
                connection.close()
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        where = ["--listen", f"127.0.0.1:{listener.getsockname()[1]}"]
        within("unknown", w.error(4, "send", "cli/f/a", "1", *where))
        within("does not speak HTTP", w.error(1, "send", "cli/f/a", "1", *where))
        within("closed the connection", w.error(4, "send", "cli/f/a", "1", *where))
        within("accepted 1", w.out("send", "cli/f/a", "1", *where))
        thread.join(10)


# ---- Messages ----

@test("send and call: text, keys, types, standard input")
def send_and_call(w):
    first = w.json("send", "cli/f/one", "hi", "--key", "k1")
    again = w.json("send", "cli/f/one", "hi", "--key", "k1")
    equal(again, {**first, "duplicate": True})
    within("accepted", w.out("send", "cli/f/one", "hi"))
    equal(w.out("call", "cli/f/one", "hi"), "Hello one 3\n")
    reply = w.json("call", "cli/f/one", "hi")
    equal((reply["type"], reply["value"]), (wire.STRING, "Hello one 4"))
    within(".", reply["message"])
    equal(w.out("call", "cli/f/one", "-", input="from stdin"), "Hello one 5\n")
    equal(w.run("call", "cli/f/echo", "-", "--type", "cli/Raw", input=b"\x00\x01\xff", binary=True).stdout, b"\x00\x01\xff")
    equal(w.json("call", "cli/f/echo", "-", "--type", "cli/Raw", input="\0\1")["base64"], "AAE=")
    equal(w.out("call", "cli/f/echo", "42", "--type", wire.INT), "42\n")
    equal(w.out("call", "cli/f/echo", "--type", wire.INT, "--", "-42"), "-42\n")
    equal(w.json("call", "cli/f/echo", '{"a": 1}', "--type", "cli/json")["value"], {"a": 1})
    within("is no io.statefun.types/int", w.error(2, "send", "cli/f/echo", "4x", "--type", wire.INT))
    within("--type", w.run("send", "cli/f/echo", "-", input=b"\xff\xfe", binary=True, code=2).stderr.decode())
    equal(w.out("call", "cli/f/a b/ü?#%", "hi"), "Hello a b/ü?#% 1\n")
    w.out("send", "cli/f/later", "hi", "--after", "1h", "--token", "t1")
    within("cancel token", w.error(1, "send", "cli/f/later", "hi", "--after", "1h", "--token", "t1"))


@test("refusals are one sentence with the code, exit 1")
def refusals(w):
    text = w.error(1, "call", "nobody/f/x", "hi")
    within("holdfast call: nobody/f", text)
    within("(unknown-function)", text)
    equal(len(text.splitlines()), 1)
    within("(reserved-name)", w.error(1, "send", "holdfast/reply/x", "hi"))
    late = w.error(1, "call", "cli/f/quiet", "silent", "--timeout", "200ms")
    within("(no-reply-yet)", late)
    within("reply: /v1/replies/", late)
    problem = w.run("call", "nobody/f/x", "hi", "--output", "json", code=1)
    equal(json.loads(problem.stdout)["status"], 404)
    within("type is namespace/name", w.error(2, "send", "cli/f/x", "hi", "--type", "x\n/y\r\nEvil: 1"))


@test("send --lines: batches, refused lines, a file")
def lines(w):
    rows = [{"to": f"cli/f/line{number % 40}", "type": wire.STRING, "value": "x", "key": str(number)} for number in range(2500)]
    text = "\n".join(map(json.dumps, rows)) + "\n"
    equal(w.json("send", "--lines", input=text), {"sent": 2500, "duplicates": 0, "refused": 0})
    path = w.folder / "lines.jsonl"
    path.write_text("\n" + text + '{"to":"nobody/f/x","type":"a/b","value":"x"}\nno json\n')
    result = w.run("send", "--lines", path, code=1)
    equal(result.stdout, "2500 sent (2500 of them known already), 2 refused\n")
    within("line 2502: ", result.stderr)
    within("line 2503: ", result.stderr)
    want("\r" not in result.stderr, "a progress bar into a pipe")
    within("cannot read", w.error(1, "send", "--lines", w.folder / "no-such-file"))
