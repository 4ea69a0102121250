/* The playground's ingress as its users know it, and with answers that can be believed. */
#include "gateway.h"

#include <unistd.h>

TestSuite(playground, .init = gateway_start_playground, .fini = gateway_stop, .timeout = 30);

Test(playground, accepts_as_the_readmes_show)
{
    ask("PUT", "/example/person/Bob", "Content-Type: application/vnd.example/GreetRequest\r\n",
        "{\"name\": \"Bob\"}");
    assert_status(200);
    assert_header("status", "200");
    cr_assert_eq(gateway.reply.body_size, 0);
    assert_saw(
        "SEND example/person/Bob type=example/GreetRequest value={\"name\": \"Bob\"} size=15\n");
    ask("POST", "/com.example/stock/socks",
        "Content-Type: application/vnd.com.example/RestockItem\r\n", "{}");
    assert_status(200);
    assert_saw("SEND com.example/stock/socks type=com.example/RestockItem value={} size=2\n");
}

Test(playground, takes_other_bodies_as_raw_strings)
{
    ask("PUT", "/a/b/c", "Content-Type: text/plain\r\n", "hi");
    assert_saw("type=io.statefun.types/string value=hi size=2\n");
    ask("PUT", "/a/b/c", "", "ho");
    assert_saw("type=io.statefun.types/string value=ho size=2\n");
    ask("PUT", "/a/b/c", "Content-Type: application/vnd.x/Y; charset=utf-8\r\n", "{}");
    assert_saw("type=x/Y value={} size=2\n");
}

Test(playground, refuses_other_paths)
{
    const char *paths[] = {"/", "/a/b", "/a/b/c/d", "/a/b/", "//b/c", "/a/b/%zz", "/a/b/%ff"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        ask("PUT", paths[i], "", "x");
        cr_assert_eq(gateway.reply.status, 400, "%s", paths[i]);
        assert_header("status", "400");
    }
    cr_assert_eq(fake_port_events(&gateway.fake), 0);
}

Test(playground, tells_refusals_in_the_status)
{
    answer_with((struct shard_answer){.kind = ANSWER_UNKNOWN_FUNCTION});
    ask("PUT", "/a/b/c", "", "x");
    assert_status(404);
    assert_header("status", "404");
    answer_with((struct shard_answer){.kind = ANSWER_FULL});
    ask("PUT", "/a/b/c", "", "x");
    assert_status(429);
    assert_header("retry-after", "1");
    gateway.ingress.draining = true;
    ask("PUT", "/a/b/c", "", "x");
    assert_status(503);
    assert_header("status", "503");
}

Test(playground, detaches_when_the_client_goes)
{
    answer_nobody();
    int fd = client_connect(gateway.thread.port);
    client_say(fd, "PUT /a/b/c HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\n\r\nx");
    assert_saw("SEND");
    client_vanish(fd);
    assert_saw("DETACH");
}
