"""Other ways to a function: a Unix socket, HTTP/2 without TLS."""
import processes
from gateway import endpoint
from scripts import counted
from story import sdk_command, start_functions, story


@story("Python functions on a Unix socket", languages=("python",))
def unix_socket(t):
    command, env = sdk_command(t.language)
    socket = t.dir / "functions.sock"
    child = processes.spawn(command, log=t.dir / "functions.log", env={**env, "SOCKET": str(socket)})
    t.undo.append(lambda: processes.end(child))
    t.wait(socket.exists, "the socket")
    gateway = t.gateway(endpoint("py/*", f"http+unix://{socket}/statefun"))
    t.do(gateway, "py/worker/a", {"op": "count", "by": 3})
    t.equal(t.states(gateway, "py/worker/a")["count"], 3)


@story("JavaScript functions over HTTP/2 with prior knowledge", languages=("javascript",))
def http2(t):
    child, port = start_functions(t.language, t.dir / "functions.log", env={"HTTP2": "1"})
    t.undo.append(lambda: processes.end(child))
    gateway = t.gateway(endpoint("js/*", f"http://127.0.0.1:{port}/", http2="true"))
    t.do(gateway, "js/worker/hub", {"op": "send", "to": "js/helper", "id": "leaf-#", "times": 200,
                                    "do": [{"op": "count"}, {"op": "tell_caller", "do": [{"op": "count"}]}]})
    t.wait(lambda: t.states(gateway, "js/worker/hub")["count"] == 200, "200 answers", 30)
    gateway.restart()
    t.equal(t.states(gateway, "js/worker/hub")["count"], 200)


@story("the function's name in the URL, and the specific endpoint before the namespace's")
def template(t):
    server = t.functions(counted)
    gateway = t.gateway(endpoint("e2e/special", f"http://127.0.0.1:{server.port}/special/{{function.name}}") + "---\n"
                        + endpoint("e2e/*", f"http://127.0.0.1:{server.port}/any/{{function.name}}?x=y"))
    for name in ("special", "other"):
        t.status(gateway.client.call(f"e2e/{name}/a", "1"), 200)
    lines = {call.target.type: call.head for call in server.calls}
    t.equal(lines, {"special": "POST /special/special HTTP/1.1", "other": "POST /any/other?x=y HTTP/1.1"})


@story("what a function's server sees of a request")
def request(t):
    server, gateway = t.scripted(counted)
    t.status(gateway.client.call("e2e/f/a", "1"), 200)
    for call in server.calls:
        t.equal(call.headers["content-type"], "application/octet-stream")
        t.equal(int(call.headers["content-length"]), len(call.body))
        t.equal(call.headers["host"], f"127.0.0.1:{server.port}")
        t.check(call.invocation_id and call.attempt == 1, f"{call.headers}")
        t.check(call.request.target.namespace and call.request.target.type and call.request.target.id, "a whole address")
    t.equal(server.calls[0].request.state, {}, "no states are known at first")
    t.equal(server.calls[1].request.state, {"count": None, "log": None}, "registered, but unset")
