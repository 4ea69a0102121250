/* What the command line's HTTP client may be answered, through a pair of sockets. */
#include "fuzz.h"

#include "cli/client.h"

#include <sys/socket.h>
#include <unistd.h>

static void read_answers(struct client *client)
{
    bool keep = true;
    for (int i = 0; i < 4 && keep; i++) {
        struct client_answer answer = {0};
        char value[64];
        client->errmsg.text[0] = 0;
        int error = response_read(client, 1000, &answer, &keep);
        if (error == 0) {
            FUZZ_CHECK(answer.status >= 100 && answer.status <= 999);
            fuzz_touch(buffer_span(&answer.body));
            if (client_header(&answer, "content-type", value, sizeof value))
                FUZZ_CHECK(strlen(value) < sizeof value);
        }
        client_answer_close(&answer);
        if (error != 0) return;
    }
}

void fuzz_one(struct span input)
{
    int ends[2];
    struct client client;
    if (input.size > 60000) return; /* more than the sockets hold */
    FUZZ_CHECK(client_init(&client, "127.0.0.1:1", NULL) == 0);
    FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    FUZZ_CHECK(input.size == 0 || write(ends[1], input.at, input.size) == (ssize_t)input.size);
    close(ends[1]);
    client.fd = ends[0];
    read_answers(&client);
    client_close(&client);
}
