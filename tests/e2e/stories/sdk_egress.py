"""What leaves: the pull queue and the playground's topics."""
import time

from client import Client, pull_all, record_json
from gateway import pull_egress
from processes import free_ports, wait_until
from story import BOTH, story

OUT = "e2e.out/results"


def emit(value):
    return {"op": "egress", "to": OUT, "value": value}


@story("a pull queue: in order, redelivered until acknowledged, never after", languages=BOTH)
def pull(t):
    gateway = t.sdk(pull_egress(OUT))
    t.do(gateway, f"{t.space}/worker/a", *[emit({"n": number}) for number in range(10)])
    first = t.wait(lambda: (lambda r: r if len(r) == 10 else None)(gateway.client.pull(OUT).json()["records"]), "10 records")
    t.equal([record_json(record)["n"] for record in first], list(range(10)))
    t.equal(first[0].get("type"), "e2e/Json")
    again = gateway.client.pull(OUT).json()["records"]
    t.equal([r["cursor"] for r in again], [r["cursor"] for r in first], "the same cursors without an ack")
    three = gateway.client.pull(OUT, max=3).json()["records"]
    t.equal([record_json(record)["n"] for record in three], [0, 1, 2], "max")
    acked = gateway.client.ack(OUT, three[-1]["cursor"])
    t.check(acked.status in (200, 204), f"ack: {acked}")
    rest = gateway.client.pull(OUT).json()["records"]
    t.equal([record_json(record)["n"] for record in rest], list(range(3, 10)), "what was acknowledged is not shown again")
    gateway.restart()
    after = gateway.client.pull(OUT).json()["records"]
    t.equal([record_json(record)["n"] for record in after], list(range(3, 10)), "after SIGKILL")
    t.check(gateway.client.ack(OUT, after[-1]["cursor"]).status < 300, "ack of all")
    t.equal(gateway.client.pull(OUT).json()["records"], [], "empty")
    gateway.restart()
    t.equal(gateway.client.pull(OUT).json()["records"], [], "empty after SIGKILL")


@story("a waiting pull is answered when a record comes", languages=("python",))
def waiting(t):
    gateway = t.sdk(pull_egress(OUT))
    began = time.monotonic()
    t.equal(gateway.client.pull(OUT, wait="1s").json()["records"], [], "nothing there")
    t.check(0.8 < time.monotonic() - began < 5, f"waited {time.monotonic() - began:.2f} s")
    t.do(gateway, "py/worker/a", {"op": "send_after", "to": "py/helper", "id": "h", "ms": 1000, "do": [emit("late")]})
    began = time.monotonic()
    records = gateway.client.pull(OUT, wait="20s").json()["records"]
    t.equal([record_json(record) for record in records], ["late"])
    t.check(time.monotonic() - began < 10, "answered as soon as it is there")


@story("many records of many functions: each exactly once, each sender in order", languages=BOTH)
def many(t):
    gateway = t.sdk(pull_egress(OUT))
    for number in range(10):
        for who in range(10):
            t.do(gateway, f"{t.space}/worker/{who}", emit([who, number]))
    records = []
    t.wait(lambda: records.extend(pull_all(gateway.client, OUT, 0.2)) or len(records) >= 100, "100 records")
    values = [record_json(record) for record in records]
    t.equal(len(values), 100)
    for who in range(10):
        t.equal([n for sender, n in values if sender == who], list(range(10)), f"sender {who}")


@story("the playground's greeter, as its README says", languages=BOTH)
def greeter(t):
    import gateway as gateways
    import processes
    from story import sdk_command
    folder = gateways.ROOT / "examples" / {"python": "greeter-python", "javascript": "greeter-js"}[t.language]
    command, env = sdk_command(t.language)
    function_port, ingress, egress = free_ports(3)
    program = folder / ("functions.py" if t.language == "python" else "functions.js")
    child = processes.spawn([command[0], program], log=t.dir / "greeter.log", env={**env, "PORT": str(function_port)})
    t.undo.append(lambda: processes.end(child))
    processes.wait_port(child, function_port)
    text = (folder / "module.yaml").read_text()
    for printed, real in (("8000", function_port), ("8090", ingress), ("8091", egress)):
        t.check(printed in text, f"{printed} in module.yaml")
        text = text.replace(printed, str(real))
    gateway = t.gateway(text)

    def greet(name):
        answer = Client(ingress).request("PUT", f"/example/person/{name}", f'{{"name": "{name}"}}',
                                         {"Content-Type": "application/vnd.example/GreetRequest"})
        t.status(answer, 200)
        t.equal(answer.headers.get("Status"), "200")
        t.equal(answer.body, b"")

    def read():
        answer = Client(egress).request("GET", "/greetings")
        return answer.body.decode() if answer.body else None

    def next_greeting():
        return wait_until(read, 10, "a greeting")

    greet("Bob")
    t.equal(next_greeting(), "Welcome Bob!")
    greet("Bob")
    t.equal(next_greeting(), "Nice to see you again Bob!")
    gateway.restart()
    greet("Bob")
    t.equal(next_greeting(), "Third time is a charm Bob!")
    greet("Eve")
    t.equal(next_greeting(), "Welcome Eve!")
    empty = Client(egress).request("GET", "/greetings")
    t.equal(empty.body, b"", "taken means gone")
    t.equal(empty.headers.get("Status"), "404")
    t.equal(Client(egress).request("GET", "/undeclared").headers.get("Status"), "405")
    # The playground says 200 with a header Status: 500; we say what is meant.
    t.equal(Client(ingress).request("PUT", "/too/short", b"x", {"Content-Type": "text/plain"}).headers.get("Status"), "400")
    for path, kind in (("/example/person/Bob", "application/vnd.example/GreetRequest"),):
        t.status(Client(ingress).request("POST", path, '{"name": "Bob"}', {"Content-Type": kind}), 200, "POST works, too")
    t.equal(next_greeting(), "Nice to see you for the 4th time Bob!")
